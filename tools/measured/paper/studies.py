"""The paper's network near the paper's size: `python -m tools.measured record 04_paper`; hours.

Lessons 04 to 06 play these fits beside their own, which are smaller. An interrupted one goes on
where it was.
"""

from dataclasses import replace

import torch

from dipcourse import degrade, fit, images
from tools.measured import long
from tools.measured.recordings import recording

SIDE, STEPS, FRAMES = 256, 3000, 24
SIGMA = 25 / 255


def photo():
    return images.load("astronaut", SIDE)


def noisy():
    return degrade.add_noise(photo(), SIGMA, generator=torch.Generator().manual_seed(0))


def fitted(name, preset, y, operator):
    """The fit of a preset's network with a preset's settings, from seed 0."""
    settings = {key: value for key, value in preset.fit.items() if key != "steps"}

    def begin():
        net, z = replace(preset, size=SIDE).make(seed=0)
        return fit.Stepper(net, z, y, operator, **settings)

    return long.go_on(name, begin, STEPS, FRAMES)


@recording("04_paper", preset="denoise", scale="paper")
def denoised(preset):
    """Denoising at 256², σ = 25/255, with the paper's network and settings, 3,000 steps."""
    return fitted("04_paper", preset, noisy(), degrade.Identity())
