"""What is kept of a fit while it runs: numbers of each step, the running mean, the film."""

import time
from typing import Any

import numpy as np
import torch

from dipcourse import images
from dipcourse.fit.data_term import mean_over
from dipcourse.fit.settings import Settings
from dipcourse.history import History

PROBES = 1024  # values of the output that the windowed variance watches


class FitDiverged(RuntimeError):
    """The loss became NaN or infinite. ``.history`` holds the steps before.

    Built in lesson 00 (used).
    """

    def __init__(self, history: History, lr: float) -> None:
        super().__init__(
            f"the loss left all bounds after step {len(history.loss)}. Lower the learning rate "
            f"(lr={lr}), or, if it is small already, use precision='float32'. "
            "The steps before are in this error's .history"
        )
        self.history = history


class Record:
    """The steps of a fit so far.

    Args:
        given: the settings; average, window and seed are used.
        held_out: tensor (1, 1, h, w), the weights of the values that are held out, or None.

    Attributes:
        undone: list of the steps that a rollback has undone.
        output: tensor (1, C, H, W), the output of the last step.
        mean_so_far: tensor (1, C, H, W), the sum of the weighted outputs, and that of the weights.
    """

    def __init__(self, given: Settings, held_out: torch.Tensor | None) -> None:
        self.average, self.held_out = given.average, held_out
        self.window = None if given.window is None else Window(given.window, given.seed)
        self.undone: list[int] = []
        self.output: torch.Tensor
        self.mean_so_far: tuple[torch.Tensor | float, float] = (0, 0)
        self._losses: list[torch.Tensor | float] = []
        self._held_out: list[torch.Tensor | float] = []
        self._variances: list[torch.Tensor | float] = []
        self._film = Film()
        self._started = time.perf_counter()

    def __len__(self) -> int:
        return len(self._losses)

    def __getstate__(self) -> dict[str, Any]:
        """For a file: clocks of other processes differ, so the time so far is kept instead."""
        return vars(self) | {"_started": time.perf_counter() - self._started}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _started=time.perf_counter() - state["_started"])

    def include(self, output: torch.Tensor) -> None:
        """Let an output (1, C, H, W) count for the running mean."""
        total, weight = self.mean_so_far
        self.mean_so_far = (  # together: an interrupt must not come between them
            self.average * total + (1 - self.average) * output,
            self.average * weight + 1 - self.average,
        )

    @property
    def mean(self) -> torch.Tensor:
        """The running mean, tensor (1, C, H, W)."""
        total, weight = self.mean_so_far
        return total / weight if isinstance(total, torch.Tensor) else self.output

    def add(self, output: torch.Tensor, loss: torch.Tensor, error: torch.Tensor) -> None:
        """Keep a step: its output (1, C, H, W), loss, and the squared error (1, C, h, w) of y."""
        if self.held_out is not None:
            self._held_out.append(_number(mean_over(error, self.held_out)))
        if self.window is not None:
            self._variances.append(_number(self.window.push(output)))
        self.output = output
        self._losses.append(_number(loss))  # the last: it is the count, should an interrupt come

    def snapshot(self) -> None:
        """Keep the last output and the running mean as a frame of the film."""
        self._film.add(len(self) - 1, self.output, self.mean)

    def last_losses(self, count: int) -> np.ndarray:
        """The losses of so many last steps, array (count,); a GPU is waited for."""
        return _array(self._losses[-count:])

    def good_steps(self) -> int:
        """How many steps from the first on have a finite loss or were undone, at least 1."""
        finite = np.isfinite(_array(self._losses))
        finite[self.undone] = True  # the steps after it are sound
        return len(self) if finite.all() else max(1, int(finite.argmin()))

    def history(
        self,
        final: torch.Tensor,
        settings: dict[str, Any],
        planned: int | None = None,
    ) -> History:
        """All good steps so far as a History.

        Args:
            final: tensor (1, C, H, W), the output without jitter now.
            settings: what was chosen; the number of steps is added.
            planned: how many steps there were to be: with fewer, the History is marked.

        Raises:
            ValueError: there is no step.
        """
        if not self._losses:
            raise ValueError("no step was finished, so there is no history yet")
        seconds = time.perf_counter() - self._started
        film = self._film.copy()  # the last step belongs to this history, not to later ones
        film.add(len(self) - 1, self.output, self.mean)
        good = self.good_steps()
        steps, frames, means = film.until(good)
        final, mean = final.cpu(), self.mean.cpu()
        if good < len(self):  # the weights are lost: the last good frame stands for the end
            final, mean = (images.from_levels(pictures[-1:]) for pictures in (frames, means))
        settings = {**settings, "steps": good}
        interrupted = planned is not None and len(self) < planned
        if interrupted:
            settings["planned"] = planned
        return History(
            loss=_array(self._losses[:good]),
            steps=steps,
            frames=frames,
            means=means,
            final=final,
            mean=mean,
            seconds=seconds,
            settings=settings,
            held_out=_array(self._held_out[:good]) if self._held_out else None,
            variance=_array(self._variances[:good]) if self._variances else None,
            rollbacks=np.array(self.undone, dtype=int),
            interrupted=interrupted,
        )


