"""The numbers of lesson 00: the fit that overfits in sight, and its baselines."""

from functools import cache, partial

import numpy as np
import torch

from dipcourse import baselines, degrade, fit, images, metrics, presets
from tools.claims import claim

SIGMA = 25 / 255
# Without jitter, another number of threads changes a fit as much as another seed does.
ten = partial(claim, seeds=range(10))


def show_range(values):
    """The words for step numbers: their range, rounded outwards to tens."""
    low, high = int(min(values) // 10 * 10), int(-(-max(values) // 10) * 10)
    return f"{low}–{high}" if low < high else str(low)


@cache
def pictures(seed):
    """The clean photo and its noisy copy, as the lesson makes them with this seed."""
    x = images.load("face", size=presets.get("overfit").size)
    return x, degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(seed))


def fit_to(target, seed):
    preset = presets.get("overfit")
    net, z = preset.make(seed=seed)
    return fit.fit(net, z, target, degrade.Identity(), **preset.fit, progress=False)


@cache
def run(seed):
    """The lesson's fit of the noisy photo."""
    return fit_to(pictures(seed)[1], seed)


@cache
def clean_run(seed):
    """The fit of the second prediction: the target is the clean photo."""
    return fit_to(pictures(seed)[0], seed)


def psnrs(seed, mean=False):
    history, (x, _) = run(seed), pictures(seed)
    return [metrics.psnr(history.frame(i, mean), x) for i in range(len(history))]


def best_of(method, settings, seed):
    """PSNR of a baseline at its best setting."""
    x, y = pictures(seed)
    return metrics.psnr(baselines.best_of(method, y, settings, x), x)


@claim("lesson00-seconds", unit="s", digits=0, holds=lambda seconds: max(seconds) <= 20)
def seconds(seed):
    """How long the first fit takes."""
    return run(seed).seconds


@ten("lesson00-noisy", unit="dB", holds=lambda values: max(values) < 21)
def noisy(seed):
    """PSNR of y."""
    x, y = pictures(seed)
    return metrics.psnr(y, x)


@ten("lesson00-best", unit="dB", holds=lambda values: min(values) > 27.4)
def best(seed):
    """PSNR of the best single frame."""
    return max(psnrs(seed))


@ten("lesson00-best-step", text=show_range, holds=lambda steps: max(steps) <= 300)
def best_step(seed):
    """The step of the best single frame: well before the end."""
    return int(run(seed).steps[int(np.argmax(psnrs(seed)))])


@ten("lesson00-end", unit="dB", holds=lambda values: max(values) < 26)
def end(seed):
    """PSNR of the last single frame: below TV."""
    return psnrs(seed)[-1]


@ten(
    "lesson00-fall",
    unit="dB",
    holds=lambda falls: min(falls) >= 2.5 and np.mean(falls) >= 3,
)
def fall(seed):
    """PSNR lost between the best single frame and the last."""
    return best(seed) - end(seed)


@ten("lesson00-mean", unit="dB", holds=lambda values: min(values) > 28.2)
def running_mean(seed):
    """PSNR of the best running mean."""
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
    nlm = partial(baselines.nlm, sigma=SIGMA)
    return best_of(nlm, SIGMA * np.arange(0.3, 1.05, 0.1), seed)


def noise_share(x_hat, x, y):
    return ((x_hat - x) * (y - x)).sum().item() / ((y - x) ** 2).sum().item()


@ten("lesson00-share-best", unit="%", digits=0, holds=lambda values: max(values) < 20)
def share_at_best(seed):
    """Share of the noise that is in the best single frame."""
    x_hat = run(seed).frame(int(np.argmax(psnrs(seed))))
    return 100 * noise_share(x_hat, *pictures(seed))


@ten("lesson00-share-end", unit="%", digits=0, holds=lambda values: min(values) > 35)
def share_at_end(seed):
    """Share of the noise that is in the last single frame."""
    return 100 * noise_share(run(seed).frame(-1), *pictures(seed))


@ten("lesson00-clean-end", unit="dB", holds=lambda values: min(values) > 32)
def clean_end(seed):
    """PSNR of the last frame when the target is the clean photo: far above any noisy fit's."""
    return metrics.psnr(clean_run(seed).frame(-1), pictures(seed)[0])
