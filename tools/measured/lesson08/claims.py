"""The numbers of lesson 08: what the tangent kernel holds of a photo, and what it predicts."""

from functools import cache

import numpy as np
import torch

from dipcourse import baselines, degrade, fit, images, metrics
from tools import lesson_code
from tools.measured.claims import claim, spread

SIDE, SIGMA = 32, 25 / 255
SEEDS = tuple(range(6))  # of the noise, the weights and z

#: the very code of the lesson: unet, tangent_kernel, spectrum, share, linear_fit
LESSON = lesson_code.run(
    "08",
    *("networks", "build-kernel", "build-spectrum", "build-share", "build-linear"),
    SIDE=SIDE,
)
spectrum, share = LESSON["spectrum"], LESSON["share"]


def photo():
    return images.load("face", SIDE, grey=True)


def random(seed):
    return torch.Generator().manual_seed(seed)


def noisy(seed):
    return degrade.add_noise(photo(), SIGMA, generator=random(seed))


def target(kind, seed):
    """The photo, its pixels in random order, or normal noise."""
    if kind == "photo":
        return photo()
    if kind == "shuffled":
        return degrade.shuffle_pixels(photo(), "pixels", random(seed))
    return torch.randn(1, 1, SIDE, SIDE, generator=random(seed))


@cache
def patterns(seed):
    """The eigenvectors of the U-Net's kernel before the fit."""
    return spectrum(LESSON["tangent_kernel"](*LESSON["unet"](seed)))[1]


def percents(values):
    return spread(values, "%", digits=0)


def share_claim(kind, holds):
    """Register the share of a target in the first fifth of the patterns."""

    @claim(f"lesson08-share-{kind}", text=percents, holds=holds, seeds=SEEDS)
    def in_the_first_fifth(seed):
        return 100 * share(target(kind, seed), patterns(seed), SIDE**2 // 5)


share_claim("photo", lambda v: min(v) > 70)
share_claim("shuffled", lambda v: max(v) < 30)
share_claim("noise", lambda v: max(v) < 30)


# ---- whole fits


@cache
def linearised(seed):
    """PSNR of the best picture of the linearised fit."""
    net, z = LESSON["unet"](seed)
    start, kernel = net(z).detach(), LESSON["tangent_kernel"](net, z)
    steps = np.unique(np.geomspace(1, 10**5, 150).astype(int))
    pictures = LESSON["linear_fit"](kernel, start, noisy(seed), steps)
    return max(metrics.psnr(picture, photo()) for picture in pictures)


@cache
def descended(seed):
    """PSNR of the best picture of real gradient descent, with steps four times as large."""
    net, z = LESSON["unet"](seed)
    largest = spectrum(LESSON["tangent_kernel"](net, z))[0][0].item()
    settings = {"optimizer": "gradient descent", "lr": 4 / largest * SIDE**2 / 2, "steps": 1200}
    exact = {"frames": 100, "precision": "float32", "progress": False}
    history = fit.fit(net, z, noisy(seed), degrade.Identity(), **settings, **exact)
    return max(metrics.psnr(history.frame(i), photo()) for i in range(len(history)))


@claim("lesson08-linear", lambda v: max(v) < 23, unit="dB", seeds=SEEDS)
def linear(seed):
    assert linearised(seed) < descended(seed) - 0.5, "the linearised fit is not clearly worse"
    return linearised(seed)


@claim("lesson08-real", lambda v: min(v) > 22, unit="dB", seeds=SEEDS)
def real(seed):
    return descended(seed)


def best_of(method, strengths, seed):
    y = noisy(seed)
    return metrics.psnr(baselines.best_of(method, y, SIGMA * strengths, photo()), photo())


@claim("lesson08-tv", lambda v: min(v) > 23, unit="dB", seeds=SEEDS)
def tv(seed):
    return best_of(baselines.tv, np.arange(0.4, 1.3, 0.2), seed)


@claim("lesson08-nlm", lambda v: min(v) > 23, unit="dB", seeds=SEEDS)
def nlm(seed):
    def told(y, strength):
        return baselines.nlm(y, strength, SIGMA)

    return best_of(told, np.arange(0.5, 1, 0.1), seed)


# ---- the kernel after the fit


@cache
def later_patterns(seed):
    """The eigenvectors after 80 steps of Adam."""
    net, z = LESSON["unet"](seed)
    settings = {"steps": 80, "lr": 0.01, "precision": "float32", "progress": False}
    fit.fit(net, z, noisy(seed), degrade.Identity(), **settings)
    return spectrum(LESSON["tangent_kernel"](net, z))[1]


def in_the_first_fiftieth(kind, vectors, seed):
    return 100 * share(target(kind, seed), vectors, SIDE**2 // 50)


def share_later(seed):
    return in_the_first_fiftieth("photo", later_patterns(seed), seed)


@claim("lesson08-before", text=percents, holds=lambda v: max(v) < 50, seeds=SEEDS)
def before(seed):
    return in_the_first_fiftieth("photo", patterns(seed), seed)


@claim("lesson08-after", text=percents, holds=lambda v: min(v) > 35, seeds=SEEDS)
def after(seed):
    assert share_later(seed) > before(seed) + 5, "the kernel has not turned towards the photo"
    return share_later(seed)


@claim("lesson08-after-noise", text=percents, holds=lambda v: max(v) < 6, seeds=SEEDS)
def after_noise(seed):
    return in_the_first_fiftieth("noise", later_patterns(seed), seed)
