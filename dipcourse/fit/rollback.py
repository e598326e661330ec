"""Going back to the last checkpoint when the loss jumps."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from dipcourse.fit.record import Record

CHECKPOINT_EVERY = 25  # good steps between two checkpoints
IN_A_ROW = 20  # jumps from the same checkpoint; then the fit has diverged


class Checkpoint(NamedTuple):
    """Where a fit can go back to; the states are copies."""

    loss: float
    weights: dict[str, Any]
    optimizer: dict[str, Any]
    mean: tuple[torch.Tensor | float, float]


class Rollback:
    """The checkpoints of one fit.

    Args:
        factor: a loss of more than so many times that of the checkpoint, or not finite, is a jump.
            None: every step is accepted.
        net, optimizer, record: what goes back.

    Raises:
        ValueError: the factor is not above 1.

    Built in lesson 09 (used).
    """

    def __init__(
        self, factor: float | None, net: nn.Module, optimizer: torch.optim.Optimizer, record: Record
    ) -> None:
        if factor is not None and not factor > 1:
            raise ValueError(f"rollback={factor!r}: use a factor above 1, or None")
        self.factor, self.net, self.optimizer, self.record = factor, net, optimizer, record
        self._good, self._in_a_row = 0, 0
        self._saved: Checkpoint | None = None

    def accepts(self, loss: torch.Tensor, give_up: Callable[[], None]) -> bool:
        """True if a step may be made from here; else all is back at the checkpoint.

        Args:
            loss: tensor without dimensions; a GPU is waited for.
            give_up: called when the same checkpoint led to a jump again and again.
        """
        if self.factor is None:
            return True
        value = loss.item()
        if self._saved is not None and not value <= self.factor * self._saved.loss:
            self._in_a_row += 1
            if self._in_a_row > IN_A_ROW:
                give_up()
            self._restore(self._saved)
            self.record.undone.append(len(self.record))
            return False
        if self._good % CHECKPOINT_EVERY == 0:
            self._save(value)
        self._good += 1
        return True

    def _save(self, loss: float) -> None:
        # copies: a state_dict holds the live tensors themselves, which the next step overwrites
        weights = copy.deepcopy(self.net.state_dict())
        optimizer = copy.deepcopy(self.optimizer.state_dict())
        self._saved = Checkpoint(loss, weights, optimizer, self.record.mean_so_far)
        self._in_a_row = 0

    def _restore(self, saved: Checkpoint) -> None:
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.net.load_state_dict(copy.deepcopy(saved.weights))
        self.optimizer.load_state_dict(copy.deepcopy(saved.optimizer))
        self.record.mean_so_far = saved.mean
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr / 2  # from the same state the same rate might make the same jump
