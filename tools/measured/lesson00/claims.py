"""The numbers of lesson 00: the fit that overfits in sight, and its baselines."""

from functools import cache, partial

import numpy as np

from dipcourse import baselines, degrade, fit, metrics, presets
from tools import lesson_code
from tools.measured.claims import claim
from tools.measured.lesson00 import studies as study

SIGMA = study.SIGMA

#: the very code of the lesson: best_of(method, y, settings, reference), nlm(y, h)
LESSON = lesson_code.run("00", "build-psnr", "classical", sigma=SIGMA, np=np)

# Without jitter, another number of threads changes a fit as much as another seed does.
ten = partial(claim, seeds=range(10))


def show_range(values):
    """The words for step numbers: their range, rounded outwards to tens."""
    low, high = int(min(values) // 10 * 10), int(-(-max(values) // 10) * 10)
    return f"{low}–{high}" if low < high else str(low)


@cache
def pictures(seed):
    """The clean photo and its noisy copy, in the lesson's size."""
    return study.pictures(presets.get("overfit").size, seed)


def fit_to(target, seed):
    preset = presets.get("overfit")
    net, z = preset.make(seed=seed)
    return fit.fit(net, z, target, degrade.Identity(), **preset.fit, progress=False)


@cache
def run(seed):
    """The lesson's fit of the noisy photo."""
    return fit_to(pictures(seed)[1], seed)


def psnrs(seed, mean=False):
    history, (x, _) = run(seed), pictures(seed)
    return [metrics.psnr(history.frame(i, mean), x) for i in range(len(history))]


def best_of(method, settings, seed):
    """PSNR of a baseline at its best setting."""
    x, y = pictures(seed)
    return metrics.psnr(LESSON["best_of"](method, y, settings, x), x)


@cache
def healed(seed):
    """The mended scribble of the lesson's first fit, and the same by the smoothest surface."""
    preset, x = presets.get("overfit"), pictures(seed)[0]
    operator = degrade.Mask(degrade.scribble_mask(preset.size, preset.size))
    net, z = preset.make(seed=seed)
    fitted = fit.fit(net, z, operator(x), operator, steps=200, lr=0.01, progress=False)
    smooth = baselines.biharmonic(operator(x), operator.mask)
    return [metrics.psnr(x_hat, x, 1 - operator.mask) for x_hat in (fitted.final, smooth)]


@ten("lesson00-healed", unit="dB", holds=lambda values: max(values) < smooth(0))
def under_the_pen(seed):
    """PSNR under the scribble: never above that of the smoothest surface."""
    return healed(seed)[0]


@ten("lesson00-healed-smooth", unit="dB", holds=lambda values: len(set(values)) == 1)
def smooth(seed):
    """PSNR under the scribble of the biharmonic filling, which knows no seed."""
    return healed(seed)[1]


@ten("lesson00-best", unit="dB", holds=lambda values: min(values) > 27.4)
def best(seed):
    """PSNR of the best single frame."""
    return max(psnrs(seed))


@ten("lesson00-best-step", text=show_range, holds=lambda steps: max(steps) <= 300)
def best_step(seed):
    """The step of the best single frame: well before the end."""
    return int(run(seed).steps[int(np.argmax(psnrs(seed)))])


@ten(
    "lesson00-end",
    unit="dB",
    holds=lambda values: all(v + 1 < total_variation(s) for s, v in enumerate(values)),
)
def end(seed):
    """PSNR of the last single frame: below TV for every seed."""
    return psnrs(seed)[-1]


@ten(
    "lesson00-mean",
    unit="dB",
    holds=lambda values: all(v > best(s) + 0.1 for s, v in enumerate(values)),
)
def running_mean(seed):
    """PSNR of the best running mean: a little above the best single frame for every seed."""
    return max(psnrs(seed, mean=True))


@ten(
    "lesson00-tv",
    unit="dB",
    holds=lambda values: all(v + 0.5 < best(s) for s, v in enumerate(values)),
)
def total_variation(seed):
    """Scikit-image's TV at its best weight: below the best single frame for every seed."""
    return best_of(baselines.tv, np.arange(0.02, 0.17, 0.01), seed)


@ten(
    "lesson00-nlm",
    unit="dB",
    holds=lambda values: all(best(s) < v < running_mean(s) + 0.2 for s, v in enumerate(values)),
)
def non_local_means(seed):
    """Scikit-image's non-local means at its best h, told σ: level with the best running mean."""
    return best_of(LESSON["nlm"], SIGMA * np.arange(0.3, 1.05, 0.1), seed)


@ten(
    "lesson00-clean-end",
    unit="dB",
    holds=lambda values: all(v > running_mean(s) + 4 for s, v in enumerate(values)),
)
def clean_end(seed):
    """PSNR of the last frame when the target is the clean photo: far above any noisy fit's."""
    x, _ = pictures(seed)
    return metrics.psnr(fit_to(x, seed).frame(-1), x)
