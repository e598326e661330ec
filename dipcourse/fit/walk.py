"""The steps of a fit, one after the other, and which of them are kept."""

from collections.abc import Container, Iterator

from dipcourse._numbers import whole
from dipcourse.fit.stepper import LOOK_EVERY, Stepper


def walk(stepper: Stepper, steps: int, keep: Container[int]) -> Iterator[float | None]:
    """Go on to so many steps and keep some outputs; after each the last loss that was looked at.

    None before the first look: each look waits for a GPU.

    Raises:
        FitDiverged: that loss is not finite.
    """
    loss = None
    for k in range(stepper.k, steps):
        stepper.step()
        if k in keep:
            stepper.snapshot()
        if k % LOOK_EVERY == LOOK_EVERY - 1 or k == steps - 1:
            loss = stepper.look()
        yield loss


def frame_steps(steps: int, frames: int) -> set[int]:
    """Which steps to keep: about ``frames`` of 0 … steps − 1, both among them, early ones densely.

    Args:
        steps: number of steps of the fit.
        frames: number of frames wanted, at least 2.

    Returns:
        Set of ints.

    Raises:
        ValueError: less than 1 step or 2 frames, or no whole numbers.

    Built in lesson 00 (used).

    >>> sorted(frame_steps(101, 6))
    [0, 4, 16, 36, 64, 100]
    """
    steps, frames = whole("steps", steps, 1), whole("frames", frames, 2)
    return {round((steps - 1) * (i / (frames - 1)) ** 2) for i in range(frames)}
