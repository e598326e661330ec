"""Pictures side by side: each with a heading over it, all of one width, in rows."""

import math
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from dipcourse import _text, images
from dipcourse._numbers import whole
from dipcourse.show.sizes import DENSITY, FONT, WIDTH, points

MAX_PANEL = 400  # CSS pixels, the widest picture
FINEST = 2 * DENSITY * MAX_PANEL  # pixels of a row that a figure keeps
GAP = 12  # CSS pixels between panels and around the figure
LINE = 1.35 * FONT  # CSS pixels, the height of a line of text
IN_A_ROW = 5  # panels at most, if nothing else is asked for
NARROWEST = 8  # letters in a line of a heading

Square = tuple[int, int, int]  # top, left and size, in pixels of a picture


class Panel(NamedTuple):
    """One picture of a figure: what is needed to draw it, also later.

    Attributes:
        heading: title and caption.
        array: uint8 (H, W, 3), or fewer pixels than the picture has.
        shape: height and width of the picture.
        frame: a square of the picture to draw a frame around, or None.
    """

    heading: tuple[str, str]
    array: np.ndarray
    shape: tuple[int, int]
    frame: Square | None


def panel_of(
    x: torch.Tensor,
    title: str,
    caption: str = "",
    limits: tuple[float, float] = (0, 1),
    frame: Square | None = None,
) -> Panel:
    """The panel of a picture; it keeps a copy of no more pixels than a figure shows.

    Args:
        x: tensor (1, C, H, W).
        title, caption: texts, one above the other.
        limits: the values drawn black and white.
        frame: (top, left, size) of a square to draw a frame around.

    Returns:
        A Panel.

    Built in lesson 00 (used).

    >>> panel_of(torch.full((1, 1, 8, 9), 0.2), "grey", limits=(0, 0.4)).array[0, 0]
    array([128, 128, 128], dtype=uint8)
    """
    low, high = limits
    height, width = x.shape[2:]
    every = math.ceil(width / FINEST)
    kept = x.detach()[..., ::every, ::every]  # (1, C, H/every, W/every)
    levels = images.levels((kept - low) / (high - low))
    colours = levels[0].expand(3, -1, -1).permute(1, 2, 0)  # (H/every, W/every, 3)
    return Panel((title, caption), colours.cpu().numpy(), (height, width), frame)


def in_rows(panels: list[Panel], columns: int | None) -> list[list[Panel]]:
    """The panels row by row.

    Args:
        panels: at least one.
        columns: panels in a row; None takes up to five, about as many in each row.

    Returns:
        List of rows.

    Raises:
        ValueError: columns is no whole number of at least 1.

    Built in lesson 00 (used).

    >>> black = panel_of(torch.zeros(1, 1, 8, 8), "black")
    >>> [len(row) for row in in_rows([black] * 6, None)]
    [3, 3]
    """
    if columns is None:
        fewest_rows = math.ceil(len(panels) / IN_A_ROW)
        columns = math.ceil(len(panels) / fewest_rows)
    columns = whole("columns", columns, 1)
    return [panels[i : i + columns] for i in range(0, len(panels), columns)]


def draw(rows: list[list[Panel]], note: str = "") -> Figure:
    """A figure of rows of panels.

    Args:
        rows: list of rows of panels.
        note: a line of text below them, or "".

    Returns:
        A figure of Matplotlib.

    Built in lesson 00 (used).

    >>> black = panel_of(torch.zeros(1, 1, 8, 8), "black")
    >>> len(draw([[black, black]]).axes)
    2
    """
    sheet = _Sheet(rows, note)
    figure = sheet.figure()
    for number, row in enumerate(rows):
        top = sheet.top(number)
        for column, panel in enumerate(row):
            left = sheet.left(column)
            _draw_picture(sheet.axes(figure, panel, left, top), panel)
            words = sheet.text(figure, left, top + sheet.gap / 3)
            _text.write(words, sheet.headings[number][column])
    if note:
        sheet.text(figure, sheet.gap, sheet.gap).set_text(note)
    return figure


