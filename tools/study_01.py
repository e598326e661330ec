"""The recording of lesson 01: `python -m tools.record 01_tv`."""

import torch

from dipcourse import degrade, images, priors
from tests import lesson_code
from tools.studies import recording


@recording("01_tv", preset="overfit")
def tv(preset):
    """Pixels with a TV prior, λ = 0.16: grey at first, they become the noisy face without noise."""
    x = images.load("face", size=preset.size)
    y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0), clip=False)
    restore = lesson_code.run("01", "restore", priors=priors, STEPS=200)["restore"]
    return restore(y, degrade.Identity(), 0.16, torch.full_like(x, 0.5), frames=20)
