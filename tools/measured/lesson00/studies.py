"""The recording of lesson 00: `python -m tools.measured record 00_overfit`."""

import torch

from dipcourse import degrade, fit, images
from tools.measured.recordings import recording

SIGMA = 25 / 255


def pictures(size, seed):
    """The clean photo and its noisy copy, as the lesson makes them with seed 0."""
    x = images.load("face", size=size)
    return x, degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(seed))


@recording("00_overfit", preset="overfit")
def overfit(preset):
    """The lesson's fit of the noisy face: first the face comes, then the noise."""
    _, y = pictures(preset.size, seed=0)
    net, z = preset.make(seed=0)
    return fit.fit(net, z, y, degrade.Identity(), **preset.fit, frames=30)
