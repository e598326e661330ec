"""The optimisers of a fit: three by name, and any class of torch.optim that a fit can use."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import nn

from dipcourse import _interrupts

with _interrupts.held():  # what the first optimiser imports
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0).zero_grad()

Maker = Callable[..., torch.optim.Optimizer]  # a class of torch.optim, or a partial one

OPTIMIZERS: dict[str, Maker] = {
    "adam": partial(torch.optim.Adam, fused=True),  # one call for all parameters
    # forgets the large gradients of the first steps within 20 steps, not within 1000
    "quick adam": partial(torch.optim.Adam, betas=(0.9, 0.95), fused=True),
    "gradient descent": torch.optim.SGD,
}


def make(
    choice: str | Maker, parameters: Iterable[nn.Parameter], lr: float
) -> torch.optim.Optimizer:
    """The optimiser of that name or class; ValueError if a fit cannot use it."""
    if isinstance(choice, str) and choice in OPTIMIZERS:
        return OPTIMIZERS[choice](parameters, lr=lr)
    if isinstance(choice, torch.optim.Optimizer):
        raise _unusable(f"{type(choice).__name__}(…)", "a fit makes it itself: give the class")
    if not callable(choice):
        raise _unusable(repr(choice), "it is neither one of the names nor a class")
    name = getattr(choice, "__name__", repr(choice))
    try:
        made = choice(parameters, lr=lr)
    except (TypeError, ValueError) as error:
        raise _unusable(name, error) from None
    if not isinstance(made, torch.optim.Optimizer):
        raise _unusable(name, f"it makes a {type(made).__name__}, no optimiser")
    if any(p.default is p.empty for p in inspect.signature(made.step).parameters.values()):
        raise _unusable(name, "it computes the loss several times a step, a fit does so once")
    if isinstance(made, torch.optim.SparseAdam):
        raise _unusable(name, "it is for sparse gradients, and those of a network are dense")
    return made


def _unusable(name: str, reason: object) -> ValueError:
    return ValueError(
        f"optimizer={name} cannot be used for a fit: {reason}. Use "
        f"{', '.join(map(repr, OPTIMIZERS))}, or a class such as torch.optim.AdamW"
    )
