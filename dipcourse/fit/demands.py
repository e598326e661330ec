"""What a fit refuses before it starts, in plain words."""

import math

import torch
from torch import nn

from dipcourse import images
from dipcourse.fit.machine import PRECISIONS
from dipcourse.fit.settings import Settings


def require(
    net: nn.Module, z: torch.Tensor | None, y: torch.Tensor, operator: nn.Module, given: Settings
) -> None:
    """Refuse what would go wrong later.

    Raises:
        ValueError: says what, and what to use instead.
    """
    images.require(y, "the measurement y")
    if not isinstance(operator, nn.Module):
        raise ValueError(
            f"the operator is a {type(operator).__name__}: use one of degrade, or a module of "
            "your own whose forward is A"
        )
    _require_settings(given)
    if z is None:
        if given.jitter:
            raise ValueError(
                f"jitter={given.jitter} needs an input z to be added to; with pixels use 0"
            )
        return
    _require_input(net, z, given.jitter)


def _require_settings(given: Settings) -> None:
    if not 0 <= given.average < 1:
        raise ValueError(f"average={given.average}: use a decay of at least 0 and below 1")
    if not 0 <= given.lr < math.inf:
        raise ValueError(f"lr={given.lr}: use a learning rate such as 0.01")
    if not 0 <= given.jitter < math.inf:
        raise ValueError(
            f"jitter={given.jitter}: use a standard deviation such as 0.03, or 0 for none"
        )
    if given.precision not in (None, *PRECISIONS):
        raise ValueError(f"precision={given.precision!r}: use one of {', '.join(PRECISIONS)}")


def _require_input(net: nn.Module, z: torch.Tensor, jitter: float) -> None:
    if not isinstance(z, torch.Tensor) or z.ndim != 4:
        raise ValueError("z is no tensor of shape (1, channels, H, W): use nets.fixed_input")
    if z.dtype != (dtype := next(net.parameters()).dtype):
        raise ValueError(f"z has dtype {z.dtype}, the network {dtype}: use z.to({dtype})")
    if not torch.isfinite(z).all():
        raise ValueError("z has values that are NaN or infinite: use nets.fixed_input")
    if 0 < 10 * (top := z.abs().max().item()) < jitter:
        raise ValueError(f"jitter={jitter}: z reaches {top:.3g} only, use less, such as 0.03")


def require_same_shape(measured: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse an A(net(z)) that has another shape than y.

    Raises:
        ValueError: says which of network, z and operator to change.
    """
    if measured.shape == y.shape:
        return
    shapes = f"A(net(z)) has shape {tuple(measured.shape)}, y {tuple(y.shape)}: "
    if measured.ndim == 4 and measured.shape[1] != y.shape[1]:
        raise ValueError(
            f"{shapes}the channels differ. Make the network for those of y: "
            f"preset.make(channels={y.shape[1]}), or out_channels={y.shape[1]} of a network"
        )
    raise ValueError(
        f"{shapes}make z so that net(z) is as high and wide as the picture (a UNet keeps the size "
        "of z, a DeepDecoder doubles it at each scale), and y with the same operator"
    )
