"""What a fit refuses before it starts, or at its first step, in plain words."""

import math

import torch
from torch import nn

from dipcourse import degrade, images
from dipcourse.fit.machine import PRECISIONS
from dipcourse.fit.settings import Settings

TWO_CHANNELS = (
    "give real and imaginary part as two channels, torch.cat([k.real, k.imag], 1) of shape "
    "(1, 2, h, w), in A and in y"
)
BUFFERS = "keep the tensors that A uses with self.register_buffer, so that they move with it"


def require(
    net: nn.Module, z: torch.Tensor | None, y: torch.Tensor, operator: nn.Module, given: Settings
) -> None:
    """Refuse what would go wrong later.

    Raises:
        ValueError: says what, and what to use instead.
    """
    _require_module(operator)
    _require_measurement(y, operator)
    _require_settings(given)
    if z is None:
        if given.jitter:
            raise ValueError(
                f"jitter={given.jitter} needs an input z to be added to; with pixels use 0"
            )
        return
    _require_input(net, z, given.jitter)


def _require_module(operator: nn.Module) -> None:
    if not isinstance(operator, nn.Module):
        raise ValueError(
            f"the operator is a {type(operator).__name__}: use one of degrade, or a module of "
            "your own whose forward is A"
        )


def _require_measurement(y: torch.Tensor, operator: nn.Module) -> None:
    """A picture, if the operator is of ``degrade``; another operator may measure anything."""
    if type(operator).__module__ == degrade.__name__:
        images.require(y, "the measurement y")
        return
    if not isinstance(y, torch.Tensor):
        raise ValueError(f"the measurement y is a {type(y).__name__}: use a tensor (1, C, h, w)")
    if y.is_complex():
        raise ValueError(f"the measurement y is complex: {TWO_CHANNELS}")
    if y.ndim != 4 or y.shape[0] != 1 or y.dtype != torch.float32:
        raise ValueError(
            f"the measurement y has shape {tuple(y.shape)} and dtype {y.dtype}: use a float32 "
            "tensor of shape (1, C, h, w), and let A return the same"
        )
    if not torch.isfinite(y).all():
        raise ValueError("the measurement y has values that are NaN or infinite")


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


def require_operator(operator: nn.Module, x_hat: torch.Tensor, y: torch.Tensor) -> None:
    """Try A on the first output of a network, and refuse an A that a fit cannot use.

    Args:
        operator: A.
        x_hat: tensor (1, C, H, W), the first output; a copy of it is tried.
        y: tensor (1, C, h, w), the measurement.

    Raises:
        ValueError: says what is wrong with A(x_hat), and what to do.
    """
    before = x_hat.detach().clone()
    tried = before.clone().requires_grad_().clone()  # no leaf, as what a network returns
    measured = _measured(operator, tried)
    _require_same_place(measured, y)
    _require_same_shape(measured, before, y)
    if not torch.equal(tried, before):
        raise ValueError(
            "A changes the picture that it is given: do not write into x, work on x.clone()"
        )
    _require_gradient(measured, tried)
    if torch.isfinite(before).all() and not torch.isfinite(measured).all():
        raise ValueError(
            "A(x) has values that are NaN or infinite although x has none: look for a division "
            "by 0, or for the root or logarithm of what is not positive"
        )
    _require_same_again(operator, before, measured)


def _measured(operator: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A(x), a tensor of real numbers."""
    try:
        measured = operator(x)
    except RuntimeError as error:
        if "numpy()" in str(error):
            raise ValueError(
                "A hands the picture to NumPy, where its gradient is lost: use torch's "
                "functions, such as torch.fft for numpy.fft"
            ) from error
        if "device" in str(error):
            raise ValueError(f"A mixes devices ({error}): {BUFFERS}") from error
        raise
    if not isinstance(measured, torch.Tensor):
        raise ValueError(
            f"A returns a {type(measured).__name__}: let forward return a tensor (1, C, h, w), "
            "made with torch's functions"
        )
    if measured.is_complex():
        raise ValueError(f"A returns complex numbers: {TWO_CHANNELS}")
    return measured


def _require_same_place(measured: torch.Tensor, y: torch.Tensor) -> None:
    if measured.device != y.device:
        raise ValueError(f"A(x) is on {measured.device}, x and y on {y.device}: {BUFFERS}")
    if measured.dtype != y.dtype:
        raise ValueError(
            f"A(x) has dtype {measured.dtype}, y {y.dtype}: make the tensors that A uses of "
            f"{y.dtype} too (those of NumPy are float64), or let it return .to(x)"
        )


def _require_gradient(measured: torch.Tensor, x: torch.Tensor) -> None:
    """Refuse an A(x) from which no gradient comes back to x, tried in a random direction."""
    gradient = None
    if measured.requires_grad:
        draw = torch.Generator().manual_seed(0)
        direction = torch.randn(measured.shape, generator=draw).to(measured)
        (gradient,) = torch.autograd.grad(
            measured, x, direction, retain_graph=True, allow_unused=True
        )
    if gradient is None:
        raise ValueError(
            "A(x) has no gradient with respect to x, so nothing could be learnt: use torch's "
            "functions in forward, without detach, torch.no_grad, .item() or .numpy()"
        )
    if not gradient.any():
        raise ValueError(
            "the gradient of A(x) is 0 everywhere, so nothing could be learnt: rounding and "
            "comparisons have none, and clamp has none outside its limits"
        )
    if torch.isfinite(measured).all() and not torch.isfinite(gradient).all():
        raise ValueError(
            "the gradient of A(x) is NaN or infinite: a root has none at 0, so add a small "
            "number under it, such as (a**2 + b**2 + 1e-8).sqrt()"
        )


def _require_same_again(operator: nn.Module, x: torch.Tensor, measured: torch.Tensor) -> None:
    """Refuse an A that is random; a GPU may add in another order, so equal bits are not asked."""
    with torch.no_grad():
        again = operator(x.clone())
    size = measured.detach().abs().max()
    if (again - measured).abs().max() > 1e-3 * size:
        raise ValueError(
            "A gives something else each time, for the same picture: noise belongs in y, where "
            "it is drawn once (make an operator of deepinv without a noise model)"
        )


def _require_same_shape(measured: torch.Tensor, x_hat: torch.Tensor, y: torch.Tensor) -> None:
    if measured.shape == y.shape:
        return
    shapes = f"A(net(z)) has shape {tuple(measured.shape)}, y {tuple(y.shape)}: "
    if measured.ndim != 4:
        raise ValueError(f"{shapes}let A keep all four dimensions, also the first, for one picture")
    if measured.shape[1] != y.shape[1] and measured.shape == x_hat.shape:
        raise ValueError(
            f"{shapes}the channels differ. Make the network for those of y: "
            f"preset.make(channels={y.shape[1]}), or out_channels={y.shape[1]} of a network"
        )
    raise ValueError(
        f"{shapes}make y with the same operator, y = A(x), and z so that net(z) is as high and "
        "wide as the picture (a UNet keeps the size of z, a DeepDecoder doubles it at each scale)"
    )
