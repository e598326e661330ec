"""Curves in one pair of axes: what of them can be drawn, the chart, and what it says in words."""

import itertools
import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.ticker import LogFormatter
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

from dipcourse import _text
from dipcourse._numbers import as_float
from dipcourse._palette import COLOURS, MARKERS, ORACLE
from dipcourse.show.sizes import DENSITY, FONT, WIDTH, points

HEIGHT = 380  # CSS pixels
FEW_CURVES = 3  # up to here, each has its name at its end, and there is no legend
NAME_LINES = 4  # of a name at a curve's end; a longer one goes into the legend
NAME_WIDTH = 0.24 * WIDTH  # of a curve's name, in CSS pixels
GAP = 3  # between a mark's text and what is below it, in points
FEW_POINTS = 12  # up to here, each has its marker

Values = ArrayLike | torch.Tensor  # (N,)
Series = Values | tuple[Values, Values]  # y alone, or x and y
Curve = tuple[np.ndarray, np.ndarray]  # x and y


class Chart(NamedTuple):
    """What is needed to draw curves, also later.

    Attributes:
        curves: dict of label → arrays x and y of one length.
        title, xlabel, ylabel: texts.
        log: "x", "y", "xy" or "": the axes with a logarithmic scale.
        oracle: labels of curves that only the clean image can give.
        marks: dict of text → position on the x axis.
    """

    curves: dict[Hashable, Curve]
    title: str
    xlabel: str
    ylabel: str
    log: str
    oracle: tuple[Hashable, ...]
    marks: dict[str, float]


def curve_of(label: Hashable, values: Series, log: str) -> Curve:
    """The x and y of one curve as arrays that are copies.

    Args:
        label: what to call it in a message.
        values: y (N,), which is drawn over 0 … N − 1, or the pair (x, y).
        log: the axes with a logarithmic scale.

    Returns:
        Two arrays (N,).

    Raises:
        ValueError: x and y of different lengths, or nothing that can be drawn.

    Built in lesson 00 (used).

    >>> curve_of("loss", [3, 2], log="")
    (array([0, 1]), array([3., 2.]))
    """
    x, y = _x_and_y(values)
    if y.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"the curve {label!r} has x of shape {x.shape} and y of shape {y.shape}")
    if not _is_drawn(x, y, log).any():
        raise ValueError(
            f"the curve {label!r} has no value to draw: all are NaN, infinite, or not above 0 "
            "for a logarithmic axis"
        )
    return x, y


def _is_drawn(x: np.ndarray, y: np.ndarray, log: str) -> np.ndarray:
    """For each point whether it can be drawn: NaN cannot, nor 0 on a logarithmic axis."""
    return np.isfinite(y) & ((x > 0) | ("x" not in log)) & ((y > 0) | ("y" not in log))


def _x_and_y(values: Series) -> Curve:
    if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1:
        return _array(values[0]), _array(values[1])
    y = _array(values)
    return np.arange(y.size), y


def _array(values: Series) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
    return np.asarray(values, dtype=float).copy()


def mark_place(text: str, position: float, log: str) -> float:
    """The position of a mark as a float.

    Args:
        text: what the mark says, for a message.
        position: on the x axis.
        log: the axes with a logarithmic scale.

    Returns:
        A float.

    Raises:
        ValueError: no number, or not above 0 on a logarithmic axis.

    Built in lesson 00 (used).

    >>> mark_place("stopped", 40, log="x")
    40.0
    """
    number = as_float(position)
    if not math.isfinite(number) or ("x" in log and number <= 0):
        above = " above 0" if "x" in log else ""
        raise ValueError(f"mark {text!r} is at {position!r}: give a place on the x axis{above}")
    return number


def describe(chart: Chart) -> str:
    """What a chart shows, in words: its alt text.

    Args:
        chart: a Chart.

    Returns:
        String.

    Built in lesson 00 (used).

    >>> describe(Chart({"loss": curve_of("loss", [3, 2], "")}, "A fit", "step", "", "", (), {}))
    'A fit, line chart over step. loss: from 3 at 0 to 2 at 1.'
    """
    parts = [f"{_name(label, chart)}: {_ends(*curve)}" for label, curve in chart.curves.items()]
    parts += [f"marked: {text} at {position:g}" for text, position in chart.marks.items()]
    about = f"{chart.title}, line chart" if chart.title else "Line chart"
    return f"{about} over {chart.xlabel or 'x'}. {'; '.join(parts)}."


def _name(label: Hashable, chart: Chart, space: str = " ") -> str:
    return f"{label}{space}({ORACLE})" if label in chart.oracle else str(label)


