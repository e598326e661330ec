"""The settings of a fit, written down once: names, defaults and what they mean."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import nn

from dipcourse._numbers import whole

Prior = Callable[[torch.Tensor], torch.Tensor]
Function = TypeVar("Function", bound=Callable[..., Any])

PLACE = "        settings: see ``Settings``.\n"  # in the help of what takes them


@dataclass(frozen=True)
class Settings:
    """How a fit is made. ``fit`` and ``Stepper`` take each of these by its name.

    A new setting is written here and where it is used.

    Args:
        lr: learning rate.
        jitter: standard deviation of fresh normal noise that is added to z at each step.
        prior: function of the output that is added to the loss, or None.
        optimizer: "adam", "quick adam" (β₂ = 0.95, not 0.999: fewer steps to a good picture),
            "gradient descent", or a class of torch.optim (not LBFGS, SparseAdam and Muon).
        holdout: tensor (1, 1, h, w), ones where values of y are kept out of the loss; their error
            at each step is in ``history.held_out``. None: nothing.
        window: number of steps W over which ``history.variance`` is taken. None: no variance.
        rollback: a factor above 1: a step whose loss is more than so many times the loss at the
            last checkpoint (or not finite) is undone. Weights, optimiser and running mean go back
            there, the gradient is not used, the learning rate is halved from there on, and
            ``history.rollbacks`` has the step. Looking at every loss slows a GPU down. None: off.
        average: decay β of the running mean m ← β·m + (1 − β)·x̂, which is divided by 1 − βᵏ.
        precision: "float32", "bfloat16" or, on GPUs without bfloat16, "float16" for the network;
            None takes bfloat16 where the hardware has it, else float32.
        device: "cpu", "cuda", …; None takes the best there is.
        threads: of the CPU; None takes as many as torch has, and fewer while the machine is busy.
            With a number, equal settings give equal bits on a busy machine too.
        seed: of the jitter.

    Built in lesson 02.
    """

    lr: float = 0.01
    jitter: float = 0.0
    prior: Prior | None = None
    optimizer: str | Callable[..., torch.optim.Optimizer] = "adam"
    holdout: torch.Tensor | None = None
    window: int | None = None
    rollback: float | None = None
    average: float = 0.99
    precision: str | None = None
    device: str | torch.device | None = None
    threads: int | None = None
    seed: int = 0

    def facts(
        self, net: nn.Module, operator: nn.Module, optimizer: torch.optim.Optimizer
    ) -> dict[str, Any]:
        """What was chosen, as a file can hold it: of tensors and functions, that there was one."""
        chosen = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        if not isinstance(self.optimizer, str):
            chosen["optimizer"] = type(optimizer).__name__
        return {
            "net": type(net).__name__,
            "parameters": sum(p.numel() for p in net.parameters()),
            "operator": type(operator).__name__,
            **chosen,
        }


def named(settings: dict[str, Any]) -> Settings:
    """The settings that were given by name, and the defaults of the others.

    Raises:
        TypeError: there is no setting of that name.
        ValueError: a seed, a window or a number of threads that is no whole number; the rest is
            seen to by ``demands``.

    >>> named({"lr": 0.02}).lr
    0.02
    """
    known = [field.name for field in fields(Settings)]
    if unknown := [name for name in settings if name not in known]:
        raise TypeError(f"a fit has no setting {unknown[0]!r}: there are {', '.join(known)}")
    given = Settings(**settings)
    window = None if given.window is None else whole("window", given.window, 2, unit=" steps")
    threads = None if given.threads is None else whole("threads", given.threads, 1)
    return replace(given, seed=whole("seed", given.seed, 0), window=window, threads=threads)


def takes_settings(function: Function) -> Function:
    """Decorate a function with ``**settings``: its signature and its help list them one by one."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    each = inspect.signature(Settings).parameters.values()
    by_name = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in each]
    function.__signature__ = signature.replace(parameters=[*own, *by_name])  # type: ignore[attr-defined]
    if function.__doc__ and Settings.__doc__:  # there is none under python -OO
        function.__doc__ = function.__doc__.replace(PLACE, _help(Settings.__doc__))
    return function


def _help(text: str) -> str:
    """The lines of a docstring's arguments."""
    return text.partition("    Args:\n")[2].rstrip() + "\n"


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    number = getattr(value, "item", None)  # of NumPy
    return number() if number and getattr(value, "ndim", None) == 0 else True
