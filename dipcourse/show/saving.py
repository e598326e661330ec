"""A picture to take along: a link that holds the file."""

import re
from html import escape

import torch

from dipcourse import images
from dipcourse._html.shown import Shown
from dipcourse.images import codec

STYLE = (
    "display: inline-block; padding: 4px 12px; border: 1px solid currentColor; "
    "border-radius: 4px; color: inherit; font: 14px system-ui, sans-serif"
)


def download(x: torch.Tensor, name: str = "restored.png", *, display: bool = True) -> Shown:
    """Show a link that saves a picture as a PNG file on the reader's own machine.

    The link holds the file itself. So it works wherever the notebook runs, on a hub as in Colab,
    and nothing is sent anywhere.

    Args:
        x: tensor (1, C, H, W), values outside [0, 1] are clipped.
        name: of the file: letters, digits, "-" and "_", ending in ".png".
        display: False returns the link without showing it.

    Returns:
        A Shown.

    Raises:
        ValueError: no picture, or another name.

    Built in lesson 14 (used).

    >>> download(torch.rand(1, 3, 16, 24), display=False)
    save restored.png, 24 × 16 pixels
    """
    if not re.fullmatch(r"[\w-]+\.png", name):
        raise ValueError(f"name={name!r}: use letters, digits, - and _, and .png at the end")
    levels = images.levels(images.require(x))[0]  # (C, H, W)
    words = f"save {name}, {levels.shape[2]} × {levels.shape[1]} pixels"
    address = codec.address(codec.to_png(levels))
    shown = Shown(
        f'<a download="{name}" href="{address}" style="{STYLE}">{escape(words)}</a>', words
    )
    if display:
        shown.show()
    return shown
