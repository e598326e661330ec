"""Curves in one pair of axes: what of them can be drawn, the chart, and what it says in words."""

import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter
from numpy.typing import ArrayLike

from dipcourse import _text
from dipcourse._numbers import as_float
from dipcourse._palette import COLOURS, MARKERS, ORACLE
from dipcourse.show.sizes import DENSITY, FONT, WIDTH, points

HEIGHT = 380  # CSS pixels
MANY = 4  # curves, above which the legend stands beside the axes
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
    drawn = np.isfinite(y) & ((x > 0) | ("x" not in log)) & ((y > 0) | ("y" not in log))
    if not drawn.any():
        raise ValueError(
            f"the curve {label!r} has no value to draw: all are NaN, infinite, or not above 0 "
            "for a logarithmic axis"
        )
    return x, y


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


def _name(label: Hashable, chart: Chart) -> str:
    return f"{label} ({ORACLE})" if label in chart.oracle else str(label)


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
    for number, (text, position) in enumerate(chart.marks.items()):
        _draw_mark(axes, number, text, position)
    _label_axes(axes, chart)
    _make_quiet(axes)
    if (legend := _legend(figure, axes, chart)) is not None:
        _name_curves(legend, chart)
    return figure


def _draw_curve(axes: Axes, number: int, label: Hashable, chart: Chart) -> None:
    x, y = chart.curves[label]
    axes.plot(
        x,
        y,
        label=str(number),  # the words come later: Matplotlib leaves out some, such as "_loss"
        color=COLOURS[number % len(COLOURS)],
        linestyle="--" if label in chart.oracle else "-",
        linewidth=1.6,
        marker=MARKERS[number % len(MARKERS)],
        markevery=_marker_places(x, number, chart.log),
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


def _draw_mark(axes: Axes, number: int, text: str, position: float) -> None:
    """A vertical line, and its text on the side where there is more room, each a line lower."""
    axes.axvline(position, color="0.3", linewidth=1.3, linestyle=":")
    from_left = axes.transData.transform((position, 1))[0] - axes.bbox.x0
    right = from_left > axes.bbox.width / 2
    artist = axes.annotate(
        "",
        (position, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if right else 4, -4 - 16 * number),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
    _write(artist, f"{text}: {position:g}", FONT - 1, 0.4 * WIDTH)


def _label_axes(axes: Axes, chart: Chart) -> None:
    room = WIDTH * (0.5 if _is_crowded(chart) else 0.7)  # a legend beside the axes takes some
    _write(axes.xaxis.label, chart.xlabel, FONT, room)
    _write(axes.yaxis.label, chart.ylabel, FONT, 0.3 * WIDTH)
    _write(axes.set_title("", loc="left"), chart.title, FONT + 2, room)


def _is_crowded(chart: Chart) -> bool:
    return len(chart.curves) > MANY


def _make_quiet(axes: Axes) -> None:
    """Nothing beside the curves is loud."""
    axes.tick_params(labelsize=points(FONT - 1))
    axes.grid(color="0.88")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, axes: Axes, chart: Chart) -> Legend | None:
    """A legend whose texts are still numbers, unless one plain curve needs none."""
    style = {"fontsize": points(FONT - 1), "framealpha": 0.85, "handlelength": 3}
    if _is_crowded(chart):
        return figure.legend(loc="outside right upper", **style)
    if len(chart.curves) > 1 or chart.oracle:
        return axes.legend(**style)
    return None


def _name_curves(legend: Legend, chart: Chart) -> None:
    for artist, label in zip(legend.get_texts(), chart.curves, strict=True):
        _write(artist, _name(label, chart), FONT - 1, 0.4 * WIDTH)


def _write(artist: Text, text: str, size: int, room: float) -> None:
    """Write a text of a font size into so many CSS pixels."""
    artist.set_fontsize(points(size))
    _text.write(artist, _text.wrapped(text, int(room / (_text.LETTER * size))))
