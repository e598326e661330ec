"""The recordings of lesson 03: `python -m tools.measured record 03_photo 03_pixels 03_noise`."""

import torch

from dipcourse import degrade, fit, images
from tools.measured.recordings import recording


def fitted(preset, y):
    """The fit of the lesson to a target."""
    net, z = preset.make(seed=0)
    return fit.fit(net, z, y, degrade.Identity(), **preset.fit, frames=20)


@recording("03_photo", preset="curves")
def photo(preset):
    """The clean face, drawn quickly."""
    return fitted(preset, images.load("face", preset.size))


@recording("03_pixels", preset="curves")
def pixels(preset):
    """The same face with its pixels shuffled: the same colours, drawn slowly."""
    x, generator = images.load("face", preset.size), torch.Generator().manual_seed(0)
    return fitted(preset, degrade.shuffle_pixels(x, "pixels", generator))


@recording("03_noise", preset="curves")
def noise(preset):
    """Uniform noise, drawn most slowly."""
    generator = torch.Generator().manual_seed(0)
    return fitted(preset, torch.rand(1, 3, preset.size, preset.size, generator=generator))
