"""The recording of lesson 00: `python -m tools.record 00_overfit`."""

import torch

from dipcourse import degrade, fit, images
from tools.studies import recording


@recording("00_overfit", preset="overfit")
def overfit(preset):
    """The lesson's fit of the noisy face: first the face comes, then the noise."""
    x = images.load("face", size=preset.size)
    y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0))
    net, z = preset.make(seed=0)
    return fit.fit(net, z, y, degrade.Identity(), **preset.fit, frames=30)
