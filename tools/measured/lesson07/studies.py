"""The study of lesson 07: rules that stop a fit, on several photos.

OMP_NUM_THREADS=1 python -m tools.measured tables 07_stopping
"""

from itertools import product

import torch

from dipcourse import degrade, images, metrics, presets, stopping
from tools import lesson_code
from tools.measured.tables import table

PHOTOS = ("face", "chelsea", "coffee", "rocket")
NOISE = (25, 50)  # grey levels
SEEDS = (0, 1, 2)
SHARE = 0.05  # of the pixels are held out
WINDOW, PATIENCE, WARM_UP = 20, 60, 30  # steps; ES-WMV's 100 and 1000 are for long fits

PRESET = presets.get("overfit")
CELLS = ("build-denoise", "build-rules", "build-level", "build-mean")
#: the very code of the lesson
LESSON = lesson_code.run("07", *CELLS, preset=PRESET, left_out=None, WINDOW=WINDOW)
at = LESSON["at"]
held_out_mean = LESSON["held_out_mean"]


def noisy(photo, grey_levels, seed):
    """The clean photo, its noisy version and the mask of the pixels that are held out."""
    generator = torch.Generator().manual_seed(seed)
    x = images.load(photo, size=PRESET.size)
    y = degrade.add_noise(x, grey_levels / 255, generator=generator)
    return x, y, degrade.random_mask(*x.shape[2:], SHARE, generator)


def denoise(y, seed, holdout=None, model=None, **settings):
    """The lesson's fit, with this seed; model: (network, z) in place of the preset's."""
    return LESSON["denoise"](y, model or PRESET.make(seed=seed), holdout=holdout, **settings)


def level(history, sigma):
    """The standard deviation of clipped noise, estimated on the fit's own picture."""
    return LESSON["measured_level"](history, sigma, seed=0)


def psnr_at(history, step, x, mean=False):
    return metrics.psnr(at(history, step, mean), x)


def rules(whole, part, y, holdout, sigma):
    """{rule: (history, step)}; the fit `part` was made without the held-out pixels.

    "again": the step that the pixels held out of one fit have chosen, in the fit of all pixels.
    """
    chosen = stopping.held_out(part, PATIENCE)
    chosen_mean = held_out_mean(part, y, holdout)
    return {
        "sigma": (whole, stopping.discrepancy(whole, sigma)),
        "level": (whole, stopping.discrepancy(whole, level(whole, sigma))),
        "variance": (whole, stopping.windowed_variance(whole, PATIENCE, WARM_UP)),
        "held out": (part, chosen),
        "held out, again": (whole, chosen),
        "mean, held out": (part, chosen_mean),
        "mean, held out, again": (whole, chosen_mean),
    }


def stopping_row(photo, grey_levels, seed):
    """What each rule loses against the oracle of the plain fit, in dB."""
    x, y, holdout = noisy(photo, grey_levels, seed)
    whole, part = denoise(y, seed), denoise(y, seed, holdout)
    best = {mean: stopping.oracle(whole, x, mean) for mean in (False, True)}
    top = {mean: psnr_at(whole, best[mean], x, mean) for mean in (False, True)}
    row = {"photo": photo, "noise": grey_levels, "seed": seed}
    row |= {"best": top[False], "best step": best[False]}
    row |= {"best mean": top[True], "best mean step": best[True]}
    row |= {"end": psnr_at(whole, len(whole.loss) - 1, x)}
    row |= {"end mean": psnr_at(whole, len(whole.loss) - 1, x, mean=True)}
    for rule, (history, step) in rules(whole, part, y, holdout, grey_levels / 255).items():
        mean = "mean" in rule
        row[f"{rule} step"] = step
        row[f"{rule} loss"] = round(top[mean] - psnr_at(history, step, x, mean), 3)
    step = row["mean, held out step"]
    both = (at(history, step, mean=True) for history in (whole, part))
    row["mean of both loss"] = round(top[True] - metrics.psnr(sum(both) / 2, x), 3)
    return row


@table("07_stopping", key=("photo", "noise", "seed"))
def stopping_rules(table):
    """What each rule loses against the best step: photos, noise levels, seeds."""
    table.fill(product(PHOTOS, NOISE, SEEDS), stopping_row)
