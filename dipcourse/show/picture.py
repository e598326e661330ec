"""A finished figure: what a notebook shows of it, and all that it can be saved as."""

import io
from collections.abc import Callable
from functools import partial
from html import escape

from matplotlib.figure import Figure

from dipcourse import _text
from dipcourse._html.shown import Shown
from dipcourse._interrupts import held
from dipcourse.images import codec
from dipcourse.show.sizes import LEGIBLE

Writers = dict[str, Callable[[], bytes]]  # ending of a file name → what gives such a file


class Picture(Shown):
    """A figure: what a notebook shows of it, and PNG bytes that carry their own alt text.

    ``save`` writes the kind of file that the path's ending names: .png, .jpg or .jpeg, .html (a
    page of its own), and .pdf or .svg with letters and lines that stay sharp at any size. All but
    the page keep the alt text as their description.

    Args:
        html: what a notebook shows.
        alt: the alt text.
        draw: a function without arguments that draws the same as a figure of Matplotlib, for
            files. None: they cannot be written, but for what ``png`` can become.
        png: the bytes of a PNG file. None: they are drawn when they are asked for.

    Built in lesson 00.
    """

    def __init__(
        self,
        html: str,
        alt: str,
        draw: Callable[[], Figure] | None = None,
        png: bytes | None = None,
    ) -> None:
        super().__init__(html, alt)
        self._draw, self._png = draw, png
        self._kind = "this figure" if draw else "a figure that is stored as pixels"

    @classmethod
    def stored(cls, png: bytes, draw: Callable[[], Figure] | None = None) -> "Picture":
        """A figure that is shown as a PNG file.

        Args:
            png: its bytes; its text "Description" is the alt text, and its density in dots per
                inch says how large it is shown (100 dots are one inch on a page).
            draw: see above.

        Raises:
            ValueError: the file has no Description.
        """
        about = codec.about(png)
        if not about.description:
            raise ValueError("the PNG file has no text chunk Description: it needs an alt text")
        return cls(_tag(png, about), about.description, draw, png)

    @property
    def png(self) -> bytes:
        """The bytes of a PNG file that carries its alt text and pixel density."""
        if self._png is None:
            assert self._draw is not None
            self._png = _written(self._draw, "png", {"Description": self.alt})
        return self._png

    def _writers(self) -> Writers:
        def jpeg() -> bytes:
            return codec.png_to_jpeg(self.png)

        writers: Writers = {".png": lambda: self.png, ".jpg": jpeg, ".jpeg": jpeg}
        if self._draw is not None:
            about_pdf = {"Title": self.alt, "Subject": self.alt}
            about_svg = {"Title": self.alt, "Description": self.alt}
            writers[".pdf"] = partial(_written, self._draw, "pdf", about_pdf)
            writers[".svg"] = partial(_written, self._draw, "svg", about_svg)
        return writers | super()._writers()


def finish(
    draw: Callable[[], Figure],
    alt: str,
    display: bool,
    html: Callable[[str], str] | None = None,
) -> Picture:
    """Turn a figure into a Picture that can draw it again, and show that if asked to.

    Args:
        draw: a function without arguments that gives the figure.
        alt: the alt text.
        display: show it here and now?
        html: a function that gives what a notebook shows, from the alt text; None: the figure.

    Returns:
        The Picture.

    Built in lesson 00 (used).

    >>> finish(lambda: Figure(figsize=(1, 1)), "an empty square", display=False)
    an empty square
    """
    alt = _text.plain(alt)
    if html is None:
        picture = Picture.stored(_written(draw, "png", {"Description": alt}), draw)
    else:
        picture = Picture(html(alt), alt, draw)
    if display:
        picture.show()
    return picture


def _written(draw: Callable[[], Figure], kind: str, about: dict[str, str]) -> bytes:
    """The bytes of a file of a figure that says about itself what it shows."""
    file = io.BytesIO()
    with held():  # the first one imports
        figure = draw()
        figure.savefig(file, format=kind, dpi=figure.dpi, metadata=about)
    return file.getvalue()


def _tag(png: bytes, about: codec.About) -> str:
    """The HTML element that holds the file in itself; in a narrow window it can be scrolled."""
    scale = codec.DOTS / about.density
    width, height = round(about.width * scale), round(about.height * scale)
    style = f"min-width:{min(width, LEGIBLE)}px;max-width:100%;height:auto;border-radius:4px"
    return (
        f'<div style="overflow-x:auto"><img alt="{escape(about.description)}" width="{width}" '
        f'height="{height}" src="{codec.address(png)}" style="{style}"></div>'
    )