def _ends(x: np.ndarray, y: np.ndarray) -> str:
    first, last = np.flatnonzero(np.isfinite(y))[[0, -1]]
    return f"from {y[first]:.3g} at {x[first]:g} to {y[last]:.3g} at {x[last]:g}"


def draw(chart: Chart) -> Figure:
    """A figure of curves.

    Args:
        chart: a Chart.

    Returns:
        A figure of Matplotlib.

    Built in lesson 00 (used).

    >>> chart = Chart({"loss": curve_of("loss", [3, 2], "")}, "A fit", "step", "", "", (), {})
    >>> draw(chart).axes[0].get_xlabel()
    'step'
    """
    size = WIDTH / 100, HEIGHT / 100
    figure = Figure(figsize=size, dpi=100 * DENSITY, layout="constrained")
    axes = figure.add_subplot()
    for number, label in enumerate(chart.curves):
        _draw_curve(axes, number, label, chart)
    _set_scales(axes, chart.log)
    _label_axes(axes, chart)
    _make_quiet(axes)
    names = _name_curves(figure, axes, chart)
    marks = [_draw_mark(axes, text, position) for text, position in chart.marks.items()]
    figure.draw_without_rendering()  # only now is known how wide texts and axes are
    top = _stack_marks(axes, [text for _, text in marks])
    _write_title(axes, chart, top)
    figure.draw_without_rendering()  # and how high the axes
    for line, text in marks:
        _lead_to_text(axes, line, text)
    _spread_names(axes, names)
    return figure


def _draw_curve(axes: Axes, number: int, label: Hashable, chart: Chart) -> None:
    x, y = chart.curves[label]
    axes.plot(
        x,
        np.where(_is_drawn(x, y, chart.log), y, np.nan),
        label=str(number),  # the words come later: Matplotlib leaves out some, such as "_loss"
        color=COLOURS[number % len(COLOURS)],
        linestyle="--" if label in chart.oracle else "-",
        linewidth=1.6,
        marker=MARKERS[number % len(MARKERS)],
        markevery=_marker_places(x, number, chart.log),
        clip_on=False,  # a marker at the end of the axis is drawn whole
    )


def _marker_places(x: np.ndarray, number: int, log: str) -> list[int] | None:
    """Indices of up to eight markers, evenly spread over the axis, not the same for all curves."""
    if len(x) <= FEW_POINTS:
        return None
    place = np.log(np.maximum(x, x[x > 0].min())) if "x" in log else x
    shift = np.ptp(place) / 40 * (number % 5)
    goals = np.linspace(place.min(), place.max(), 9)[:-1] + shift
    return np.unique([np.abs(place - goal).argmin() for goal in goals]).tolist()


def _set_scales(axes: Axes, log: str) -> None:
    axes.set_xscale("log" if "x" in log else "linear")
    axes.xaxis.set_major_formatter("{x:g}")
    if "x" in log:
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
    axes.set_yscale("log" if "y" in log else "linear")
    axes.margins(x=0)  # the axis starts where the data do


