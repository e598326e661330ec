"""Hand-made priors: functions that are small for pictures that look natural."""

import torch

from dipcourse import images


def total_variation(x: torch.Tensor, eps: float = 1e-3) -> torch.Tensor:
    """Isotropic total variation: Σ √(dx² + dy² + ε²) over channels, i ≤ H − 2 and j ≤ W − 2.

    Args:
        x: tensor (1, C, H, W).
        eps: ε, in units of [0, 1]; rounds off the corner of the root, whose gradient is NaN at
            flat pixels without it.

    Returns:
        Tensor without dimensions, differentiable.

    Raises:
        ValueError: x is not a picture tensor, or eps is not positive.

    Source: Rudin, Osher, Fatemi, Physica D 1992; the sum as in the seminar slides of
    M. Scherbela (Vienna, 2022).
    Built in lesson 01.

    >>> float(total_variation(torch.zeros(1, 1, 8, 8), eps=0.01))  # 49 flat pixels of ε each
    0.49...
    """
    images.require(x, finite=False)
    if eps <= 0:
        raise ValueError(f"eps={eps}: use a small positive number such as 1e-3")
    right = x[:, :, :-1, 1:] - x[:, :, :-1, :-1]  # (1, C, H−1, W−1)
    down = x[:, :, 1:, :-1] - x[:, :, :-1, :-1]  # (1, C, H−1, W−1)
    return torch.sqrt(right**2 + down**2 + eps**2).sum()  # ()
