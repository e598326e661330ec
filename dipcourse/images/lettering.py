"""Lines of text as a page of black and white pixels, in a font that has their characters."""

import io
import itertools
import math

import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from dipcourse import _text

Run = tuple[str, FreeTypeFont]  # a part of a line, and the font that draws it


def page(height: int, width: int, text: str, size: float) -> np.ndarray:
    """A page covered with a text; each line goes on where the line above was cut off.

    Args:
        height, width: pixels.
        text: one line. A character that no font has is drawn as □, which is said.
        size: height of the letters, and about that of a line, in pixels.

    Returns:
        Array (height, width) of booleans, False under the letters.

    Built in lesson 05 (used).

    >>> page(20, 30, "word ", 10).shape
    (20, 30)
    """
    length = math.ceil(sum(font.getlength(part) for part, font in _runs(text, size)))
    line = _runs(text * (width // max(length, 1) + 2), size)
    paper = Image.new("1", (width, height), 1)
    for i in range(math.ceil(height / size)):
        _write(paper, line, -(i * width % length), i * size)
    return np.asarray(paper)


def _write(paper: Image.Image, line: list[Run], left: float, top: float) -> None:
    """Draw the parts of a line of text one after the other, all on one base line."""
    base = top + line[0][1].getmetrics()[0]
    for part, font in line:
        ImageDraw.Draw(paper).text((left, base), part, fill=0, font=font, anchor="ls")
        left += font.getlength(part)


def _runs(text: str, size: float) -> list[Run]:
    """The text in parts for Pillow, each with a font that draws it.

    Args:
        text: string.
        size: height of the letters in pixels.

    Returns:
        List of (part, font): all in Pillow's own font if that has all characters.
    """
    own = ImageFont.load_default(size)
    assert isinstance(own, FreeTypeFont)  # as always with a size
    has = FT2Font(io.BytesIO(own.font_bytes)).get_char_index
    if all(has(ord(c)) for c in _text.plain(text)):
        return [(_text.plain(text), own)]
    text = _text.drawable(text)
    families = _text.lacking(text)
    usual = findfont(FontProperties())

    def file_of(character: str) -> str:
        family = families.get(character)
        return _text.file_of(family) if family else usual

    parts = itertools.groupby(text, file_of)
    return [("".join(part), _font(file, size)) for file, part in parts]


def _font(file: str, size: float) -> FreeTypeFont:
    return ImageFont.truetype(file, size, index=getattr(file, "face_index", 0))
