"""A fit that is steered while it runs: run and pause, one step, start over, and two sliders.

There is no thread. The Play button in the page ticks five times a second; at each tick the kernel
makes as many steps as it can in a moment and draws. No page, no tick: closing it stops the fit.
"""

import copy
import math
import time
import weakref
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import ipywidgets as widgets
import torch
from torch import nn

from dipcourse import images, metrics
from dipcourse._interrupts import Watch
from dipcourse._palette import ORACLE
from dipcourse.fit import FitDiverged, Stepper, frame_steps
from dipcourse.history import History
from dipcourse.live.base import PAUSE, LivePanel, error_text
from dipcourse.live.sight import PLAIN, STAGE, view

INTERVAL = 200  # milliseconds from tick to tick
BUDGET = 0.15  # seconds of steps at a tick; the rest is for drawing
READY = "ready: ▶ runs it"
STOPPED = "stopped by the kernel's stop button"
# A Play widget has ▶ ❚❚ ■ in ipywidgets 7, of which ▶ or ❚❚ is of use, and ▶ ■ in ipywidgets 8,
# where ▶ becomes ❚❚. One button is left: ■ would go on at the next ▶, which nobody expects.
STYLE = """<style>
.dipcourse-fit .widget-play { width: auto; }
.dipcourse-fit .widget-play button { min-width: 6em; }
.dipcourse-fit .widget-play button:nth-last-child(2),
.dipcourse-fit .widget-play button.mod-active,
.dipcourse-fit .widget-play button:disabled { display: none; }
.dipcourse-fit .fa-play::after { content: "Run"; }
.dipcourse-fit .fa-pause::after { content: "Pause"; }
.dipcourse-fit .widget-play i::after {
    margin-left: 0.5em; font-family: system-ui, sans-serif; font-weight: normal;
}
.dipcourse-stage button.jupyter-button {
    width: auto; height: auto; font-size: 18pt; line-height: 1.6; padding: 0 0.8em;
}
</style>"""

_panels: "weakref.WeakSet[FitPanel]" = weakref.WeakSet()


