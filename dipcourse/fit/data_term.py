"""The data term: the mean squared error over known values, and which values those are."""

import torch
from torch import nn


def mean_over(error: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The mean of an error over the values whose weight is one: Σ m·e / (C·Σ m).

    Args:
        error: tensor (1, C, h, w).
        weight: m, tensor (1, 1, h, w) of zeros and ones. None: all values count. An operator from
            elsewhere may have one weight for each value, (1, C, h, w): then without the C.

    Returns:
        Tensor without dimensions.

    Built in lesson 01.

    >>> error = torch.ones(1, 3, 8, 8)
    >>> mean_over(error, torch.eye(8)[None, None])
    tensor(1.)
    """
    if weight is None:
        return error.mean()
    for_each = error.numel() // weight.numel()  # values: C
    return (weight * error).sum() / (weight.sum() * for_each)


def split(
    operator: nn.Module, holdout: torch.Tensor | None, y: torch.Tensor
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The weights of the values that are fitted, and of those that are held out.

    Args:
        operator: A; its mask, if it has one, says which values of y are known.
        holdout: tensor (1, 1, h, w), ones where known values are kept out of the loss, or None.
        y: tensor (1, C, h, w).

    Returns:
        Two tensors (1, 1, h, w) of zeros and ones; None instead of the first: all values are
        fitted, of the second: none is held out.

    Raises:
        ValueError: sizes differ, values other than 0 and 1, or nothing left on one side.

    Built in lesson 07 (used).
    """
    mask = getattr(operator, "mask", None)  # an operator of one's own need not have one
    if mask is not None and mask.shape[2:] != y.shape[2:]:
        raise ValueError(
            f"the operator's mask has {tuple(mask.shape[2:])} pixels, y {tuple(y.shape[2:])}: "
            "make y with the same operator"
        )
    if holdout is None:
        return mask, None
    holdout = _required(torch.as_tensor(holdout), (1, 1, *y.shape[2:]))
    all_known = torch.ones_like(y[:, :1]) if mask is None else mask  # (1, 1, h, w)
    held_out = all_known * holdout.to(all_known)
    known = all_known - held_out
    if not held_out.any() or not known.any():
        raise ValueError("holdout must leave some known values in the loss and hold some out")
    return known, held_out


def _required(holdout: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    if holdout.shape != shape:
        raise ValueError(f"holdout has shape {tuple(holdout.shape)}, needed is {shape}")
    if not ((holdout == 0) | (holdout == 1)).all():
        raise ValueError("holdout holds only 1 (held out) and 0 (fitted): use (holdout > 0.5)")
    return holdout
