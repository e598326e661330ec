"""Curves over the steps of a fit as SVG, which takes the text colour of its page."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from dipcourse._palette import stroke

FONT = 14  # all lengths are CSS pixels of a chart that is shown at its own width
LEFT, RIGHT, BOTTOM = 52, 12, 28  # between the edges of the chart and its axes
ROW = 20  # of words above the axes
DIGIT = 0.6  # width of a digit, as a part of the font size, at most
INTERVALS = 6  # between the marks of an axis, at most, unless a chart says otherwise
DASHES = "none", "6 4"

Values = Sequence[float] | np.ndarray


class Chart:
    """One or two curves over the steps, the second one dashed.

    The SVG says in data-left, data-right, data-top, data-bottom and data-last where its axes are:
    the step k stands at left + (right − left)·k / last.

    Args:
        name: what the curves show.
        steps: N step numbers, ascending.
        lines: one or two curves of N values. What is not finite, or not above 0 on a logarithmic
            axis, is left out.
        kinds: what to call two curves in the legend.
        log: a logarithmic y axis.
        width, height: of the chart.
        intervals: between the marks of an axis, at most; fewer in a small chart.

    >>> Chart("loss", [0, 1, 2], [[3, 2, 1]]).svg()[:4]
    '<svg'
    """

    def __init__(
        self,
        name: str,
        steps: Values,
        lines: Sequence[Values],
        *,
        kinds: Sequence[str] = (),
        log: bool = False,
        width: int = 420,
        height: int = 290,
        intervals: int = INTERVALS,
    ) -> None:
        self.name, self.kinds, self.log = name, kinds, log
        self.width, self.height, self.intervals = width, height, intervals
        self.steps = np.asarray(steps, dtype=float)
        self.lines = [self._drawable(line) for line in lines]
        self.right, self.bottom = width - RIGHT, height - BOTTOM
        self.top = ROW * (2 if len(lines) > 1 else 1) + 6
        self.last = max(int(self.steps[-1]), 1)
        drawn = np.concatenate(self.lines)
        drawn = drawn[np.isfinite(drawn)]
        self.span = (float(drawn.min()), float(drawn.max())) if drawn.size else None
        self.low, self.high = _widened(self.span or (1.0, 1.0), log)
        longest = max((len(_number(mark)) for mark in ticks(self.low, self.high, log)), default=0)
        self.left = max(LEFT, math.ceil(longest * FONT * DIGIT) + 10)  # no number is cut off

    def svg(self) -> str:
        """The chart as HTML."""
        places = {name: getattr(self, name) for name in ("left", "right", "top", "bottom", "last")}
        data = " ".join(f'data-{name}="{place}"' for name, place in places.items())
        axes = f"<g>{self._values()}{self._foot()}</g>"
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" width="100%" role="img" '
            f'aria-label="{escape(self._about())}" {data} '
            f'style="display:block;font:{FONT}px system-ui,sans-serif">'
            f"{_text(4, ROW - 6, self.name)}{axes}"
            f"{''.join(map(self._curve, range(len(self.lines))))}</svg>"
        )

    def heights(self, line: Values) -> list[float | None]:
        """Where values lie, in pixels from the top; None for those that are left out."""
        return [round(y, 1) if math.isfinite(y) else None for y in self._down(self._drawable(line))]

    def _drawable(self, line: Values) -> np.ndarray:
        y = np.asarray(line, dtype=float)
        return np.where(np.isfinite(y) & ((y > 0) | (not self.log)), y, np.nan)

    def _across(self, steps: np.ndarray) -> np.ndarray:
        return self.left + (self.right - self.left) * steps / self.last

    def _down(self, y: np.ndarray) -> np.ndarray:
        scale = np.log if self.log else np.asarray
        share = (scale(y) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.bottom - (self.bottom - self.top) * share

    def _about(self) -> str:
        if self.span is None:
            return f"{self.name}: nothing to draw over {int(self.steps[-1])} steps"
        low, high = self.span
        return f"{self.name}: from {low:.3g} to {high:.3g} over {int(self.steps[-1])} steps"

    def _values(self) -> str:
        """Lines across the chart, and the values that they stand for."""
        marks = ticks(self.low, self.high, self.log)
        down = self._down(np.array(marks)).round(1)
        grid = "".join(f"M{self.left} {y:g}H{self.right}" for y in down)
        words = (
            _text(self.left - 6, y + 5, _number(mark), "end")
            for y, mark in zip(down, marks, strict=True)
        )
        return f'<path d="{grid}" stroke="currentColor" stroke-opacity="0.2"/>{"".join(words)}'

    def _foot(self) -> str:
        """The axis of the steps."""
        marks = [k for k in ticks(0, self.last, intervals=self.intervals) if k == int(k)]
        across, below = self._across(np.array(marks)).round(1), self.bottom + ROW - 1
        feet = "".join(f"M{x:g} {self.bottom}v5" for x in across)
        words = [_text(self.left - 13, below, "step", "end")]
        for x, mark in zip(across, marks, strict=True):
            half = len(_number(mark)) * FONT * DIGIT / 2
            words.append(_text(min(x, self.width - half), below, _number(mark), "middle"))
        line = f"M{self.left} {self.bottom}H{self.right}{feet}"
        return f'<path d="{line}" fill="none" stroke="currentColor"/>{"".join(words)}'

    def _curve(self, number: int) -> str:
        look = f'fill="none" stroke-width="2" stroke-dasharray="{DASHES[number]}"'
        look += f" {stroke(number)}"
        path = _path(self._across(self.steps), self._down(self.lines[number]))
        curve = f'<path data-curve="{number}" d="{path}" {look}/>'
        if len(self.lines) == 1:
            return curve
        x, y = self.left + 150 * number, 2 * ROW - 6
        return f'{curve}<path d="M{x} {y - 5}h28" {look}/>{_text(x + 34, y, self.kinds[number])}'


def ticks(low: float, high: float, log: bool = False, intervals: int = INTERVALS) -> list[float]:
    """Marks of an axis: round numbers, or 1, 2 and 5 times powers of ten on a logarithmic one.

    >>> ticks(0, 40), ticks(0.02, 3, log=True)
    ([0, 10, 20, 30, 40], [0.03, 0.1, 0.3, 1, 3])
    """
    if log and high / low > 5:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        factors = (1,) if high / low > 300 else (1, 3) if high / low > 20 else (1, 2, 5)
        powers = range(first, last + 1, math.ceil((last - first) / 8))
        found = [float(f"{factor}e{power}") for power in powers for factor in factors]
    else:
        power = 10.0 ** math.floor(math.log10((high - low) / intervals))
        units = (f * power for f in (1, 2, 5) if (high - low) / (f * power) <= intervals)
        unit = next(units, 10 * power)
        first, last = math.ceil(low / unit), math.floor(high / unit)
        found = [float(f"{k * unit:.6g}") for k in range(first, last + 1)]
    return [int(mark) if mark == int(mark) else mark for mark in found if low <= mark <= high]


def _widened(span: tuple[float, float], log: bool) -> tuple[float, float]:
    """The ends of an axis: never at one place."""
    low, high = span
    if low < high:
        return low, high
    return (low / 2, high * 2) if log else (low - 1, high + 1)


def _number(value: float) -> str:
    if 0 < abs(value) < 0.001:
        mantissa, exponent = f"{value:e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.6g}" if value != int(value) else str(int(value))


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="currentColor">'
        f"{escape(words)}</text>"
    )


def _path(across: np.ndarray, down: np.ndarray) -> str:
    """The d of an SVG path through the points, with gaps where one is NaN."""
    words, pen = [], "M"
    for x, y in zip(across, down, strict=True):
        if math.isnan(y):
            pen = "M"
        else:
            words.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L"
    return "".join(words)