class FitPanel(LivePanel):
    """A fit with buttons and sliders. Made by ``fit_panel``.

    Attributes:
        history: the steps so far as a History, or None before the first one.
        k: number of steps so far.
        html: what the panel shows below its controls.

    Built in lesson 02 (used).
    """

    def __init__(
        self,
        net: nn.Module,
        z: torch.Tensor | None,
        y: torch.Tensor,
        operator: nn.Module,
        *,
        reference: torch.Tensor | None,
        steps: int,
        lr: float,
        jitter: float,
        frames: int,
        stage: bool,
        **settings: Any,
    ) -> None:
        _require_reference(reference, operator, y)
        self._net, self._home = net, next(net.parameters()).device
        self._start = copy.deepcopy(net.state_dict())
        self._keep = frame_steps(steps, frames)
        self._make = partial(Stepper, net, z, y, operator, frames=len(self._keep), **settings)
        self._y, self._reference, self._hidden = y, reference, _hidden(operator)
        self._limit = steps
        self._stage = stage
        self._busy = self._late = False
        self.sliders = {"lr": _lr_slider(lr)}
        if z is not None:
            self.sliders["jitter"] = _jitter_slider(jitter)
        elif jitter:
            raise ValueError(f"jitter={jitter} needs an input z to be added to; with pixels use 0")
        self.play = widgets.Play(min=0, max=10**6, interval=INTERVAL, show_repeat=False)
        self._playing = "playing" if self.play.has_trait("playing") else "_playing"  # ipywidgets 7
        one_step = self._button("One step", self.step)
        start_over = self._button("Start over", self.restart)
        buttons = [self.play, one_step, start_over]
        controls = list(self.sliders.values())
        if stage:
            buttons, controls = [self.play, start_over], []
        row = widgets.HBox(buttons, layout={"flex_flow": "row wrap"})
        super().__init__(
            [widgets.HTML(STYLE, layout={"display": "none"}), row, *controls],
            alt="a panel with a fit: run, pause, start over",
        )
        self._box.add_class("dipcourse-fit")
        if stage:
            self._box.add_class("dipcourse-stage")
        self._watch = Watch(self._loop, self._is_playing, self._end_by_interrupt)
        self._renew()
        self._draw(READY)
        self.play._view_count = 0  # from now on the page counts
        self.play.observe(self._ticked, names="value")
        self.play.observe(self._switched, names=self._playing)
        self.play.observe(self._viewed, names="_view_count")
        for other in _panels:
            other.pause()
        _panels.add(self)

    @property
    def k(self) -> int:
        return self._stepper.k

    @property
    def history(self) -> History | None:
        if self._diverged or not self.k:
            return self._diverged
        self._net.to(self._stepper.device)
        history = self._stepper.history(planned=self._limit)
        self._net.to(self._home)
        history.seconds = self._seconds
        history.settings["changes"] = list(self._changes)
        return history

    def pause(self) -> None:
        """Stand still; "Run" goes on."""
        setattr(self.play, self._playing, False)

    def step(self) -> None:
        """Pause and make one step."""
        self.pause()
        self._advance(budget=0)

    def restart(self) -> None:
        """Begin again with the parameters that net had at first, and the sliders where they are."""
        try:
            self._renew()
        except Exception as error:
            self._fail(error)
        else:
            self._draw("running" if self._is_playing() else READY)

    def _button(self, description: str, work: Callable[[], None]) -> widgets.Button:
        button = widgets.Button(description=description, layout={"width": "auto"})
        button.on_click(lambda _: self._in_main_thread(work))
        return button

    def _renew(self) -> None:
        self._net.load_state_dict(self._start)
        self._used = {name: slider.value for name, slider in self.sliders.items()}
        self._stepper = self._make(**self._used)
        self._losses: list[float] = []
        self._quality: list[tuple[float, ...]] = []
        self._changes: list[list[object]] = []  # [step, name of a slider, its value]
        self._diverged: History | None = None
        self._seconds, self._error = 0.0, ""

    def _ticked(self, change: Any) -> None:
        if change.new == 0:  # ■, where a page does not hide it
            self.pause()
        elif self._busy:
            self._late = True  # of the ticks that come meanwhile, one waits
        else:
            self._busy = True
            self._in_main_thread(partial(self._run, self._elsewhere()))

    def _run(self, asked_from_elsewhere: bool) -> None:
        with self._watch.tick():
            if self._is_playing():
                self._advance(BUDGET)
        if asked_from_elsewhere and self._loop is not None:  # leave waiting cells a gap
            self._loop.call_later(PAUSE, self._rest)
        else:
            self._rest()

    def _rest(self) -> None:
        self._busy, self._late = self._late, False
        if self._busy:
            self._run(asked_from_elsewhere=True)
        else:
            self._watch.between_ticks()

    def _is_playing(self) -> bool:
        return getattr(self.play, self._playing)

    def _end_by_interrupt(self) -> None:
        self.pause()
        self._draw(STOPPED)

    def _switched(self, change: Any) -> None:
        if change.new:
            for other in _panels - {self}:
                other.pause()
        else:
            self._in_main_thread(partial(self._draw, "paused"))
        self._watch.between_ticks()

    def _viewed(self, change: Any) -> None:
        if change.old:  # the output was cleared, or the page was loaded anew: nothing ticks
            self.pause()

    def _advance(self, budget: float) -> None:
        start, self._error = time.perf_counter(), ""
        try:
            self._net.to(self._stepper.device)
            self._listen()
            with self._watch.work():
                self._losses += advance(self._stepper, self._limit, self._keep, budget)
            self._seconds += time.perf_counter() - start
            self._measure()
        except FitDiverged as error:
            self._diverged = error.history
            self._fail(error)
        except KeyboardInterrupt:
            self._end_by_interrupt()
        except Exception as error:
            self._fail(error)
        else:
            if self.k < self._limit:
                self._draw("running" if self._is_playing() else "paused")
            else:
                self.pause()
                self._draw("finished")

    def _listen(self) -> None:
        """Let sliders act that were moved."""
        for name, slider in self.sliders.items():
            if math.isclose(slider.value, self._used[name]):
                continue
            self._used[name] = slider.value
            self._changes.append([self.k, name, slider.value])
            if name == "jitter":
                self._stepper.jitter = slider.value
            else:
                for group in self._stepper.optimizer.param_groups:
                    group["lr"] = slider.value

    def _measure(self) -> None:
        if self._reference is None:
            return
        pictures = [self._stepper.output]
        if not self._stage:
            pictures.append(self._stepper.mean)
        decibels = [metrics.psnr(x.clamp(0, 1), self._reference, self._hidden) for x in pictures]
        self._quality.append((self.k, *decibels))

    def _draw(self, state: str) -> None:
        if self._error:  # stays until the next step
            self.html = self._error
            return
        words = [f"step {self.k} of {self._limit}", state]
        if self._losses:
            words.insert(1, f"loss {self._losses[-1]:.5f}")
            words.insert(2, f"{len(self._losses) / max(self._seconds, 1e-9):.0f} steps a second")
        note = " · ".join(words)
        look = STAGE if self._stage else PLAIN
        given = {"y: what the fit gets": self._y}
        if not self.k:
            self.html = view(note, given, look=look)
            return
        if not self._is_playing() and self.play._view_count > 1:
            # it then stops itself at once: ipywidgets' own fault
            note += " · if ▶ stops at once, clear the panel's other outputs"
        made = {"output": self._stepper.output}
        if not self._stage:
            made["running mean"] = self._stepper.mean
        titles = list(made)
        if self._quality:
            where = ", on hidden pixels" if self._hidden is not None else ""
            titles = [
                f"{title}: {decibel:.1f} dB{where} ({ORACLE})"
                for title, decibel in zip(made, self._quality[-1][1:], strict=True)
            ]
        pictures = given | dict(zip(titles, made.values(), strict=True))
        self.html = view(note, pictures, self._losses, self._quality, look)

    def _fail(self, error: Exception) -> None:
        self._error = error_text(
            error, f"The fit broke off at step {self.k}. “Start over” begins anew."
        )
        self.pause()
        self._draw("broken off")


