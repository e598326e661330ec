"""A fit whose output is on the page while it runs."""

import time
from collections.abc import Mapping
from typing import Any

import torch
from IPython import get_ipython
from IPython.display import display
from torch import nn

from dipcourse import fit, images
from dipcourse.fit.settings import takes_settings
from dipcourse.history import History
from dipcourse.live.sight import view

EVERY = 0.2  # seconds between two pictures


@takes_settings
def watch(
    net: nn.Module,
    z: torch.Tensor | None,
    y: torch.Tensor,
    operator: nn.Module,
    *,
    steps: int,
    beside: Mapping[str, torch.Tensor] | None = None,
    frames: int = 60,
    **settings: Any,
) -> History:
    """Make a fit, as ``fit.fit`` does, and show its output while it grows.

    Args:
        net, z, y, operator, steps, frames: as for ``fit.fit``.
        beside: dict of title → tensor (1, C, H, W), shown beside the output. None: nothing.
        settings: see ``Settings``.

    Returns:
        History, of an interrupted fit too.

    Raises:
        ValueError, MemoryError, FitDiverged: as ``fit.fit``.

    Built in lesson 00 (used).

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> len(watch(nets.PixelImage(y), None, y, degrade.Identity(), steps=3).loss)
    3
    """
    beside = beside or {}
    for title, picture in beside.items():
        images.require(picture, f"the picture {title!r}")
    page = _Page(steps, beside)
    history = fit.fit(
        net,
        z,
        y,
        operator,
        steps=steps,
        frames=frames,
        progress=False,
        after_step=page.follow,
        **settings,
    )
    page.draw(history.final, len(history.loss))
    return history


class _Page:
    """What is on the page: the pictures that stay, and the output, drawn now and then."""

    def __init__(self, steps: int, beside: Mapping[str, torch.Tensor]) -> None:
        self.steps, self.beside = steps, beside
        self.drawn = -EVERY
        self.handle = display({}, raw=True, display_id=True) if get_ipython() else None

    def follow(self, stepper: fit.Stepper) -> None:
        """Draw the output if the last picture is old enough."""
        if time.monotonic() - self.drawn >= EVERY:
            self.draw(stepper.output, stepper.k)

    def draw(self, output: torch.Tensor, step: int) -> None:
        if self.handle is None:
            return
        note = f"step {step} of {self.steps}"
        html = view(note, {**self.beside, "output of the network": output})
        self.handle.update({"text/html": html, "text/plain": f"a fit, {note}"}, raw=True)
        self.drawn = time.monotonic()
