"""What a live fit shows: pictures and curves as HTML that is quick to make, five times a second."""

import base64
from html import escape

import numpy as np
from torch.nn import functional as F

from dipcourse import images
from dipcourse.images import codec

SIDE = 256  # CSS pixels of a picture
POINTS = 250  # of a curve
COLOURS = "#3b8eea", "#d9730d"
ORACLE = "needs the clean image"


def view(note, pictures, losses=(), quality=()):
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
        charts = [chart("loss (log axis)", range(1, len(losses) + 1), [losses], log=True)]
        if quality:
            steps, *lines = zip(*quality, strict=True)
            name = f"PSNR in dB ({ORACLE}), mean dashed"
            charts.append(chart(name, steps, lines))
        parts.append(f'<div style="flex:1 1 260px;max-width:380px">{"".join(charts)}</div>')
    return (
        '<div style="line-height:1.4"><div style="font-variant-numeric:tabular-nums;'
        f'margin:4px 0">{escape(note)}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(parts)}</div></div>'
    )


def chart(name, steps, lines, log=False):
    """Curves over the steps as a small SVG that takes the page's colours; the second is dashed.

    Args:
        name: what the curves show.
        steps: N step numbers.
        lines: list of up to two curves of N values; what is not finite, or not above 0 on a
            logarithmic axis, is left out.
        log: a logarithmic y axis.

    Returns:
        String.

    Built in lesson 02 (used).
    """
    some = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).round().astype(int))
    x, *ys = (np.array([line[i] for i in some], dtype=float) for line in (steps, *lines))
    ys = [np.where(np.isfinite(y) & ((y > 0) | (not log)), y, np.nan) for y in ys]
    drawn = np.concatenate(ys)
    drawn = drawn[np.isfinite(drawn)]
    low, high = (drawn.min(), drawn.max()) if drawn.size else (1, 1)
    paths = "".join(
        f'<path d="{_path(x, y, low, high, log)}" fill="none" stroke="{colour}" stroke-width="2"'
        f' stroke-dasharray="{dash}"/>'
        for y, colour, dash in zip(ys, COLOURS, ("none", "6 4"), strict=False)
    )
    about = f"{name}: from {low:.3g} to {high:.3g} over {int(x[-1])} steps"
    return (
        '<svg viewBox="0 0 390 150" width="100%" role="img" '
        f'aria-label="{escape(about)}" style="font:13px system-ui,sans-serif">'
        f'<g fill="currentColor"><text x="4" y="14">{escape(name)}</text>'
        f'<text x="60" y="34" text-anchor="end">{high:.3g}</text>'
        f'<text x="60" y="128" text-anchor="end">{low:.3g}</text>'
        f'<text x="384" y="146" text-anchor="end">step {int(x[-1])}</text></g>'
        '<path d="M66 26V130H386" fill="none" stroke="currentColor" stroke-opacity="0.4"/>'
        f"{paths}</svg>"
    )


def _path(x, y, low, high, log):
    """The d of an SVG path through the points, with gaps where y is NaN."""
    scale = np.log if log else np.asarray
    span = scale(high) - scale(low)
    right = 66 + 320 * x / max(x[-1], 1)
    down = np.full_like(y, 78.0) if span == 0 else 126 - 96 * (scale(y) - scale(low)) / span
    down = np.where(np.isfinite(y), down, np.nan)
    words, pen = [], "M"
    for across, height in zip(right, down, strict=True):
        if np.isnan(height):
            pen = "M"
        else:
            words.append(f"{pen}{across:.1f} {height:.1f}")
            pen = "L"
    return "".join(words)


def _figure(title, x, alt):
    """A picture as a JPEG that keeps noise, in a figure with its title."""
    shrink = max(1, max(x.shape[2:]) // 256)
    x = F.avg_pool2d(x.detach().float(), shrink, ceil_mode=True)
    frame = images.levels(x)[0].cpu()
    text = base64.b64encode(codec.to_even_jpeg(frame)).decode()
    height = round(SIDE * frame.shape[1] / frame.shape[2])
    exact = "pixelated" if SIDE % frame.shape[2] == 0 else "auto"
    return (
        f'<figure style="margin:0;width:{SIDE}px"><img alt="{escape(alt)}" '
        f'width="{SIDE}" height="{height}" src="data:image/jpeg;base64,{text}" '
        f'style="display:block;margin:0;image-rendering:{exact}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )
