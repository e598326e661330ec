"""The recordings of the live demo: `python -m tools.measured record 90_drawn 90_noisy`."""

from dipcourse import degrade, fit, images
from tools import lesson_code
from tools.measured.recordings import recording

SIDE = 128
DEMO = lesson_code.run("90", "scenes", sigma=25 / 255)


def fitted(preset, y, operator):
    net, z = preset.make(height=SIDE, width=SIDE, seed=0)
    return fit.fit(net, z, y, operator, **preset.fit, frames=24)


@recording("90_drawn", preset="inpaint")
def drawn(preset):
    """The face under the scribble of the demo."""
    operator = degrade.Mask(degrade.scribble_mask(SIDE, SIDE))
    return fitted(preset, operator(images.load("face", SIDE)), operator)


@recording("90_noisy", preset="overfit")
def noisy(preset):
    """The noisy face of the demo: first the face comes, then the noise."""
    return fitted(preset, DEMO["noisy"](images.load("face", SIDE)), degrade.Identity())
