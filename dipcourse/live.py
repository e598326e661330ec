"""Panels that need the kernel: sliders, a fit to steer while it runs, damage, a mask to draw.

A panel works with ipywidgets 7.7.1 and 8. Slider and picture are plain widgets; the picture is an
``<img>`` with alt text. What only shows finished frames is ``player.iterations``, which lives on
without a kernel.
"""

import inspect
import math

import ipywidgets as widgets
import numpy as np
import torch

from dipcourse import degrade, images, metrics, show
from dipcourse._display import Shown
from dipcourse._live import PAUSE, LivePanel, error_text
from dipcourse._numbers import as_float
from dipcourse.draw import draw_mask
from dipcourse.live_fit import fit_panel

__all__ = [
    "crop",
    "damage",
    "damage_panel",
    "difference",
    "draw_mask",
    "fit_panel",
    "iterations",
    "panel",
    "spectrum",
]


class Panel(LivePanel):
    """Sliders above a picture that follows them. Made by ``panel``.

    Attributes:
        values: dict of name → where the slider stands now.
        value: the same for a panel with a single slider.
        html: the picture as it is now, an ``<img>`` with alt text.

    Built in lesson 01.
    """

    def __init__(self, render, controls):
        self.controls = controls
        self._render = render
        self._waiting = False
        super().__init__(controls.values(), alt=f"a panel with sliders: {', '.join(controls)}")
        self.html = self._drawing().html
        for control in controls.values():
            control.observe(self._changed, names="value")

    @property
    def values(self):
        return {name: control.value for name, control in self.controls.items()}

    @property
    def value(self):
        if len(self.controls) > 1:
            raise ValueError(f"this panel has several sliders, {list(self.controls)}: use .values")
        return next(iter(self.values.values()))

    def _drawing(self):
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

    def _changed(self, change):
        """Ask for a drawing. One that waits already will read the newest values."""
        if self._waiting:
            return
        self._waiting = True
        self._in_main_thread(self._draw, wait=PAUSE)

    def _draw(self):
        self._waiting = False  # from here on, a change asks for another drawing
        try:
            self.html = self._drawing().html
        except Exception as error:
            self.html = error_text(error)


def panel(render, **sliders):
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
    made = Panel(render, {name: _control(name, spec) for name, spec in sliders.items()})
    made.show()
    return made