class Film:
    """The kept outputs and running means, in one tensor (F, 2, C, H, W) that doubles when full.

    Kept one by one, they would split the memory like the numbers of ``_number``. The film stays on
    the device of the fit: bringing each frame to the CPU would make a GPU wait.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.pictures: torch.Tensor

    def add(self, step: int, output: torch.Tensor, mean: torch.Tensor) -> None:
        """Keep an output and a mean (1, C, H, W), unless there is a frame of this step."""
        count = len(self.steps)
        if step in self.steps:
            return
        if count == 0:
            shape = 16, 2, *output.shape[1:]
            self.pictures = torch.empty(shape, dtype=torch.uint8, device=output.device)
        elif count == len(self.pictures):
            self.pictures = self._with_room(2 * count)
        self.pictures[count, 0] = images.levels(output)[0]  # (C, H, W)
        self.pictures[count, 1] = images.levels(mean)[0]
        self.steps.append(step)

    def copy(self) -> "Film":
        """A film that grows by itself, with room for one more frame."""
        film = Film()
        if self.steps:
            film.steps = list(self.steps)
            film.pictures = self._with_room(len(self.steps) + 1)
        return film

    def until(self, end: int) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
        """Steps (F,), outputs and means (F, C, H, W) before a step, at least one, on the CPU."""
        count = sum(step < end for step in self.steps) or 1
        outputs, means = self.pictures[:count].cpu().unbind(1)
        return np.array(self.steps[:count]), outputs, means

    def _with_room(self, frames: int) -> torch.Tensor:
        """The pictures so far, in a new tensor with room for so many frames."""
        count = len(self.steps)
        pictures = self.pictures.new_empty(frames, *self.pictures.shape[1:])
        pictures[:count] = self.pictures[:count]
        return pictures


class Window:
    """The variance of a few values of the output over the last W steps.

    Source: Wang et al., Early Stopping for Deep Image Prior, TMLR 2023.
    Built in lesson 07.
    """

    def __init__(self, width: int, seed: int) -> None:
        self.width, self.seed, self.count = width, seed, 0
        self.values: torch.Tensor | None = None  # (W, probes)

    def push(self, output: torch.Tensor) -> torch.Tensor:
        """Take in an output (1, C, H, W); the variance now, NaN until the window is full."""
        output = output.flatten()  # (C·H·W,)
        if self.values is None:
            generator = torch.Generator().manual_seed(self.seed)
            self.probes = torch.randperm(output.numel(), generator=generator)[:PROBES]
            self.probes = self.probes.to(output.device)
            self.values = output.new_zeros(self.width, len(self.probes))
        self.values[self.count % self.width] = output[self.probes]
        self.count += 1
        if self.count < self.width:
            return output.new_tensor(float("nan"))
        return self.values.var(dim=0, correction=0).mean()


def _number(value: torch.Tensor) -> torch.Tensor | float:
    """A float, but from a GPU a tensor: it need not be waited for.

    On the CPU small tensors that are kept would lie between the large ones that come and go: the
    gaps no longer fit, and the memory grows by a picture at each step.
    """
    return value.item() if value.device.type == "cpu" else value


def _array(values: list[torch.Tensor | float]) -> np.ndarray:
    return torch.stack([torch.as_tensor(v) for v in values]).float().cpu().numpy()