def fit_panel(
    net: nn.Module,
    z: torch.Tensor | None,
    y: torch.Tensor,
    operator: nn.Module,
    *,
    reference: torch.Tensor | None = None,
    steps: int = 2000,
    lr: float = 0.01,
    jitter: float = 0.0,
    frames: int = 60,
    stage: bool = False,
    **settings: Any,
) -> FitPanel:
    """Show a fit that you start, pause and steer while you watch it, beside y.

    "Run" starts it, the same button pauses it, and "Start over" goes back to step 0. Sliders for
    the learning rate and the jitter act at once. A fit runs while its panel is on the page, one
    panel at a time: a new one pauses the others. The kernel's stop button pauses it, too.

    Args:
        net, z, y, operator: as for ``fit.fit``. The parameters of net are changed in place;
            "Start over" brings back those that it has now.
        reference: the clean image, tensor (1, C, H, W): the panel then gives the PSNR, over the
            hidden pixels alone if the operator has some. The fit does not see it. None: no PSNR.
        steps: the fit ends by itself after so many.
        lr: learning rate at the start.
        jitter: standard deviation at the start of the noise that is added to z.
        frames: how many outputs a fit of all steps keeps, early ones densely.
        stage: for a lecture hall: pictures of 400 pixels and text of 18 points, y and the output
            alone, no sliders.
        settings: other arguments of ``fit.Stepper``, such as prior, optimizer, window, holdout.

    Returns:
        A FitPanel. ``panel.history`` is the History of the steps so far, None before the first:
        for ``player.iterations`` and the stopping rules. Its settings list under "changes" the
        step, name and value of each change by a slider.

    Raises:
        ValueError, MemoryError: as for ``fit.fit``. What goes wrong later is shown in the panel.

    Built in lesson 02 (used).

    >>> import torch
    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 16, 16), 0.5)
    >>> panel = fit_panel(nets.PixelImage(torch.zeros_like(y)), None, y, degrade.Identity())
    >>> panel.step()
    >>> len(panel.history.loss)
    1
    """
    panel = FitPanel(
        net,
        z,
        y,
        operator,
        reference=reference,
        steps=steps,
        lr=lr,
        jitter=jitter,
        frames=frames,
        stage=stage,
        **settings,
    )
    panel.show()
    return panel


def advance(
    stepper: Stepper,
    limit: int,
    keep: Collection[int],
    budget: float,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Make steps until the time is used up: at least one, unless the limit is reached.

    Args:
        stepper: a ``fit.Stepper``.
        limit: number of steps at which the fit ends.
        keep: set of steps whose outputs become frames.
        budget: seconds.
        clock: function that gives the time in seconds.

    Returns:
        List of the losses.

    Raises:
        FitDiverged: as ``fit.fit``.

    Built in lesson 02 (used).
    """
    end, losses = clock() + budget, []
    while stepper.k < limit:
        stepper.step()
        losses.append(stepper.look())
        if stepper.k - 1 in keep:
            stepper.snapshot()
        if clock() >= end:
            break
    return losses


def _require_reference(
    reference: torch.Tensor | None, operator: nn.Module, y: torch.Tensor
) -> None:
    if reference is None:
        return
    images.require(reference, "the reference")
    with torch.no_grad():
        shape = tuple(operator(reference).shape)
    if shape != tuple(y.shape):
        raise ValueError(
            f"A(reference) has shape {shape}, y {tuple(y.shape)}: the reference is the clean "
            "picture of which y is the measurement"
        )


def _hidden(operator: nn.Module) -> torch.Tensor | None:
    """Where the operator hides pixels: tensor (1, 1, H, W), or None."""
    mask = getattr(operator, "mask", None)
    return None if mask is None or mask.all() else 1 - mask


def _lr_slider(lr: float) -> widgets.FloatLogSlider:
    if not 0 < lr < math.inf:
        raise ValueError(f"lr={lr}: use a learning rate above 0")
    middle = math.log10(lr)
    return widgets.FloatLogSlider(
        value=lr, min=middle - 2, max=middle + 2, step=0.1, readout_format=".2g", **_look("lr")
    )


def _jitter_slider(jitter: float) -> widgets.FloatSlider:
    if not 0 <= jitter < math.inf:
        raise ValueError(f"jitter={jitter}: use a standard deviation of at least 0")
    top = max(0.1, 3 * jitter)
    return widgets.FloatSlider(
        value=jitter, min=0, max=top, step=top / 30, readout_format=".3f", **_look("jitter")
    )


def _look(name: str) -> dict[str, object]:
    names = {"lr": "learning rate", "jitter": "jitter of z"}
    return {
        "description": names[name],
        "style": {"description_width": "90px"},
        "layout": widgets.Layout(width="95%", max_width="560px"),
    }
