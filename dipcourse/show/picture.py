"""A finished figure: the bytes of a PNG file, and everything else that it can be saved as."""

import io
from collections.abc import Callable
from functools import partial
from html import escape

from matplotlib.figure import Figure

from dipcourse import _text
from dipcourse._html.shown import Shown
from dipcourse._interrupts import held
from dipcourse.images import codec

Writers = dict[str, Callable[[], bytes]]  # ending of a file name → what gives such a file


class Picture(Shown):
    """A figure: PNG bytes that carry their own alt text and pixel density.

    ``save`` writes the kind of file that the path's ending names: .png, .jpg or .jpeg, .html (a
    page of its own), and .pdf or .svg with letters and lines that stay sharp at any size. All but
    the page keep the alt text as their description.

    Args:
        png: the bytes of a PNG file; its text "Description" is the alt text, and its density
            in dots per inch says how large it is shown (100 dots are one inch on a page).
        draw: a function without arguments that draws the same as a figure of Matplotlib, for .pdf
            and .svg. None: they cannot be written.

    Raises:
        ValueError: the file has no Description.

    Built in lesson 00.
    """

    def __init__(self, png: bytes, draw: Callable[[], Figure] | None = None) -> None:
        about = codec.about(png)
        if not about.description:
            raise ValueError("the PNG file has no text chunk Description: it needs an alt text")
        super().__init__(_tag(png, about), about.description)
        self.png = png
        self._draw = draw
        self._kind = "this figure" if draw else "a figure that is stored as pixels"

    def _writers(self) -> Writers:
        jpeg = partial(codec.png_to_jpeg, self.png)
        writers: Writers = {".png": lambda: self.png, ".jpg": jpeg, ".jpeg": jpeg}
        if self._draw is not None:
            about_pdf = {"Title": self.alt, "Subject": self.alt}
            about_svg = {"Title": self.alt, "Description": self.alt}
            writers[".pdf"] = partial(_written, self._draw, "pdf", about_pdf)
            writers[".svg"] = partial(_written, self._draw, "svg", about_svg)
        return writers | super()._writers()


def finish(draw: Callable[[], Figure], alt: str, display: bool) -> Picture:
    """Draw a figure, turn it into a Picture that can draw it again, and show that if asked to.

    Args:
        draw: a function without arguments that gives the figure.
        alt: the alt text.
        display: show it here and now?

    Returns:
        The Picture.

    Built in lesson 00 (used).

    >>> finish(lambda: Figure(figsize=(1, 1)), "an empty square", display=False)
    an empty square
    """
    alt = _text.plain(alt)
    picture = Picture(_written(draw, "png", {"Description": alt}), draw)
    if display:
        picture.show()
    return picture


def _written(draw: Callable[[], Figure], kind: str, about: dict[str, str]) -> bytes:
    """The bytes of a file of a figure that says about itself what it shows."""
    figure, file = draw(), io.BytesIO()
    with held():  # the first one imports
        figure.savefig(file, format=kind, dpi=figure.dpi, metadata=about)
    return file.getvalue()


def _tag(png: bytes, about: codec.About) -> str:
    """The HTML element that holds the file in itself."""
    scale = codec.DOTS / about.density
    width, height = round(about.width * scale), round(about.height * scale)
    return (
        f'<img alt="{escape(about.description)}" width="{width}" height="{height}" '
        f'src="{codec.address(png)}" style="max-width:100%;height:auto;border-radius:4px">'
    )
