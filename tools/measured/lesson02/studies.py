"""The recording of lesson 02: `python -m tools.measured record 02_photo`."""

from dipcourse import degrade, fit, images
from tools.measured.recordings import recording


@recording("02_photo", preset="curves")
def photo(preset):
    """A network with random weights draws the clean face, ten times as long as in the lesson."""
    x = images.load("face", size=preset.size)
    net, z = preset.make(seed=0)
    return fit.fit(net, z, x, degrade.Identity(), **preset.fit | {"steps": 2000, "frames": 30})
