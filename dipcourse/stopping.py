"""When to stop a fit: rules that read a finished ``History`` and return one of its steps.

Only ``oracle`` needs the clean picture. Frames are kept at some steps only:
``history.frame(history.nearest(step))`` is the picture that belongs to an answer.
"""

import numpy as np
import torch

from dipcourse import metrics
from dipcourse.history import History


def discrepancy(history: History, sigma: float) -> int:
    """The first step whose loss is not above σ²: from there on, the fit copies noise.

    Args:
        history: History of a fit without prior (the loss must be the data term alone).
        sigma: standard deviation of the error of y, in [0, 1] units. Noise that was clipped to
            [0, 1] is weaker than what was added: give the level that was measured.

    Returns:
        An int; the last step if the loss stays above σ² to the end.

    Raises:
        ValueError: sigma is not between 0 and 1.

    Source: V. A. Morozov, 1966.
    Built in lesson 07.

    >>> from types import SimpleNamespace
    >>> discrepancy(SimpleNamespace(loss=np.array([0.09, 0.04, 0.009, 0.01])), sigma=0.1)
    2
    """
    if not 0 < sigma <= 1:
        raise ValueError(f"sigma={sigma}: give it in [0, 1] units, 25 grey levels are 25/255")
    below = np.flatnonzero(history.loss <= sigma**2)  # (steps not above,)
    return int(below[0]) if below.size else len(history.loss) - 1


def held_out(history: History, patience: int = 100, smooth: int = 10) -> int:
    """The step with the smallest error on values that the fit did not see.

    Args:
        history: History of a fit with ``holdout=``.
        patience: the rule gives up when the error has not fallen for so many steps.
        smooth: the error at step k is taken as the mean over the steps k − smooth + 1 … k.

    Returns:
        An int; the first step at which the smallest error was seen.

    Raises:
        ValueError: nothing was held out, the fit is too short, or settings below 1.

    Built in lesson 07.

    >>> from types import SimpleNamespace
    >>> held_out(SimpleNamespace(held_out=np.array([0.4, 0.2, 0.3, 0.5])), smooth=1)
    1
    """
    if history.held_out is None:
        raise ValueError("nothing was held out: call fit with holdout=mask, ones where to hold out")
    if smooth < 1:
        raise ValueError(f"smooth={smooth}: use at least 1 step")
    total = np.cumsum(history.held_out, dtype=float)  # (N,), from step 0 on
    total[smooth:] -= total[:-smooth].copy()  # of the last smooth steps alone
    total[: smooth - 1] = np.nan  # the window is not full
    return lowest(total / smooth, patience)


def windowed_variance(history: History, patience: int = 100, warm_up: int = 100) -> int:
    """The step at which the outputs change least (ES-WMV): after it, they begin to copy noise.

    Args:
        history: History of a fit with ``window=W``; its variance at step k is that of the outputs
            at the steps k − W + 1 … k.
        patience: the rule gives up when the variance has not fallen for so many steps.
        warm_up: steps that are passed over first, since an untrained network changes little.

    Returns:
        An int; the last step of the window with the smallest variance that was seen.

    Raises:
        ValueError: no variance was recorded, or the fit ends before window and warm-up do.

    Source: Wang et al., Early Stopping for Deep Image Prior, TMLR 2023 (there W is 100 and the
    patience 1000, for fits of many thousand steps).
    Built in lesson 07.

    >>> from types import SimpleNamespace
    >>> variance = np.array([np.nan, 0.1, 0.5, 0.3, 0.2, 0.4])
    >>> windowed_variance(SimpleNamespace(variance=variance), warm_up=2)
    4
    """
    if history.variance is None:
        raise ValueError("no variance was recorded: call fit with window=, such as window=50")
    return lowest(history.variance, patience, warm_up)


def oracle(
    history: History, x: torch.Tensor, mean: bool = False, mask: torch.Tensor | None = None
) -> int:
    """The kept step with the best PSNR. It needs the clean picture: no rule, but their measure.

    Args:
        history: History.
        x: tensor (1, C, H, W), the clean picture.
        mean: judge the running means instead of the outputs.
        mask: tensor (1, 1, H, W); only pixels with a one count. None: all.

    Returns:
        An int, one of ``history.steps``.

    Raises:
        ValueError: as for ``metrics.psnr``.

    Built in lesson 07.

    >>> frames = torch.tensor([0, 99, 200], dtype=torch.uint8).view(3, 1, 1, 1).expand(-1, 3, 8, 8)
    >>> last = torch.zeros(1, 3, 8, 8)
    >>> history = History(np.ones(9), np.array([0, 4, 8]), frames, frames, last, last, seconds=1)
    >>> oracle(history, torch.full((1, 3, 8, 8), 0.4))
    4
    """
    scores = [metrics.psnr(history.frame(i, mean), x, mask) for i in range(len(history))]
    return int(history.steps[np.argmax(scores)])


def lowest(values: np.ndarray, patience: int, warm_up: int = 0) -> int:
    """The step of the smallest value that is found before none is lower for ``patience`` steps.

    The search that ``held_out`` and ``windowed_variance`` share. It never looks ahead: a lower
    value that comes after it gave up changes nothing.

    Args:
        values: array (N,), one value for each step; NaN where there is none yet.
        patience: the search ends when no value was lower for so many steps.
        warm_up: steps that are passed over first.

    Returns:
        An int; the first step with the smallest value that was seen.

    Raises:
        ValueError: settings out of range, or no value after the warm-up.

    Built in lesson 07.

    >>> lowest(np.array([0.4, 0.2, 0.3, 0.5, 0.1]), patience=2)
    1
    """
    if patience < 1 or warm_up < 0:
        raise ValueError(f"patience={patience}, warm_up={warm_up}: use at least 1 and 0 steps")
    best = None
    for step in range(warm_up, len(values)):
        if np.isnan(values[step]):
            continue
        if best is None or values[step] < values[best]:
            best = step
        elif step - best >= patience:
            break
    if best is None:
        raise ValueError(
            f"the fit has {len(values)} steps and ends before window ({np.isnan(values).sum()} "
            f"steps) and warm-up ({warm_up}) do: run it longer, or make these smaller"
        )
    return best