class _Sheet:
    """The places of all things in a figure, in device pixels from its bottom left corner.

    Attributes:
        unit: one CSS pixel.
        side: the width of every panel.
        gap: between panels and around the figure.
        headings: the text over each panel, in lines that are no wider than it.
        above: the height of each row's headings.
        tall: the height of each row's pictures.
        width, height: of the figure.
    """

    def __init__(self, rows: list[list[Panel]], note: str) -> None:
        columns = max(map(len, rows))
        self.side, self.unit = _panel_width(rows, columns)
        self.gap = round(GAP * self.unit)
        line = round(LINE * self.unit)
        letters = int(self.side / self.unit / (_text.LETTER * FONT))
        self.headings = [[_heading(panel, letters) for panel in row] for row in rows]
        self.above = [line * max(map(_count_lines, texts)) for texts in self.headings]
        self.tall = [max(map(self.picture_height, row)) for row in rows]
        self.width = columns * (self.side + self.gap) + self.gap
        gaps = (len(rows) + 1) * self.gap
        self.height = sum(self.above) + sum(self.tall) + gaps + (line if note else 0)

    def picture_height(self, panel: Panel) -> int:
        """The height of a panel's picture."""
        height, width = panel.shape
        return round(self.side * height / width)

    def left(self, column: int) -> int:
        """The left edge of a column."""
        return self.gap + column * (self.side + self.gap)

    def top(self, number: int) -> int:
        """The upper edge of the pictures of a row, below its headings."""
        passed = sum(self.above[: number + 1]) + sum(self.tall[:number]) + number * self.gap
        return self.height - self.gap - passed

    def figure(self) -> Figure:
        """A figure of this size with nothing in it."""
        dpi = 100 * self.unit
        a_bit = 1e-3  # Matplotlib cuts off what is behind the point
        size = (self.width + a_bit) / dpi, (self.height + a_bit) / dpi
        return Figure(figsize=size, dpi=dpi)

    def axes(self, figure: Figure, panel: Panel, left: int, top: int) -> Axes:
        """Axes in exactly the place of a picture."""
        tall = self.picture_height(panel)
        x, y = left / self.width, (top - tall) / self.height
        return figure.add_axes((x, y, self.side / self.width, tall / self.height), frameon=False)

    def text(self, figure: Figure, left: float, bottom: float) -> Text:
        """An empty text that begins in a place."""
        return figure.text(left / self.width, bottom / self.height, "", fontsize=points(FONT))


def _panel_width(rows: list[list[Panel]], columns: int) -> tuple[int, float]:
    """Device pixels of a panel, a multiple of the picture's width, and of one CSS pixel."""
    room = min((WIDTH - GAP * (columns + 1)) / columns, MAX_PANEL) * DENSITY
    widest = max(panel.shape[1] for row in rows for panel in row)
    side = widest * round(room / widest) if room > 0.67 * widest else int(room)
    return side, DENSITY * max(1, side / room)


def _heading(panel: Panel, letters: int) -> str:
    """Title and caption in lines of at most so many usual letters."""
    parts = (_text.wrapped(text, max(letters, NARROWEST)) for text in panel.heading)
    return "\n".join(filter(None, parts))


def _count_lines(text: str) -> int:
    return text.count("\n") + 1


def _draw_picture(axes: Axes, panel: Panel) -> None:
    """Draw its pixels, each a square, and its frame."""
    height, width = panel.shape
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(panel.array, extent=edges, aspect="auto", interpolation="nearest")
    axes.set_axis_off()
    if panel.frame is not None:
        _draw_frame(axes, *panel.frame)


def _draw_frame(axes: Axes, top: int, left: int, size: int) -> None:
    """White and black dashes, which are seen on every ground."""
    corner = (left - 0.5, top - 0.5)
    for colour, style in (("white", "-"), ("black", "--")):
        axes.add_patch(Rectangle(corner, size, size, fill=False, ec=colour, ls=style, lw=1.2))