def iterations(history, views=None, reference=None, mean=False):
    """Show a slider over the kept steps of a fit, with views that the kernel computes.

    Args:
        history: a History.
        views: dict of title → function of a frame (1, C, H, W) that returns a picture
            (1, C', H', W'), such as ``live.spectrum()``. None: spectrum and enlarged centre,
            and the difference from the reference if there is one.
        reference: the clean image, tensor (1, C, H, W), for PSNR and the difference.
        mean: True shows the running means instead of single outputs.

    Returns:
        A Panel: ``panel.value`` is the step chosen.

    Raises:
        ValueError: the reference is not a picture of the frames' size.

    Built in lesson 02.

    >>> from dipcourse.history import History
    >>> frames, last = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8)
    >>> history = History(np.ones(9), np.array([0, 8]), frames, frames, last, last, 0.1)
    >>> iterations(history, {"spectrum": spectrum()})
    a panel with sliders: step
    """
    height, width = history.frames.shape[2:]
    if views is None:
        side = max(min(height, width) // 4, images.SMALLEST)
        views = {
            "spectrum, low frequencies in the middle": spectrum(),
            "centre, enlarged": crop((height - side) // 2, (width - side) // 2, side),
        }
        if reference is not None:
            views = {"difference from the reference (grey: 0)": difference(reference), **views}

    def render(step):
        frame = history.frame(history.nearest(step), mean=mean)
        title = history.titled(f"mean up to step {step}" if mean else f"step {step}")
        if reference is not None:
            title += f", {metrics.psnr(frame, reference):.1f} dB"
        pictures = {title: frame, **{name: view(frame) for name, view in views.items()}}
        return show.images(pictures, display=False)

    return panel(render, step=[int(step) for step in history.steps])


def difference(reference, limit=0.2):
    """A view: frame minus reference, drawn so that 0 is grey, −limit black and +limit white.

    Args:
        reference: tensor (1, C, H, W).
        limit: the difference drawn white, in units of [0, 1].

    Returns:
        A function from a tensor (1, C, H, W) to a tensor (1, C, H, W).

    Raises:
        ValueError: the reference is no picture in [0, 1], or the limit is not between 0 and 1.

    Built in lesson 02.

    >>> x = torch.rand(1, 3, 8, 8)
    >>> difference(x)(x).unique()
    tensor([0.5000])
    """
    images.require(reference, "the reference")
    if not 0 < as_float(limit) <= 1:
        raise ValueError(f"limit={limit!r}: give it in [0, 1] units, 50 grey levels are 50/255")

    def view(frame):
        difference = images.require(frame, "the frame") - reference
        return (0.5 + difference / (2 * limit)).clamp(0, 1)

    return view


def spectrum(decades=4):
    """A view: the logarithm of the Fourier amplitudes, frequency 0 in the middle.

    Args:
        decades: how many powers of ten lie between black and white; an amplitude of a tenth
            (per pixel, in units of [0, 1]) is white for every frame.

    Returns:
        A function from a tensor (1, C, H, W) to a tensor (1, 1, H, W).

    Raises:
        ValueError: (by the function) the frame is no picture in [0, 1].

    Built in lesson 02.

    >>> spectrum()(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 1, 8, 8])
    """

    def view(frame):
        images.require(frame, "the frame")
        size = frame.shape[2] * frame.shape[3]
        amplitude = torch.fft.fft2(frame.float()).abs().mean(1, keepdim=True) / size
        logarithm = torch.fft.fftshift(amplitude, dim=(2, 3)).clamp_min(1e-12).log10()
        return (1 + (logarithm + 1) / decades).clamp(0, 1)

    return view


def crop(top, left, size):
    """A view: a square cut out of the frame, to be seen enlarged.

    Args:
        top, left, size: first row, first column and side, in pixels.

    Returns:
        A function from a tensor (1, C, H, W), on any scale, to a tensor (1, C, size, size).

    Raises:
        ValueError: (by the function) the square leaves the picture, or a number is no whole one.

    Built in lesson 02.

    >>> crop(0, 8, 16)(torch.rand(1, 3, 32, 32)).shape
    torch.Size([1, 3, 16, 16])
    """
    return lambda frame: images.crop(frame, top, left, size)


class DamagePanel(Panel):
    """A choice of photo and damage, with y beside x. Made by ``damage_panel``.

    Attributes:
        x: tensor (1, C, H, W), the clean photo.
        y: tensor (1, C, h, w), what the damage leaves of it.
        operator: A of ``degrade``, which makes y from x (noise and JPEG apart).

    Built in lesson 00 (used).
    """

    def __init__(self, photos, size, seed):
        self._photos, self._size, self._seed = photos, size, seed
        look = {"style": {"description_width": "90px"}, "layout": {"max_width": "560px"}}
        photo = widgets.Dropdown(options=list(photos), description="photo", **look)
        kind = widgets.Dropdown(options=list(DAMAGE), description="damage", **look)
        strengths = {name: _control(*about) for name, about in DAMAGE.items()}
        for slider in strengths.values():
            slider.index = len(slider.options) // 2
        kind.observe(lambda change: self._show_only(change.new), names="value")
        super().__init__(self._draw_damage, {"photo": photo, "kind": kind, **strengths})
        self._show_only(kind.value)

    def _show_only(self, kind):
        """Of the sliders, only that of the damage that is chosen."""
        for name in DAMAGE:
            self.controls[name].layout.display = "flex" if name == kind else "none"

    def _draw_damage(self, photo, kind, **strengths):
        chosen = self._photos[photo]
        self.x = images.load(chosen, self._size) if isinstance(chosen, str) else chosen
        self.y, self.operator = damage(self.x, kind, strengths[kind], self._seed)
        label = f"y: {kind}, {self.controls[kind].description}: {strengths[kind]}"
        if isinstance(self.operator, degrade.Identity):
            label += f"; {metrics.psnr(self.y, self.x):.1f} dB"
        return show.images({"x: clean": self.x, label: self.y}, display=False)


#: Kind of damage → the name of its strength and the values offered.
DAMAGE = {
    "noise": ("σ in grey levels", [5, 10, 15, 25, 35, 50, 75, 100]),
    "missing pixels": ("hidden, in %", [10, 25, 50, 75, 90, 95, 98]),
    "text": ("height of the letters, in pixels", [8, 11, 14, 20, 30, 45]),
    "JPEG": ("quality", [90, 75, 50, 30, 20, 10, 5, 2]),
    "fewer pixels": ("factor", [2, 3, 4, 6, 8]),
}


def damage(x, kind, strength, seed=0):
    """Damage a picture in one of the five ways of the course.

    Args:
        x: tensor (1, C, H, W).
        kind: a key of ``live.DAMAGE``.
        strength: "noise": σ in grey levels; "missing pixels": per cent hidden; "text": height of
            the letters in pixels; "JPEG": quality; "fewer pixels": the factor.
        seed: of the noise and of the missing pixels.

    Returns:
        y, tensor (1, C, h, w), and the operator A of ``degrade`` for a fit.

    Raises:
        ValueError: x is no picture in [0, 1], an unknown kind, or a strength that does not exist
            or has another unit.

    Built in lesson 00 (used).

    >>> y, A = damage(torch.rand(1, 3, 16, 16), "fewer pixels", 2)
    >>> y.shape
    torch.Size([1, 3, 8, 8])
    """
    images.require(x)
    if kind in ("noise", "missing pixels") and not _is_amount(strength):
        raise ValueError(
            f"strength={strength!r}: give {DAMAGE[kind][0]}, such as {DAMAGE[kind][1][2]}"
        )
    generator = torch.Generator().manual_seed(seed)
    height, width = x.shape[2:]
    if kind == "noise":
        return degrade.add_noise(x, strength / 255, generator=generator), degrade.Identity()
    if kind == "JPEG":
        return degrade.jpeg(x, strength), degrade.Identity()
    if kind == "missing pixels":
        operator = degrade.Mask(degrade.random_mask(height, width, 1 - strength / 100, generator))
    elif kind == "text":
        operator = degrade.Mask(degrade.text_mask(height, width, size=strength))
    elif kind == "fewer pixels":
        operator = degrade.Downsample(strength)
    else:
        raise ValueError(f"kind={kind!r}: use one of {', '.join(DAMAGE)}")
    return operator(x), operator


def _is_amount(strength):
    """A number of grey levels or per cent: 0.1 or 0.5 would be a share of 1."""
    number = as_float(strength)
    return number == 0 or number >= 1


def damage_panel(photos=("face", "chelsea", "coffee", "brick", "page"), size=192, seed=0):
    """Choose a photo, a kind of damage and its strength, and see x and y side by side.

    Args:
        photos: names of ``images.PHOTOS`` or paths, or one of them; a tensor (1, C, H, W), or a
            dict of title → tensor.
        size: side in pixels of photos given by name. 192 fits all factors.
        seed: of the noise and of the missing pixels.

    Returns:
        A DamagePanel: ``panel.y`` and ``panel.operator`` go straight into a fit, and ``panel.x``
        is the clean photo.

    Raises:
        ValueError: no photo, or no picture in [0, 1]. FileNotFoundError: an unknown name.

    Built in lesson 00 (used).

    >>> damage_panel({"grey": torch.full((1, 1, 48, 48), 0.5)}).y.shape
    torch.Size([1, 1, 48, 48])
    """
    if isinstance(photos, torch.Tensor):
        photos = {"photo": images.require(photos, "the photo")}
    elif isinstance(photos, str):
        photos = (photos,)
    elif isinstance(photos, dict):
        for title, x in photos.items():
            images.require(x, f"the photo {title!r}")
    if not photos:
        raise ValueError("no photos: give names such as ('face', 'chelsea')")
    photos = dict(photos) if isinstance(photos, dict) else {str(name): str(name) for name in photos}
    made = DamagePanel(photos, size, seed)
    made.show()
    return made


def _control(name, spec):
    """The widget for one slider."""
    look = {
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
    low, high, step = (*map(float, spec), (spec[1] - spec[0]) / 100)[:3]
    digits = max(0, math.ceil(-math.log10(step) - 1e-9))
    look["readout_format"] = f".{digits}f"
    return widgets.FloatSlider(value=low, min=low, max=high, step=step, **look)


def _is_range(spec):
    numbers = isinstance(spec, tuple) and all(
        isinstance(n, int | float | np.number) and math.isfinite(n) for n in spec
    )
    return numbers and len(spec) in (2, 3) and spec[0] < spec[1] and (*spec, 1)[2] > 0
