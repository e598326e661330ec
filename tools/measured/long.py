"""Fits of hours: an interrupted one goes on where it was."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from dipcourse.fit import Stepper, frame_steps
from dipcourse.fit.walk import walk
from dipcourse.history import History
from tools.measured.quoting import ROOT

FOLDER = ROOT / "unfinished"
EVERY = 120  # seconds between two checkpoints


def go_on(
    name: str,
    begin: Callable[[], Stepper],
    steps: int,
    frames: int,
    folder: Path = FOLDER,
    every: float = EVERY,
) -> History:
    """Make a long fit, or what is left of it.

    Args:
        name: of the checkpoint; the file goes when the fit is done.
        begin: makes the Stepper, if there is no checkpoint.
        steps: number of updates.
        frames: how many outputs to keep.
        folder: where the checkpoint lies.
        every: seconds between two checkpoints.

    Returns:
        History, bit by bit that of a fit without interruption on as many threads.
    """
    path = folder / f"{name}.pt"
    stepper = torch.load(path, weights_only=False) if path.exists() else begin()
    saved = time.monotonic()
    for loss in walk(stepper, steps, frame_steps(steps, frames)):
        if time.monotonic() - saved >= every:
            save(stepper, path)
            saved = time.monotonic()
            print(f"{name}: step {stepper.k} of {steps}, loss {loss or 0:.5f}", flush=True)
    history = stepper.history(planned=steps)
    path.unlink(missing_ok=True)
    return history


def save(stepper: Stepper, path: Path) -> None:
    """Write a checkpoint; one that is broken off leaves the last as it was."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft")
    torch.save(stepper, draft)
    draft.replace(path)
