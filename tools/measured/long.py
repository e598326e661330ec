"""Fits of hours: an interrupted one goes on where it was."""

import time
from collections.abc import Callable, Container
from pathlib import Path

import torch

from dipcourse.fit import Stepper
from dipcourse.fit.walk import walk
from tools.measured.quoting import ROOT

FOLDER = ROOT / "unfinished"
EVERY = 120  # seconds between two checkpoints


def go_on(
    name: str,
    begin: Callable[[], Stepper],
    steps: int,
    keep: Container[int],
    folder: Path = FOLDER,
    every: float = EVERY,
    after_step: Callable[[Stepper], None] | None = None,
) -> Stepper:
    """Make a long fit, or what is left of it.

    Args:
        name: of the checkpoint. It stays when the fit is done, so that the frames can be packed
            again, with another limit of bytes; delete it to begin anew.
        begin: makes the Stepper.
        steps: number of updates.
        keep: the steps whose outputs become frames.
        folder: where the checkpoint lies.
        every: seconds between two checkpoints.
        after_step: called after each step. What it writes on the Stepper is kept with it.

    Returns:
        The Stepper, bit by bit that of a fit without interruption on as many threads.

    Raises:
        SystemExit: the checkpoint is one of another fit.
    """
    path, stepper = folder / f"{name}.pt", begin()
    if path.exists():
        stepper = same_fit(torch.load(path, weights_only=False), stepper, path)
    saved = time.monotonic()
    for loss in walk(stepper, steps, keep):
        if after_step is not None:
            after_step(stepper)
        if time.monotonic() - saved >= every:
            save(stepper, path)
            saved = time.monotonic()
            print(f"{name}: step {stepper.k} of {steps}, loss {loss or 0:.5f}", flush=True)
    save(stepper, path)
    return stepper


def same_fit(kept: Stepper, fresh: Stepper, path: Path) -> Stepper:
    """The kept one, if both are steps of one fit."""
    tensors = zip((kept.y, kept.z), (fresh.y, fresh.z), strict=True)
    if kept.given != fresh.given or not all(torch.equal(a, b) for a, b in tensors):
        raise SystemExit(f"{path} is of a fit with other settings: delete it to begin anew")
    return kept


def save(stepper: Stepper, path: Path) -> None:
    """Write a checkpoint; one that is broken off leaves the last as it was."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft")
    torch.save(stepper, draft)
    draft.replace(path)
