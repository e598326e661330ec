"""The one optimisation of the course: change the parameters of net until A(net(z)) is near y.

It never sees the clean picture, and it draws nothing: it returns a ``History``. This page,
``walk`` and ``stepper`` are the whole of it; the rest of the room is what makes it robust:

    settings    what can be chosen, and what it means
    data_term   the mean over known values
    record      what is kept of each step
    rollback    going back when the loss jumps
    optimizers  those that have a name, and any of torch.optim
    machine     device, precision, memory
    threads     how many of the CPU's cores, on a busy machine too
    together    several fits at once
    demands     what is refused, and how it is said
    session     the progress bar and the stop button

May not enter: the clean picture, figures, widgets.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dipcourse.fit.machine import best_device, best_precision
from dipcourse.fit.record import FitDiverged
from dipcourse.fit.session import Session
from dipcourse.fit.settings import Settings, takes_settings
from dipcourse.fit.stepper import Stepper
from dipcourse.fit.together import FitsFailed, Plan, plan, side_by_side
from dipcourse.fit.walk import frame_steps, walk
from dipcourse.history import History

__all__ = ["FitDiverged", "FitsFailed", "Plan", "Settings", "Stepper", "best_device"]
__all__ += ["best_precision", "fit", "frame_steps", "plan", "side_by_side"]


@takes_settings
def fit(
    net: nn.Module,
    z: torch.Tensor | None,
    y: torch.Tensor,
    operator: nn.Module,
    *,
    steps: int,
    frames: int = 60,
    progress: bool | None = None,
    after_step: Callable[[Stepper], object] | None = None,
    **settings: Any,
) -> History:
    """Minimise the mean of m·(A(net(z)) − y)² over the parameters of net, from where they are.

    Args:
        net: module whose output for z is a picture (1, C, H, W); its parameters are changed in
            place, and come back on the device they were on.
        z: tensor (1, channels, H, W), the fixed input, or None for a ``PixelImage``.
        y: tensor (1, C, h, w), the measurement.
        operator: A of ``degrade``, from (1, C, H, W) to (1, C, h, w); its mask says what is known.
            One of your own is a module that may measure anything: y has any number of channels
            and any values, complex numbers as two channels. Without a mask every value is known.
        steps: number of updates N.
        frames: how many outputs to keep, early ones densely.
        progress: show a progress bar; None does so except under grading.
        after_step: function of the ``Stepper``, called after each step, to show or note something.
        settings: see ``Settings``.

    Returns:
        History. An interrupt (Ctrl-C, the stop button) stops this fit alone: what there is so far
        is returned, with ``history.unfinished``. A second one within ten seconds stops everything,
        and so does one before the first step or under grading: it raises KeyboardInterrupt.

    Raises:
        ValueError: sizes or settings that do not fit together, an optimiser that cannot be used.
        MemoryError: the fit needs more memory than is free; nothing was started.
        FitDiverged: the loss is not finite; the error's ``history`` holds what came before.

    Source: Ulyanov, Vedaldi, Lempitsky, IJCV 2020, equation 2.
    Built in lesson 00 (used), lesson 01 (pixels) and lesson 02 (networks).

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> net = nets.PixelImage(torch.zeros_like(y))
    >>> history = fit(net, None, y, degrade.Identity(), steps=5, lr=0.1, progress=False)
    >>> round(float(history.loss[0]), 4)
    0.25
    """
    keep = frame_steps(steps, frames)
    home = next(net.parameters()).device
    with Session(progress) as session:
        stepper = Stepper(net, z, y, operator, frames=len(keep), **settings)
        with session.stoppable(stepper), session.bar(steps) as bar:
            for loss in walk(stepper, steps, keep):
                if loss is not None:
                    bar.set_postfix_str(f"loss {loss:.5f}", refresh=False)
                bar.update()
                if after_step is not None:
                    after_step(stepper)
        history = stepper.history(planned=steps)
        net.to(home)
        session.answer(history)
    return history