def _draw_mark(axes: Axes, text: str, position: float) -> tuple[Line2D, Annotation]:
    """A vertical line, and its text above the axes, where no curve is."""
    line = axes.axvline(position, color="0.3", linewidth=1.3, linestyle=":", clip_on=False)
    artist = axes.annotate(
        "",
        (position, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, GAP),
        textcoords="offset points",
        va="bottom",
        annotation_clip=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    _write(artist, f"{text}: {position:g}", FONT - 1, 0.4 * WIDTH)
    return line, artist


def _stack_marks(axes: Axes, texts: list[Annotation]) -> float:
    """Put texts that would touch above each other, and return where the highest ends, in points.

    A text starts at its line; in the right half of the axes it ends there. The one nearest to the
    middle comes first and lies lowest, so that no line crosses the text of another on its side.
    """
    away = {text: _fraction(axes, text.xy[0], 1)[0] - 0.5 for text in texts}
    points_of_a_pixel = 72 / (100 * DENSITY)
    placed: list[Bbox] = []
    for text in sorted(texts, key=lambda text: abs(away[text])):
        text.set_horizontalalignment("right" if away[text] > 0 else "left")
        box = text.get_window_extent()
        for other in sorted(placed, key=lambda other: other.y0):
            if box.overlaps(other):
                box = box.translated(0, other.y1 - box.y0 + GAP)
        text.set_position((0, (box.y0 - axes.bbox.y1) * points_of_a_pixel))
        placed.append(box)
    return max(((box.y1 - axes.bbox.y1) * points_of_a_pixel for box in placed), default=0)


def _fraction(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Where a point of the data lies in the axes: (0, 0) is the lower left corner."""
    axes.get_xlim(), axes.get_ylim()  # Matplotlib looks at the data only when asked
    across, up = axes.transLimits.transform(axes.transScale.transform((x, y)))
    return float(across), float(up)


def _lead_to_text(axes: Axes, line: Line2D, text: Annotation) -> None:
    """Draw the line of a mark up to its text."""
    top = (text.get_window_extent().y0 - axes.bbox.y0) / axes.bbox.height
    line.set_ydata([0, top])


def _label_axes(axes: Axes, chart: Chart) -> None:
    _write(axes.xaxis.label, chart.xlabel, FONT, _room(chart))
    _write(axes.yaxis.label, chart.ylabel, FONT, 0.3 * WIDTH)


def _write_title(axes: Axes, chart: Chart, above: float) -> None:
    title = axes.set_title("", loc="left", pad=above + 2 * GAP)
    _write(title, chart.title, FONT + 2, _room(chart))


def _room(chart: Chart) -> float:
    """How wide a text below or above the axes may be: names beside the axes take some room."""
    return WIDTH * (0.5 if _needs_names(chart) else 0.7)


def _needs_names(chart: Chart) -> bool:
    """Not for one plain curve."""
    return len(chart.curves) > 1 or bool(chart.oracle)


def _make_quiet(axes: Axes) -> None:
    """Nothing beside the curves is loud."""
    axes.tick_params(labelsize=points(FONT - 1))
    axes.grid(color="0.88")
    axes.spines[["top", "right"]].set_visible(False)


def _name_curves(figure: Figure, axes: Axes, chart: Chart) -> list[Annotation]:
    """Name the curves beside the axes, where no curve is.

    Returns:
        The names that stand at the ends of the curves; empty if there is a legend, or one plain
        curve, which needs no name.
    """
    if not _needs_names(chart):
        return []
    names = [_text_of_name(label, chart) for label in chart.curves]
    ends = [_end(curve, chart.log) for curve in chart.curves.values()]
    at_the_right = all(_fraction(axes, *end)[0] > 0.95 for end in ends)
    short = all(name.count("\n") < NAME_LINES for name in names)
    if len(names) <= FEW_CURVES and at_the_right and short:
        pairs = zip(names, ends, strict=True)
        return [_name_end(axes, number, *pair) for number, pair in enumerate(pairs)]
    legend = figure.legend(loc="outside right upper", framealpha=0.85, handlelength=3)
    for artist, name in zip(legend.get_texts(), names, strict=True):
        _write(artist, name, FONT - 1, NAME_WIDTH)
    return []


def _text_of_name(label: Hashable, chart: Chart) -> str:
    return _text.wrapped(_name(label, chart, "\n"), int(NAME_WIDTH / (_text.LETTER * (FONT - 1))))


def _end(curve: Curve, log: str) -> tuple[float, float]:
    """The last point of a curve that is drawn."""
    x, y = curve
    last = np.flatnonzero(_is_drawn(x, y, log))[-1]
    return float(x[last]), float(y[last])


def _name_end(axes: Axes, number: int, name: str, end: tuple[float, float]) -> Annotation:
    """Write a curve's name to the right of the axes, with a thin line to the curve's end."""
    colour = COLOURS[number % len(COLOURS)]
    artist = axes.annotate(
        "",
        end,
        xytext=(1.03, _fraction(axes, *end)[1]),
        textcoords="axes fraction",
        va="center",
        color=colour,
        annotation_clip=False,
        arrowprops={
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 1,
            "relpos": (0, 0.5),
            "shrinkA": 2,
            "shrinkB": 2,
        },
    )
    _write(artist, name, FONT - 1, NAME_WIDTH)
    return artist


def _spread_names(axes: Axes, names: list[Annotation]) -> None:
    """Move names that would touch apart, each as far as the other."""
    middle = {name: name.get_position()[1] for name in names}
    height = {name: _text_height(name) / axes.bbox.height for name in names}
    order = sorted(names, key=lambda name: middle[name])
    for _ in range(100):
        for lower, upper in itertools.pairwise(order):
            distance = (height[lower] + height[upper]) / 2 + 0.02
            if (overlap := distance - (middle[upper] - middle[lower])) > 0:
                middle[lower] -= overlap / 2
                middle[upper] += overlap / 2
    for name in names:
        name.set_y(middle[name])


def _text_height(artist: Annotation) -> float:
    return Text.get_window_extent(artist).height  # without the thin line


def _write(artist: Text, text: str, size: int, room: float) -> None:
    """Write a text of a font size into so many CSS pixels."""
    artist.set_fontsize(points(size))
    _text.write(artist, _text.wrapped(text, int(room / (_text.LETTER * size))))
