"""What a live fit shows: pictures and curves as HTML that is quick to make, five times a second."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import torch

from dipcourse._html import pictures as drawn
from dipcourse._html.chart import Chart
from dipcourse._palette import ORACLE

POINTS = 250  # of a curve
KINDS = "output", "running mean"
LEGEND = 30  # a second curve's legend makes a chart so much higher


class Look(NamedTuple):
    """How large things are, in CSS pixels.

    Built in lesson 02 (used).
    """

    side: int  # of a picture
    text: str  # font size, as CSS
    chart: int  # width on the page
    wide: int  # of the chart in its own units, in which its text has 14
    low: int  # height of the chart, in the same
    intervals: int  # between the marks of its axes, at most
    note_below: bool  # the note stands below the charts, a part a line, not above the pictures


PLAIN = Look(side=256, text="inherit", chart=380, wide=380, low=140, intervals=6, note_below=False)
STAGE = Look(side=400, text="18pt", chart=400, wide=234, low=130, intervals=3, note_below=True)


def view(
    note: str,
    pictures: Mapping[str, torch.Tensor],
    losses: Sequence[float] = (),
    quality: Sequence[tuple[float, ...]] = (),
    look: Look = PLAIN,
) -> str:
    """What a fit panel shows, as HTML: a line of text, pictures, and the curves so far.

    Args:
        note: the line of text.
        pictures: dict of title → tensor (1, C, H, W).
        losses: the loss of each step so far.
        quality: list of (step, PSNR of the output, and where wanted PSNR of the running mean).
        look: how large: PLAIN, or STAGE for a lecture hall.

    Returns:
        String.

    Built in lesson 02 (used).
    """
    step = note.split(" · ")[0]
    parts = [_figure(title, x, f"{title}, {step}", look.side) for title, x in pictures.items()]
    charts = []
    if losses:
        loss = _thinned([(k, loss) for k, loss in enumerate(losses, 1)])
        charts.append(_chart("loss (log axis)", loss, look, log=True))
    if quality:
        charts.append(_chart(f"PSNR in dB ({ORACLE})", _thinned(quality), look))
    above = _note([note])
    if look.note_below:
        above = ""
        charts.append(_note(note.split(" · ")))
    if charts:
        parts.append(
            f'<div style="flex:1 1 260px;max-width:{look.chart}px">{"".join(charts)}</div>'
        )
    row = f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(parts)}</div>'
    return f'<div style="line-height:1.4;font-size:{look.text}">{above}{row}</div>'


def _note(lines: Sequence[str]) -> str:
    words = "<br>".join(map(escape, lines))
    return f'<div style="font-variant-numeric:tabular-nums;margin:4px 0">{words}</div>'


def _thinned(rows: Sequence[tuple[float, ...]]) -> Sequence[tuple[float, ...]]:
    """At most POINTS rows, evenly spread, first and last among them."""
    if len(rows) <= POINTS:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, POINTS).round().astype(int)]


def _chart(name: str, rows: Sequence[tuple[float, ...]], look: Look, log: bool = False) -> str:
    steps, *lines = zip(*rows, strict=True)
    height = look.low + (LEGEND if len(lines) > 1 else 0)
    return Chart(
        name,
        steps,
        lines,
        kinds=KINDS,
        log=log,
        width=look.wide,
        height=height,
        intervals=look.intervals,
    ).svg()


def _figure(title: str, x: torch.Tensor, alt: str, side: int) -> str:
    """A picture in a figure with its title."""
    shrink = max(1, max(x.shape[2:]) // side)
    height, width = (math.ceil(pixels / shrink) for pixels in x.shape[2:])
    exact = "pixelated" if side % width == 0 else "auto"
    return (
        f'<figure style="margin:0;width:{side}px"><img alt="{escape(alt)}" '
        f'width="{side}" height="{round(side * height / width)}" src="{drawn.source(x, shrink)}" '
        f'style="display:block;margin:0;image-rendering:{exact}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )
