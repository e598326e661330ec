"""Our functions for the tasks of the assignments: see ``stage.alone``.

They do what the statements say and demand nothing. The students' notebooks explain them.
"""

import copy
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import nn

from dipcourse import degrade, nets, priors, stopping

# ---- a1, total variation


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    error = data_term(a.detach().clamp(0, 1).double(), b.detach().double())
    return -10 * error.log10().item()


def total_variation(x: torch.Tensor, eps: float = 1e-3) -> torch.Tensor:
    return priors.total_variation(x, eps)


def data_term(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((x - y) ** 2).mean()


def denoise_tv(y: torch.Tensor, weight: float, steps: int = 100, lr: float = 0.02) -> torch.Tensor:
    x = y.detach().clone().requires_grad_()

    def objective() -> torch.Tensor:
        return data_term(x, y) + weight * total_variation(x) / y.numel()

    _descend([x], objective, steps, lr)
    return x.detach()


def discrepancy_weight(y: torch.Tensor, sigma: float, weights: Iterable[float]) -> float:
    def gap(weight: float) -> float:
        return abs(data_term(denoise_tv(y, weight), y).item() - sigma**2)

    return min(sorted(weights), key=gap)


# ---- a2, a random U-Net


def fixed_input(channels: int, height: int, width: int, seed: int) -> torch.Tensor:
    return nets.fixed_input(channels, height, width, seed)


class Hourglass(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, width: int = 16, depth: int = 3
    ) -> None:
        super().__init__()
        down = [nets.block(width if k else in_channels, width, stride=2) for k in range(depth)]
        double = nn.Upsample(scale_factor=2, mode="bilinear")
        up = [nn.Sequential(double, nets.block(width, width)) for _ in range(depth)]
        self.layers = nn.Sequential(*down, *up, nn.Conv2d(width, out_channels, 1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.layers(z))


def fit_image(
    net: nn.Module, z: torch.Tensor, target: torch.Tensor, steps: int, lr: float
) -> tuple[list[float], torch.Tensor]:
    losses = _descend(net.parameters(), lambda: data_term(net(z), target), steps, lr)
    return losses, net(z).detach()


def shuffle_pixels(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return degrade.shuffle_pixels(x, generator=generator)


def normalised_losses(losses: Sequence[float], target: torch.Tensor) -> list[float]:
    variance = target.var((2, 3), correction=0).mean().item()
    return [loss / variance for loss in losses]


# ---- a3, restoration


def masked_mse(x_hat: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if not mask.any():
        raise ValueError("the mask hides every pixel")
    error = torch.where(mask > 0, x_hat - y, 0)
    return (error**2).sum() / (y.shape[1] * mask.sum())


def random_mask(
    height: int, width: int, keep: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    return (torch.rand(1, 1, height, width, generator=generator) < keep).float()


def lanczos_downsample(x: torch.Tensor, factor: int) -> torch.Tensor:
    return degrade.Downsample(factor)(x)


def running_mean(frames: Sequence[torch.Tensor], decay: float) -> torch.Tensor:
    total = torch.zeros(())
    for frame in frames:
        total = decay * total + (1 - decay) * frame.detach()
    return total / (1 - decay ** len(frames))


def restore(
    y: torch.Tensor,
    operator: nn.Module,
    net: nn.Module,
    z: torch.Tensor,
    steps: int,
    lr: float = 0.01,
    decay: float = 0.99,
) -> torch.Tensor:
    mask: torch.Tensor | None = getattr(operator, "mask", None)
    known = torch.ones_like(y[:, :1]) if mask is None else mask
    frames: list[torch.Tensor] = []

    def objective() -> torch.Tensor:
        x_hat = net(z)
        frames.append(x_hat.detach())
        return masked_mse(operator(x_hat), y, known)

    _descend(net.parameters(), objective, steps, lr)
    return running_mean(frames, decay)


# ---- a4, when to stop


def discrepancy_step(losses: Sequence[float], sigma: float) -> int:
    low = np.flatnonzero(np.asarray(losses) <= sigma**2)
    return int(low[0]) if low.size else len(losses) - 1


def hold_out(
    mask: torch.Tensor, fraction: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    known = mask.flatten().nonzero().flatten()
    order = torch.randperm(len(known), generator=generator)
    held = torch.zeros(mask.numel())
    held[known[order[: round(fraction * len(known))]]] = 1
    held = held.reshape(mask.shape)
    return mask - held, held


def windowed_variance(frames: torch.Tensor, window: int) -> np.ndarray:
    variance = np.full(len(frames), np.nan)
    for k in range(window - 1, len(frames)):
        variance[k] = frames[k - window + 1 : k + 1].var(dim=0, correction=0).mean()
    return variance


def stopping_step(variance: Sequence[float] | np.ndarray, patience: int, warm_up: int) -> int:
    return stopping.lowest(np.asarray(variance), patience, warm_up)


def fit_and_stop(
    net: nn.Module,
    z: torch.Tensor,
    y: torch.Tensor,
    train: torch.Tensor,
    held: torch.Tensor,
    steps: int,
    lr: float = 0.01,
    jitter: float = 0.0,
    patience: int = 50,
) -> tuple[torch.Tensor, int, list[float]]:
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    errors: list[float] = []
    best, weights = 0, copy.deepcopy(net.state_dict())
    for k in range(steps):
        x_hat = net(z + jitter * torch.randn(z.shape))
        errors.append(masked_mse(x_hat, y, held).item())
        if k == 0 or errors[k] < errors[best]:
            best, weights = k, copy.deepcopy(net.state_dict())
        if k - best >= patience:
            break
        optimizer.zero_grad()
        masked_mse(x_hat, y, train).backward()
        optimizer.step()
    net.load_state_dict(weights)
    with torch.no_grad():
        return net(z), best, errors


# ---- a5, an operator of one's own


def adjoint(
    A: Callable[[torch.Tensor], torch.Tensor], w: torch.Tensor, shape: Sequence[int]
) -> torch.Tensor:
    with torch.enable_grad():
        u = torch.zeros(tuple(shape), dtype=w.dtype, requires_grad=True)
        return torch.autograd.grad(A(u), u, w.detach())[0]


def adjoint_gap(
    A: Callable[[torch.Tensor], torch.Tensor],
    back: Callable[[torch.Tensor], torch.Tensor],
    shape: Sequence[int],
    generator: torch.Generator,
    trials: int = 5,
) -> float:
    gaps: list[float] = []
    for _ in range(trials):
        u = torch.randn(tuple(shape), generator=generator)
        measured = A(u).detach()
        w = torch.randn(measured.shape, generator=generator)
        difference = (measured * w).sum() - (u * back(w).detach()).sum()
        gaps.append((difference.abs() / (measured.norm() * w.norm())).item())
    return max(gaps)


class SinglePixel(nn.Module):
    masks: torch.Tensor

    def __init__(self, height: int, width: int, count: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = (height, width)
        signs = 2.0 * torch.randint(0, 2, (count, height * width), generator=generator) - 1
        self.register_buffer("masks", signs / (height * width) ** 0.5)  # (count, H·W)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if tuple(x.shape[2:]) != self.size:
            raise ValueError(f"the camera takes {self.size} pixels, and not {tuple(x.shape[2:])}")
        return (x.flatten(2) @ self.masks.T)[:, :, None]  # (1, C, 1, count)


def landweber(
    y: torch.Tensor,
    A: Callable[[torch.Tensor], torch.Tensor],
    shape: Sequence[int],
    steps: int,
    lr: float = 0.5,
) -> torch.Tensor:
    x_hat = torch.zeros(tuple(shape), dtype=y.dtype)
    for _ in range(steps):
        x_hat = x_hat + lr * adjoint(A, y - A(x_hat), shape)
    return x_hat.detach()


def _descend(
    parameters: Iterable[torch.Tensor],
    objective: Callable[[], torch.Tensor],
    steps: int,
    lr: float,
) -> list[float]:
    """Make so many steps of Adam; return the objective before each of them."""
    optimizer, values = torch.optim.Adam(parameters, lr=lr), []
    for _ in range(steps):
        optimizer.zero_grad()
        value = objective()
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values


#: The functions of each assignment, by the names that its statements use.
TASKS: dict[str, tuple[Callable[..., object], ...]] = {
    "a1_total_variation": (psnr, total_variation, data_term, denoise_tv, discrepancy_weight),
    "a2_random_unet": (fixed_input, Hourglass, fit_image, shuffle_pixels, normalised_losses),
    "a3_restoration": (masked_mse, random_mask, lanczos_downsample, running_mean, restore),
    "a4_when_to_stop": (
        discrepancy_step,
        hold_out,
        windowed_variance,
        stopping_step,
        fit_and_stop,
    ),
    "a5_your_own_operator": (adjoint, adjoint_gap, SinglePixel, landweber),
}

#: What of the course answers tasks of one assignment, besides what answers tasks of all.
ABSENT: dict[str, tuple[str, ...]] = {
    "a2_random_unet": ("nets", "degrade.shuffle_pixels"),
    "a3_restoration": ("degrade.random_mask", "degrade.Downsample", "degrade.lanczos_weights"),
}
