"""The recording of lesson 01: `python -m tools.measured record 01_tv`."""

import torch

from dipcourse import degrade, images, priors
from tools import lesson_code
from tools.measured.recordings import recording

#: the very code of the lesson: restore(y, operator, weights, start), Blurred
LESSON = lesson_code.run("01", "restore", "build-blurred", priors=priors, STEPS=200)


def noisy(x, seed):
    """The raw values of the lesson's sensor: not clipped."""
    return degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(seed), clip=False)


@recording("01_tv", preset="overfit")
def tv(preset):
    """Pixels with a TV prior, λ = 0.16: grey at first, they become the noisy face without noise."""
    x = images.load("face", size=preset.size)
    grey = torch.full_like(x, 0.5)
    return LESSON["restore"](noisy(x, 0), degrade.Identity(), [0.16], grey, frames=20)[0.16]
