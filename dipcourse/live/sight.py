"""What a live fit shows: pictures and curves as HTML that is quick to make, five times a second."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import torch

from dipcourse._html import pictures as drawn
from dipcourse._html.chart import Chart
from dipcourse._palette import ORACLE

SIDE = 256  # CSS pixels of a picture
POINTS = 250  # of a curve
WIDE, LOW = 380, 140  # CSS pixels of a chart; a second curve's legend makes it higher
KINDS = "output", "running mean"


def view(
    note: str,
    pictures: Mapping[str, torch.Tensor],
    losses: Sequence[float] = (),
    quality: Sequence[tuple[float, ...]] = (),
) -> str:
    """What a fit panel shows, as HTML: a line of text, pictures, and the curves so far.

    Args:
        note: the line of text.
        pictures: dict of title → tensor (1, C, H, W).
        losses: the loss of each step so far.
        quality: list of (step, PSNR of the output, PSNR of the running mean).

    Returns:
        String.

    Built in lesson 02 (used).
    """
    step = note.split(" · ")[0]
    parts = [_figure(title, x, f"{title}, {step}") for title, x in pictures.items()]
    if losses:
        loss = _thinned([(k, loss) for k, loss in enumerate(losses, 1)])
        charts = [_chart("loss (log axis)", loss, log=True, height=LOW)]
        if quality:
            charts.append(_chart(f"PSNR in dB ({ORACLE})", _thinned(quality), height=LOW + 30))
        parts.append(f'<div style="flex:1 1 260px;max-width:{WIDE}px">{"".join(charts)}</div>')
    return (
        '<div style="line-height:1.4"><div style="font-variant-numeric:tabular-nums;'
        f'margin:4px 0">{escape(note)}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(parts)}</div></div>'
    )


def _thinned(rows: Sequence[tuple[float, ...]]) -> Sequence[tuple[float, ...]]:
    """At most POINTS rows, evenly spread, first and last among them."""
    if len(rows) <= POINTS:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, POINTS).round().astype(int)]


def _chart(name: str, rows: Sequence[tuple[float, ...]], height: int, log: bool = False) -> str:
    steps, *lines = zip(*rows, strict=True)
    return Chart(name, steps, lines, kinds=KINDS, log=log, width=WIDE, height=height).svg()


def _figure(title: str, x: torch.Tensor, alt: str) -> str:
    """A picture in a figure with its title."""
    shrink = max(1, max(x.shape[2:]) // SIDE)
    height, width = (math.ceil(side / shrink) for side in x.shape[2:])
    exact = "pixelated" if SIDE % width == 0 else "auto"
    return (
        f'<figure style="margin:0;width:{SIDE}px"><img alt="{escape(alt)}" '
        f'width="{SIDE}" height="{round(SIDE * height / width)}" src="{drawn.source(x, shrink)}" '
        f'style="display:block;margin:0;image-rendering:{exact}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )
