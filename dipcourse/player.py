"""Pictures to play with, as HTML that needs no kernel: frames of a fit, and two to compare."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from dipcourse import images, metrics
from dipcourse._html import pictures as drawn
from dipcourse._html.chart import Chart
from dipcourse._html.scripts import alive
from dipcourse._html.shown import Shown, show_once
from dipcourse._palette import ORACLE
from dipcourse.history import History
from dipcourse.images import codec

#: Bytes of a whole player. Frames are left out until it fits; their quality stays.
LIMIT = 3_000_000
#: Below this many frames, pictures are drawn smaller instead (only above 256 pixels).
FEWEST = 12
LARGEST = 512  # pixels of a side of the pictures of ``compare``
KINDS = "single frame", "running mean"


def iterations(
    history: History, reference: torch.Tensor | None = None, title: str = "Iterations"
) -> Shown:
    """Show the frames of a fit with a slider, a play button and a curve.

    The pictures and the script are part of the HTML, so the player works without a kernel and
    without a network. Where scripts do not run, five of its frames stand in a row.

    Args:
        history: a History.
        reference: tensor (1, C, H, W), the clean image. With it the player gives the PSNR of
            each frame (computed before the frame is compressed) and its curve; without it, the
            curve of the loss.
        title: heading of the player, also used in the alternative texts.

    Returns:
        A Shown: it has appeared already; ``.save(path)`` writes it as a page.

    Raises:
        ValueError: the reference has another size than the frames, or there are no frames.

    Built in lesson 00.

    >>> from dipcourse.history import History
    >>> frames = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    >>> last = torch.zeros(1, 1, 8, 8)
    >>> iterations(History(np.ones(9), np.array([0, 8]), frames, frames, last, last, 0.1))
    Iterations: 2 frames from step 0 to step 8
    """
    _check(history, reference)
    title = history.titled(title)
    psnr = None if reference is None else [_psnr(history, reference, m) for m in (False, True)]
    film = _film(history, psnr)
    steps = [int(k) for k in history.steps]
    kept_steps = [steps[i] for i in film.kept]
    kept_psnr = [[_finite(values[i]) for i in film.kept] for values in psnr or ()]
    chart, lines = _chart(history, steps, psnr)
    data = {
        "title": title,
        "kinds": KINDS,
        "steps": kept_steps,
        "width": history.frames.shape[3],
        "frames": film.sources,
        "codecError": round(film.error, 2),
        "note": f"drawn at 1/{film.shrink} of its size" if film.shrink > 1 else "",
        "psnr": kept_psnr or None,
        "chart": chart.svg(),
        "heights": [chart.heights([line[i] for i in film.kept]) for line in lines],
    }
    html = alive("player", _filmstrip(title, kept_steps, film.sources[0], kept_psnr), data)
    about = f"{title}: {len(steps)} frames from step {steps[0]} to step {steps[-1]}"
    return show_once(html, alt=about)


def compare(
    before: torch.Tensor,
    after: torch.Tensor,
    labels: Sequence[str] = ("before", "after"),
    reference: torch.Tensor | None = None,
    title: str = "Before and after",
) -> Shown:
    """Show two pictures on top of each other, with a divider to drag from side to side.

    Drag on the picture, or move the slider below it (arrow keys too). Pictures and script are part
    of the HTML, which works without a kernel and without a network. Where scripts do not run, the
    two stand side by side.

    Args:
        before: tensor (1, C, H, W), seen left of the divider.
        after: tensor (1, C, H', W'), seen right of it, of the same proportions; the smaller one is
            enlarged, its pixels stay visible.
        labels: what to call the two.
        reference: the clean image: pictures of its size get their PSNR.
        title: heading, also used in the alternative texts.

    Returns:
        A Shown: it has appeared already; ``.save(path)`` writes it as a page.

    Raises:
        ValueError: not two pictures of the same proportions, or not two labels.

    Built in lesson 04 (used).

    >>> compare(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 64, 64), ("y", "x_hat"))
    Before and after: y and x_hat, with a divider
    """
    if len(labels) != 2:
        raise ValueError(f"labels={labels!r}: give two, such as ('noisy', 'restored')")
    pair = (before, after)
    for label, x in zip(labels, pair, strict=True):
        images.require(x, f"the picture {label!r}")
    (h, w), (high, wide) = (x.shape[2:] for x in pair)
    if h * wide != high * w:
        raise ValueError(
            f"{labels[0]!r} has {h} × {w} pixels, {labels[1]!r} {high} × {wide}: they cannot lie "
            "on each other, cut them to the same proportions"
        )
    named = [_label(label, x, reference) for label, x in zip(labels, pair, strict=True)]
    sources = [drawn.source(x, math.ceil(max(x.shape[2:]) / LARGEST)) for x in pair]
    data = {
        "title": title,
        "labels": named,
        "pictures": sources,
        "width": max(w, wide),
        "height": max(h, high),
    }
    row = drawn.row(title, list(zip(sources, named, named, strict=True)), width=256)
    about = f"{title}: {labels[0]} and {labels[1]}, with a divider"
    return show_once(alive("compare", row, data), alt=about)


def _label(label: str, x: torch.Tensor, reference: torch.Tensor | None) -> str:
    if reference is None or x.shape != reference.shape or torch.equal(x, reference):
        return label
    return f"{label}, {metrics.psnr(x, reference):.1f} dB"


def _check(history: History, reference: torch.Tensor | None) -> None:
    if not len(history):
        raise ValueError("the history holds no frames: run the fit for at least one step")
    if reference is None:
        return
    size = tuple(history.frames.shape[1:])
    if images.require(reference, "the reference").shape[1:] != size:
        raise ValueError(
            f"the reference has shape {tuple(reference.shape)}, the frames {(1, *size)}: "
            "give the clean image at the size of the fit"
        )


def _psnr(history: History, reference: torch.Tensor, mean: bool) -> list[float]:
    return [metrics.psnr(history.frame(i, mean), reference) for i in range(len(history))]


def _finite(value: float) -> float | None:
    """A number that JSON can hold, or None."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _coded(frame: torch.Tensor, shrink: int) -> tuple[str, float]:
    """The src of a uint8 tensor (C, H, W), and its mean squared error (grey levels²)."""
    small = drawn.smaller(frame, shrink)
    data = codec.to_even_jpeg(small)
    error = small.float() - codec.decoded(data).float()
    return codec.address(data), float((error**2).mean())


