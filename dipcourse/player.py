"""Pictures to play with, as HTML that needs no kernel: frames of a fit, and two to compare."""

import base64
import json
import math
import uuid
from html import escape
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from dipcourse import _display, images, metrics
from dipcourse.images import codec

#: Bytes of a whole player. Frames are left out until it fits; their quality stays.
LIMIT = 3_000_000
#: Below this many frames, pictures are drawn smaller instead (only above 256 pixels).
FEWEST = 12


def iterations(history, reference=None, title="Iterations"):
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
    kept, pictures, shrink, error = _pictures(history, psnr)
    steps = [int(k) for k in history.steps]
    data = {
        "title": title,
        "steps": [steps[i] for i in kept],
        "width": history.frames.shape[3],
        "frames": pictures,
        "codecError": round(error, 2),
        "note": f"drawn at 1/{shrink} of its size" if shrink > 1 else "",
        "psnr": psnr and [[_finite(values[i]) for i in kept] for values in psnr],
        "curve": _curve(history, steps, psnr),
    }
    html = _alive("player", _filmstrip(data), data)
    about = f"{title}: {len(steps)} frames from step {steps[0]} to step {steps[-1]}"
    return _display.show_once(html, alt=about)


def compare(before, after, labels=("before", "after"), reference=None, title="Before and after"):
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
    pictures = (before, after)
    for label, x in zip(labels, pictures, strict=True):
        images.require(x, f"the picture {label!r}")
    (h, w), (high, wide) = (x.shape[2:] for x in pictures)
    if h * wide != high * w:
        raise ValueError(
            f"{labels[0]!r} has {h} × {w} pixels, {labels[1]!r} {high} × {wide}: they cannot lie "
            "on each other, cut them to the same proportions"
        )
    data = {
        "title": title,
        "labels": [_label(*pair, reference) for pair in zip(labels, pictures, strict=True)],
        "pictures": [_source(x) for x in pictures],
        "width": max(w, wide),
        "height": max(h, high),
    }
    about = f"{title}: {labels[0]} and {labels[1]}, with a divider"
    return _display.show_once(_alive("compare", _pair(data), data), alt=about)


def _label(label, x, reference):
    if reference is None or x.shape != reference.shape or torch.equal(x, reference):
        return label
    return f"{label}, {metrics.psnr(x, reference):.1f} dB"


def _source(x):
    """The src of a picture tensor: a JPEG that keeps noise, of at most 512 pixels a side."""
    frame = images.levels(x)[0].cpu()
    return f"data:image/jpeg;base64,{_encode(frame, math.ceil(max(x.shape[2:]) / 512))[0]}"


def _pair(data):
    """The two pictures in a row for readers without scripts."""
    cells = [
        f'<td><img src="{source}" alt="{escape(data["title"])}: {escape(label)}" width="256">'
        f"<br>{escape(label)}</td>"
        for source, label in zip(data["pictures"], data["labels"], strict=True)
    ]
    return f"<table><caption>{escape(data['title'])}</caption><tr>{''.join(cells)}</tr></table>"


def _alive(kind, without_script, data):
    """HTML that the script of that kind brings to life."""
    name = uuid.uuid4().hex
    script = Path(__file__).with_name(f"{kind}.js").read_text("utf-8")
    packed = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<div class="dipcourse-{kind}" data-player="{name}">{without_script}</div>\n'
        f'<script>({script.strip().rstrip(";")})("{name}", {packed});</script>'
    )


def _check(history, reference):
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


def _psnr(history, reference, mean):
    return [metrics.psnr(history.frame(i, mean), reference) for i in range(len(history))]


def _finite(value):
    """A number that JSON can hold, or None."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _encode(frame, shrink=1):
    """A uint8 tensor (C, H, W) as base64 JPEG text, and its mean squared error (grey levels²)."""
    small = F.avg_pool2d(frame.float(), shrink, ceil_mode=True).round().to(torch.uint8)
    data = codec.to_even_jpeg(small)
    error = small.float() - codec.decoded(data).float()
    return base64.b64encode(data).decode(), float((error**2).mean())


def _pictures(history, psnr):
    """Which frames are kept, [single, mean] as text, how much smaller, and the worst error."""
    best = {0} if psnr is None else {int(np.argmax(values)) for values in psnr}
    shrink = 1
    while True:
        coded = [[_encode(f, shrink) for f in m] for m in (history.frames, history.means)]
        sizes = np.array([[len(text) for text, _ in series] for series in coded])
        kept = _choose(sizes, best)
        if len(kept) >= min(FEWEST, len(history)) or max(history.frames.shape[2:]) <= 256 * shrink:
            break
        shrink *= 2
    error = max(series[i][1] for series in coded for i in kept)
    return kept, [[series[i][0] for i in kept] for series in coded], shrink, error


def _choose(sizes, best):
    """As many frames as LIMIT has room for: evenly spread, with the first, last and best ones."""
    number = sizes.shape[1]
    room = LIMIT - 60_000 - 5 * sizes[0].max()  # for script, curve and filmstrip
    for count in range(number, 1, -1):
        kept = sorted(best | set(np.linspace(0, number - 1, count).round().astype(int).tolist()))
        if sizes[:, kept].sum() <= room:
            break
    return kept if number > 1 else [0]


def _curve(history, steps, psnr):
    """What the graph shows: PSNR of the frames, or the loss of (at most 400 of) the steps."""
    if psnr is not None:
        lines = [[_finite(v) for v in values] for values in psnr]
        return {"name": "PSNR in dB (needs the clean image)", "log": False, "x": steps, "y": lines}
    some = np.linspace(0, len(history.loss) - 1, min(400, len(history.loss))).round()
    x = sorted({int(k) for k in some} | {k for k in steps if k < len(history.loss)})
    y = [_finite(v) if v > 0 else None for v in history.loss[x].tolist()]
    return {"name": "loss (log axis)", "log": True, "x": x, "y": [y]}


def _filmstrip(data):
    """Five frames in a row for readers without scripts (GitHub, an untrusted copy)."""
    number = len(data["steps"])
    cells = []
    for i in sorted(set(np.linspace(0, number - 1, min(5, number)).round().astype(int))):
        label = f"step {data['steps'][i]}"
        if data["psnr"] and data["psnr"][0][i] is not None:
            label += f" · {data['psnr'][0][i]:.2f} dB"
        source = f"data:image/jpeg;base64,{data['frames'][0][i]}"
        alt = escape(f"{data['title']}: the output at {label}", quote=True)
        below = label.replace(" · ", "<br>")
        cells.append(f'<td><img src="{source}" alt="{alt}" width="128"><br>{below}</td>')
    return f"<table><caption>{escape(data['title'])}</caption><tr>{''.join(cells)}</tr></table>"
