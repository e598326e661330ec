"""Pictures side by side as HTML: each its own image, its caption real text.

In a narrow window pictures shrink down to ``NARROWEST``, then rows wrap.
"""

from html import escape

import torch

from dipcourse import _text
from dipcourse._html.pictures import smallest
from dipcourse.show.panels import GAP, MAX_PANEL, Panel
from dipcourse.show.sizes import FONT, WIDTH

NARROWEST = 140  # CSS pixels of a picture
STRETCH = 1.25  # a picture may be so much wider than its share of the row, to keep whole pixels


def page(pictures: list[Panel], enlarged: list[Panel], columns: int, note: str, about: str) -> str:
    """Pictures as HTML: it needs no script, and its letters and ground are those of the page.

    Args:
        pictures: at least one.
        enlarged: what stands below each, or nothing.
        columns: pictures in a row, where there is room for so many.
        note: a line of text below them, or "".
        about: the alt text of them all.

    Returns:
        An element of HTML.

    Built in lesson 00 (used).
    """
    width = css_width(max(panel.shape[1] for panel in pictures), columns)
    below: list[Panel | None] = [*enlarged] or [None] * len(pictures)
    figures = [_figure(*pair, width) for pair in zip(pictures, below, strict=True)]
    gaps = (columns - 1) * GAP
    least = f"max(min({NARROWEST}px,100%),calc((100% - {gaps}px)/{columns}))"
    grid = f"display:grid;grid-template-columns:repeat(auto-fit,minmax({least},1fr))"
    row = f"{grid};gap:{GAP}px;max-width:{columns * width + gaps}px"
    return (
        f'<div role="group" aria-label="{escape(about)}" style="font-size:{FONT}px;'
        f'line-height:1.35;margin:{GAP // 2}px 0"><div style="{row}">{"".join(figures)}</div>'
        f"{f'<div>{escape(note)}</div>' if note else ''}</div>"
    )


def css_width(pixels: int, columns: int) -> int:
    """How wide a picture is drawn, in CSS pixels: if possible a multiple of what it has.

    Args:
        pixels: its width.
        columns: pictures in a row.

    Returns:
        An int.

    Built in lesson 00 (used).

    >>> css_width(192, columns=5), css_width(64, columns=3), css_width(512, columns=2)
    (192, 256, 400)
    """
    room = int(min((WIDTH - GAP * (columns + 1)) / columns, MAX_PANEL))
    width = round(room / pixels) * pixels
    return width if 0 < width <= STRETCH * room else room


def _figure(panel: Panel, enlarged: Panel | None, width: int) -> str:
    """A picture, what is enlarged of it, and their caption."""
    lines = [_text.plain(line) for text in panel.heading for line in text.split("\n") if line]
    alt, words = ", ".join(lines) or "untitled", "<br>".join(map(escape, lines))
    images = f'<div style="position:relative">{_image(panel, alt, width)}{_frame(panel)}</div>'
    if enlarged is not None:
        space = f"margin-top:{GAP // 2}px"
        images += f'<div style="{space}">{_image(enlarged, f"{alt}, enlarged", width)}</div>'
    text = f'<figcaption style="margin-top:2px">{words}</figcaption>'
    return f'<figure style="margin:0;max-width:{width}px">{images}{text}</figure>'


def _image(panel: Panel, alt: str, width: int) -> str:
    """The pixels of a panel; drawn large, they stay squares."""
    levels = torch.from_numpy(panel.array).permute(2, 0, 1)  # (3, H, W)
    if bool((levels == levels[:1]).all()):
        levels = levels[:1]
    squares = ";image-rendering:pixelated" if width >= 2 * panel.shape[1] else ""
    return (
        f'<img src="{smallest(levels.contiguous())}" alt="{escape(alt)}" width="{width}" '
        f'style="width:100%;height:auto;display:block;border-radius:2px{squares}">'
    )


def _frame(panel: Panel) -> str:
    """White and black dashes around a square of the picture, which are seen on every ground."""
    if panel.frame is None:
        return ""
    (height, width), (top, left, size) = panel.shape, panel.frame
    place = f"left:{100 * left / width:.2f}%;top:{100 * top / height:.2f}%"
    extent = f"width:{100 * size / width:.2f}%;height:{100 * size / height:.2f}%"
    lines = "box-sizing:border-box;border:2px dashed #000;outline:1px solid #fff"
    return f'<div style="position:absolute;{place};{extent};{lines}"></div>'
