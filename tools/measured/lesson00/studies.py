"""What lesson 00 shows without a fit of the reader's own.

python -m tools.measured record 00_overfit             the recording
python -m tools.measured figures 00_curves 00_frames    the reference figures
"""

from functools import cache

import numpy as np
import torch

from dipcourse import degrade, fit, images, metrics, presets, show
from tools.measured.figures import figure
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


@cache
def run():
    """The lesson's fit with the frames that the lesson keeps, and its clean photo."""
    preset = presets.get("overfit", "laptop")
    x, y = pictures(preset.size, seed=0)
    net, z = preset.make(seed=0)
    return fit.fit(net, z, y, degrade.Identity(), **preset.fit), x


@figure("00_curves")
def draw_curves():
    """The lesson's curves; of the marks only the best step, since the reader's is not known."""
    history, x = run()
    single = [metrics.psnr(history.frame(i), x) for i in range(len(history))]
    average = [metrics.psnr(history.frame(i, mean=True), x) for i in range(len(history))]
    first = history.nearest(20)
    shown = history.steps[first:]
    return show.curves(
        {"single frame": (shown, single[first:]), "running mean": (shown, average[first:])},
        oracle=("single frame", "running mean"),
        ylabel="PSNR in dB",
        mark={"best step": history.steps[np.argmax(single)]},
        display=False,
    )


@figure("00_frames")
def draw_frames():
    """Four frames of the lesson's fit."""
    history, x = run()
    return show.strip(history, reference=x, count=4, display=False)