class _Film(NamedTuple):
    """The pictures of a player.

    Attributes:
        kept: which frames.
        sources: of the single frames and of the running means, the src of each.
        shrink: how many times smaller they are drawn.
        error: mean squared error (grey levels²) of the worst.
    """

    kept: list[int]
    sources: list[list[str]]
    shrink: int
    error: float


def _film(history: History, psnr: list[list[float]] | None) -> _Film:
    best = {0} if psnr is None else {int(np.argmax(values)) for values in psnr}
    shrink = 1
    while True:
        coded = [[_coded(f, shrink) for f in m] for m in (history.frames, history.means)]
        sizes = np.array([[len(text) for text, _ in series] for series in coded])
        kept = _choose(sizes, best)
        if len(kept) >= min(FEWEST, len(history)) or max(history.frames.shape[2:]) <= 256 * shrink:
            break
        shrink *= 2
    error = max(series[i][1] for series in coded for i in kept)
    return _Film(kept, [[series[i][0] for i in kept] for series in coded], shrink, error)


def _choose(sizes: np.ndarray, best: set[int]) -> list[int]:
    """As many frames as LIMIT has room for: evenly spread, with the first, last and best ones."""
    number = sizes.shape[1]
    room = LIMIT - 60_000 - 5 * sizes[0].max()  # for script, chart and filmstrip
    for count in range(number, 1, -1):
        kept = sorted(best | set(np.linspace(0, number - 1, count).round().astype(int).tolist()))
        if sizes[:, kept].sum() <= room:
            break
    return kept if number > 1 else [0]


def _chart(
    history: History, steps: list[int], psnr: list[list[float]] | None
) -> tuple[Chart, list[list[float]]]:
    """The chart, and what its curves are at the kept steps.

    It shows the PSNR of the frames, or the loss of (at most 400 of) the steps and of all that were
    kept.
    """
    if psnr is not None:
        return Chart(f"PSNR in dB ({ORACLE})", steps, psnr, kinds=KINDS), psnr
    count = len(history.loss)
    some = np.linspace(0, count - 1, min(400, count)).round()
    x = sorted({int(k) for k in some} | {k for k in steps if k < count})
    chart = Chart("loss (log axis)", x, [history.loss[x]], log=True)
    return chart, [[history.loss[k] if k < count else math.nan for k in steps]]


def _filmstrip(
    title: str, steps: list[int], sources: list[str], psnr: list[list[float | None]]
) -> str:
    """Five frames in a row for readers without scripts (GitHub, an untrusted copy)."""
    number = len(steps)
    cells = []
    for i in sorted(set(np.linspace(0, number - 1, min(5, number)).round().astype(int))):
        words = [f"step {steps[i]}"]
        if psnr and psnr[0][i] is not None:
            words.append(f"{psnr[0][i]:.2f} dB")
        cells.append((sources[i], f"the output at {' · '.join(words)}", "\n".join(words)))
    return drawn.row(title, cells, width=128)
