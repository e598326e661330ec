"""Delft's experiment, for lesson 09: half of the pixels, and the authors' settings for that.

python -m tools.measured record 09_delft 09_delft_still 09_delft_guard 09_delft_large     hours
python -m tools.measured tables 09_delft_meter

The picture is smaller than theirs (128² in place of 512²), so that a CPU can do it: a brick wall,
for a texture as in their photo of a woman in striped cloth. All is in float32, as theirs.
"""

import math
from dataclasses import replace
from functools import cache

import torch

from dipcourse import fit, images, metrics, presets, recordings
from tools.measured import long
from tools.measured.damage import damaged
from tools.measured.lesson09 import studies as drops
from tools.measured.recordings import recording
from tools.measured.tables import table

SIDE = 128
JITTER, RATE = 0.03, 0.001  # theirs
FALL = 5  # dB from one step to the next: the authors' guard goes back
EVERY = 500  # steps between two frames
BEGIN = 100  # the first steps of a fit are unsteady for other reasons
SHORT = 3000  # steps of the fits without jitter
SPAN = 20  # steps, of whose PSNR the lowest is kept


class Guarded(torch.optim.Adam):
    """Adam behind the authors' guard, as it acts on a GPU: weights go back, the step is made.

    It also stands in for the ``Rollback`` of a Stepper, for there it sees the loss of each step.
    """

    psnr = last = -math.inf
    saved: list[torch.Tensor] | None = None

    def __init__(self, *given, **settings):
        super().__init__(*given, **settings)
        self.used = 0

    def accepts(self, loss, give_up):
        self.psnr = -10 * math.log10(loss.item())
        return True

    @torch.no_grad()
    def step(self, closure=None):
        weights = self.param_groups[0]["params"]
        if self.psnr < self.last - FALL:
            for live, kept in zip(weights, self.saved, strict=True):
                live.copy_(kept)
            self.used += 1
        else:
            self.saved = [live.clone() for live in weights]
            self.last = self.psnr
        super().step()


@cache
def photo(side):
    return images.load("brick", side)


def begin(preset, side=SIDE, jitter=JITTER, optimizer="adam"):
    """The fit before its first step."""
    y, operator = damaged("inpaint", photo(side))
    net, z = replace(preset, size=side).make(channels=1, seed=0)
    exact = {"precision": "float32", "device": "cpu", "threads": 1}
    settings = {"lr": RATE, "jitter": jitter, "optimizer": optimizer}
    stepper = fit.Stepper(net, z, y, operator, **settings, **exact)
    stepper.quality = []
    return stepper


def note_quality(stepper):
    """The PSNR of the whole picture: the poster's measure."""
    stepper.quality.append(metrics.psnr(stepper.output, photo(stepper.y.shape[2])))


def followed(name, steps, start):
    """The History of a fit, with the lowest PSNR of each so many steps in its settings."""
    keep = range(EVERY - 1, steps, EVERY)
    stepper = long.go_on(name, start, steps, keep, after_step=note_quality)
    history = stepper.history()
    lows = [min(stepper.quality[k : k + SPAN]) for k in range(0, steps, SPAN)]
    history.settings["lowest PSNR"] = [round(low, 2) for low in lows]
    history.settings["guard used"] = getattr(stepper.optimizer, "used", None)
    return history


@recording("09_delft", preset="inpaint", scale="paper")
def delft(preset):
    """Half of a brick wall at 128², the paper's network and settings, 11,000 steps."""
    return followed("09_delft", preset.fit["steps"], lambda: begin(preset))


@recording("09_delft_still", preset="inpaint", scale="paper")
def still(preset):
    """The same without jitter, 3,000 steps."""
    return followed("09_delft_still", SHORT, lambda: begin(preset, jitter=0))


@recording("09_delft_guard", preset="inpaint", scale="paper")
def guarded(preset):
    """The same without jitter, behind the authors' guard, 1,500 steps."""

    def start():
        stepper = begin(preset, jitter=0, optimizer=Guarded)
        stepper.rollback = stepper.optimizer
        return stepper

    return followed("09_delft_guard", SHORT // 2, start)


@recording("09_delft_large", preset="inpaint", scale="paper")
def large(preset):
    """The fit with jitter again, at 256², its first 1,000 steps."""
    return followed("09_delft_large", SHORT // 3, lambda: begin(preset, side=2 * SIDE))


@table("09_delft_meter", key=("step",))
def meter(table):
    """The curvature that Adam sees, in units of its limit, around the first drop without jitter."""
    fall = drops.falls(recordings.load("09_delft_still").loss, after=BEGIN)[0]
    stepper = begin(presets.get("inpaint", "paper"), jitter=0)
    while stepper.k < fall - 24:
        stepper.step()
    direction = drops.start_of_iteration(drops.LESSON["diagonal"](stepper))
    for turns in (20, *[6] * 8):
        reading, direction = drops.LESSON["meter"](stepper, direction, turns)
        table.add(
            {"step": stepper.k, "from the drop": stepper.k - fall, "meter": round(reading, 3)}
        )
        for _ in range(4):
            stepper.step()
