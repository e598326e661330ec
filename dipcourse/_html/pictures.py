"""Tensors as the pictures of a page: JPEG that keeps noise, inside the page itself."""

from html import escape

import torch
from torch.nn import functional as F

from dipcourse import images
from dipcourse.images import codec

FINE = 3  # rounding of a JPEG: an error of 1.6 grey levels, two thirds of the size of a PNG file


def smaller(levels: torch.Tensor, shrink: int) -> torch.Tensor:
    """Levels with fewer pixels: each is the mean of a square.

    Args:
        levels: uint8 tensor (C, H, W).
        shrink: pixels of a side of the square.

    Returns:
        uint8 tensor (C, h, w).

    >>> smaller(torch.full((3, 8, 8), 7, dtype=torch.uint8), 2).shape
    torch.Size([3, 4, 4])
    """
    if shrink == 1:
        return levels
    return F.avg_pool2d(levels.float(), shrink, ceil_mode=True).round().to(torch.uint8)


def source(x: torch.Tensor, shrink: int = 1) -> str:
    """The src of a picture: what an <img> draws.

    Args:
        x: tensor (1, C, H, W).
        shrink: how many times smaller it is drawn.

    >>> source(torch.zeros(1, 3, 8, 8))[:23]
    'data:image/jpeg;base64,'
    """
    return codec.address(codec.to_even_jpeg(smaller(images.levels(x)[0], shrink).cpu()))


def smallest(levels: torch.Tensor) -> str:
    """The src of a picture of which nothing visible may be lost: PNG, or JPEG where it is smaller.

    Args:
        levels: uint8 tensor (C, H, W).

    >>> smallest(torch.zeros(1, 8, 8, dtype=torch.uint8))[:22]
    'data:image/png;base64,'
    """
    files = codec.to_png(levels), codec.to_even_jpeg(levels, FINE)
    return codec.address(min(files, key=len))


def row(title: str, cells: list[tuple[str, str, str]], width: int) -> str:
    """Pictures in a row, as HTML that needs no script.

    Args:
        title: what stands above them.
        cells: of each picture its src, what it is called in the alt text, and the lines below it.
        width: of each, in CSS pixels.

    >>> "<caption>two</caption>" in row("two", [("data:", "x", "x"), ("data:", "y", "y")], 128)
    True
    """
    pictures = [
        f'<td><img src="{src}" alt="{escape(f"{title}: {name}")}" width="{width}"><br>'
        f"{escape(below).replace(chr(10), '<br>')}</td>"
        for src, name, below in cells
    ]
    return f"<table><caption>{escape(title)}</caption><tr>{''.join(pictures)}</tr></table>"
