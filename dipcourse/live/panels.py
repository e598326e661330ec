"""Sliders above a picture that follows them."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import ipywidgets as widgets
import numpy as np
import torch

from dipcourse import show
from dipcourse._html.shown import Shown
from dipcourse.live.base import PAUSE, LivePanel, error_text

Render = Callable[..., torch.Tensor | Shown]


class Panel(LivePanel):
    """Sliders above a picture that follows them. Made by ``panel``.

    Attributes:
        values: dict of name → where the slider stands now.
        value: the same for a panel with a single slider.
        html: the picture as it is now, an ``<img>`` with alt text.

    Built in lesson 01.
    """

    def __init__(self, render: Render, controls: Mapping[str, widgets.Widget]) -> None:
        self.controls = controls
        self._render = render
        self._waiting = False
        super().__init__(controls.values(), alt=f"a panel with sliders: {', '.join(controls)}")
        self.html = self._drawing().html
        for control in controls.values():
            control.observe(self._changed, names="value")

    @property
    def values(self) -> dict[str, Any]:
        return {name: control.value for name, control in self.controls.items()}

    @property
    def value(self) -> Any:
        if len(self.controls) > 1:
            raise ValueError(f"this panel has several sliders, {list(self.controls)}: use .values")
        return next(iter(self.values.values()))

    def _drawing(self) -> Shown:
        made = self._render(**self.values)
        if isinstance(made, Shown):
            return made
        if not isinstance(made, torch.Tensor):
            raise ValueError(
                f"the function returned a {type(made).__name__}: return a picture tensor "
                "(1, C, H, W), or show.images(..., display=False)"
            )
        title = ", ".join(f"{c.description} = {c.value!s:.6}" for c in self.controls.values())
        return show.images({title: made}, display=False)

    def _changed(self, change: object) -> None:
        """Ask for a drawing. One that waits already will read the newest values."""
        if self._waiting:
            return
        self._waiting = True
        self._in_main_thread(self._draw, wait=PAUSE)

    def _draw(self) -> None:
        self._waiting = False  # from here on, a change asks for another drawing
        try:
            self.html = self._drawing().html
        except Exception as error:
            self.html = error_text(error)


def panel(render: Render, **sliders: object) -> Panel:
    """Show sliders above the picture that ``render`` makes of their values.

    Args:
        render: a function of the sliders' values, by name. It returns a picture tensor
            (1, C, H, W), or a figure: ``show.images(..., display=False)``. It keeps no state:
            it is called whenever a slider has moved, and steps of a fast drag may be left out.
        sliders: for each argument of ``render`` one of: (lowest, highest) or
            (lowest, highest, step), whole numbers or floats, starting at the lowest; a list of
            values, starting at the first; a dict of label → value; a ready ipywidgets control.

    Returns:
        A Panel: ``panel.values`` is where the sliders stand.

    Raises:
        ValueError: no slider, something that makes no slider, or other names than ``render`` has.
        Exception: what ``render`` raises for the first picture. Later errors are shown in the
            panel.

    Built in lesson 01.

    >>> panel(lambda grey: torch.full((1, 1, 8, 8), grey), grey=(0.0, 1.0, 0.1)).value
    0.0
    """
    if not sliders:
        raise ValueError("no sliders: give one for each argument of the function")
    try:
        inspect.signature(render).bind(**sliders)
    except TypeError as error:
        raise ValueError(f"the sliders {list(sliders)} do not fit the function: {error}") from None
    made = Panel(render, {name: control(name, spec) for name, spec in sliders.items()})
    made.show()
    return made


def control(name: str, spec: object) -> widgets.Widget:
    """The widget for one slider."""
    look: dict[str, object] = {
        "description": name,
        "style": {"description_width": "initial"},
        "layout": widgets.Layout(width="95%", max_width="560px"),
    }
    if isinstance(spec, widgets.Widget):
        spec.description = spec.description or name
        return spec
    if isinstance(spec, dict | list) and spec:
        options = list(spec.items()) if isinstance(spec, dict) else [(str(o), o) for o in spec]
        return widgets.SelectionSlider(options=options, **look)
    if not _is_range(spec):
        raise ValueError(
            f"{name}={spec!r} makes no slider: use (lowest, highest), (lowest, highest, step), "
            "a list of values, or an ipywidgets control"
        )
    if all(isinstance(number, int | np.integer) for number in spec):
        low, high, step = (*map(int, spec), 1)[:3]
        return widgets.IntSlider(value=low, min=low, max=high, step=step, **look)
    return _float_slider(look, *map(float, spec))


def _float_slider(
    look: dict[str, object], low: float, high: float, step: float | None = None
) -> widgets.FloatSlider:
    """A slider with a hundred steps if none is given; it shows as many digits as a step has."""
    step = step or (high - low) / 100
    digits = max(0, math.ceil(-math.log10(step) - 1e-9))
    shown = {"readout_format": f".{digits}f", **look}
    return widgets.FloatSlider(value=low, min=low, max=high, step=step, **shown)


def _is_range(spec: object) -> TypeGuard[tuple[float, ...]]:
    """(lowest, highest), perhaps with a step above 0 behind them."""
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        return False
    if not all(isinstance(n, int | float | np.number) and math.isfinite(n) for n in spec):
        return False
    return spec[0] < spec[1] and (*spec, 1)[2] > 0
