"""The numbers of lesson 07: rules that stop a fit, and networks that need none.

A fit without jitter jumps now and then, and a rounding error decides when: other threads change its
numbers as much as another seed does. So the claims take ten seeds.
"""

from functools import cache, partial

import numpy as np
import torch

from dipcourse import metrics, nets, stopping
from tools import lesson_code
from tools.measured.claims import claim, middle
from tools.measured.lesson00 import claims as lesson00
from tools.measured.lesson07 import studies as study

GREY_LEVELS = 25
SIGMA = GREY_LEVELS / 255
TEN = range(10)
ten = partial(claim, unit="dB", text=middle, seeds=TEN)


@cache
def case(seed):
    """Clean face, noisy face, mask of the left-out pixels."""
    return study.noisy("face", GREY_LEVELS, seed)


@cache
def run(seed):
    """The lesson's fit."""
    _, y, left_out = case(seed)
    return study.denoise(y, seed, left_out)


def lost(history, step, x, mean=False):
    """How far a step's picture is below the best one of its fit, in dB."""
    best = stopping.oracle(history, x, mean)
    return study.psnr_at(history, best, x, mean) - study.psnr_at(history, step, x, mean)


def median(function):
    """The median of a function of a seed."""
    return np.median([function(seed) for seed in TEN])


def told(history, sigma):
    return stopping.discrepancy(history, sigma)


def measured(history, sigma):
    return stopping.discrepancy(history, study.level(history, sigma))


def held_out(history):
    return stopping.held_out(history, study.PATIENCE)


def variance(history):
    return stopping.windowed_variance(history, study.PATIENCE, study.WARM_UP)


@ten("lesson07-sigma", holds=lambda v: np.median(v) > 0.8)
def sigma_loses(seed):
    return lost(run(seed), told(run(seed), SIGMA), case(seed)[0])


@ten("lesson07-level", holds=lambda v: np.median(v) < 0.5 * median(sigma_loses))
def level_loses(seed):
    return lost(run(seed), measured(run(seed), SIGMA), case(seed)[0])


@ten("lesson07-held", holds=lambda v: np.median(v) < 0.4 and max(v) < 1.2)
def held_loses(seed):
    return lost(run(seed), held_out(run(seed)), case(seed)[0])


@ten("lesson07-variance", holds=lambda v: np.median(v) < 0.4 and max(v) < 1.5)
def variance_loses(seed):
    return lost(run(seed), variance(run(seed)), case(seed)[0])


def ahead(values, by):
    """Whether the pictures are above non-local means by so much, in the median of the seeds."""
    return np.median([psnr - nlm(seed) for seed, psnr in enumerate(values)]) > by


@cache
def again(seed):
    """The running means of the lesson's fit and of a second one, of all pixels, another seed."""
    _, y, left_out = case(seed)
    first = run(seed)
    step = study.held_out_mean(first, y, left_out)
    second = study.denoise(y, seed + 100, steps=step + 1)
    return study.at(first, step, mean=True), second.mean


@ten("lesson07-again", holds=lambda v: ahead(v, -0.25) and not ahead(v, 0.25))
def fitted_again(seed):
    """PSNR of the mean of the second fit: level with non-local means at its best."""
    return metrics.psnr(again(seed)[1], case(seed)[0])


@ten("lesson07-both", holds=lambda v: ahead(v, 0.1))
def both(seed):
    """PSNR of the average of the two means."""
    return metrics.psnr(sum(again(seed)) / 2, case(seed)[0])


def end(seed):
    """PSNR of the last single picture."""
    return study.psnr_at(run(seed), len(run(seed).loss) - 1, case(seed)[0])


def above_the_single_picture(values):
    """Whether non-local means are above the best single picture, TV below, and the end below TV."""
    tv = [lesson00.total_variation(seed) for seed in TEN]
    stopped = [study.psnr_at(run(seed), variance(run(seed)), case(seed)[0]) for seed in TEN]
    return all(
        end(seed) < tv[seed] < stopped[seed] <= best_unet(seed) < values[seed] for seed in TEN
    )


@ten("lesson07-nlm", holds=above_the_single_picture)
def nlm(seed):
    """PSNR of non-local means at its best h: the picture is that of lesson 00."""
    return lesson00.non_local_means(seed)


@ten("lesson07-estimated", holds=lambda v: np.median(v) < 0.7 and max(v) < 1.5)
def estimated(seed):
    """What discrepancy loses with the second exercise's estimate of σ."""
    x, y, _ = case(seed)
    discrepancy = study.LESSON["discrepancy"]
    stop = lesson_code.answer("07", "exercise-sigma", discrepancy=discrepancy)["stop"]
    return lost(run(seed), stop(run(seed).loss, y), x)


# ---- louder noise


@cache
def louder(seed):
    _, y, left_out = study.noisy("face", 2 * GREY_LEVELS, seed)
    return study.denoise(y, seed, left_out)


@ten("lesson07-loud-sigma", holds=lambda v: min(v) > 2)
def loud_sigma(seed):
    """What discrepancy loses; with the level measured it is less than half of that."""
    history, x = louder(seed), case(seed)[0]
    loss = lost(history, told(history, 2 * SIGMA), x)
    assert lost(history, measured(history, 2 * SIGMA), x) < loss / 2, "measuring does not help"
    return loss


# ---- without stopping


@cache
def without(kind, seed):
    """A fit of the noisy face by another network, or with a second prior."""
    _, y, left_out = case(seed)
    if kind == "tv":
        tv_prior = lesson_code.run("07", "build-decoder")["tv_prior"]
        return study.denoise(y, seed, left_out, prior=tv_prior)
    torch.manual_seed(seed)
    net = nets.DeepDecoder(kind, 3, width=kind, scales=4)
    z = nets.fixed_input(kind, *(n // 16 for n in y.shape[2:]), seed=seed)
    steps = 4 * study.PRESET.fit["steps"]
    return study.denoise(y, seed, left_out, model=(net, z), steps=steps)


def fall(id, fitted, holds):
    @ten(f"lesson07-fall-{id}", holds=holds)
    def falls(seed):
        """From the best single picture to the last."""
        history = fitted(seed)
        return lost(history, len(history.loss) - 1, case(seed)[0])


fall("unet", run, lambda v: min(v) > 3)
fall("small", lambda seed: without(32, seed), lambda v: max(v) < 1)
fall("wide", lambda seed: without(128, seed), lambda v: np.median(v) > 0.8)
fall("tv", lambda seed: without("tv", seed), lambda v: max(v) < 3)  # less than the U-Net


def best_picture(history, x):
    """PSNR of the best single picture."""
    return study.psnr_at(history, stopping.oracle(history, x), x)


@ten("lesson07-best-unet", holds=lambda v: min(v) > 27)
def best_unet(seed):
    return best_picture(run(seed), case(seed)[0])


def as_good_as_tv_and_wide(values):
    tv, wide = median(lesson00.total_variation), median(best_wide)
    return abs(np.median(values) - tv) < 0.4 and wide < np.median(values) + 0.3


@ten("lesson07-best-small", holds=as_good_as_tv_and_wide)
def best_small(seed):
    return best_picture(without(32, seed), case(seed)[0])


def best_wide(seed):
    return best_picture(without(128, seed), case(seed)[0])


@ten("lesson07-best-tv", holds=lambda v: np.median(v) > median(best_unet) + 0.2)
def best_with_tv(seed):
    return best_picture(without("tv", seed), case(seed)[0])


# ---- noise whose neighbours agree


@cache
def coarse(seed):
    """The face with noise that was blurred and brought back to σ, and its fit."""
    x, _, left_out = case(seed)
    names = lesson_code.run("07", "build-coarse", sigma=SIGMA)
    y = names["coarsely_noisy"](x, 200 + seed)
    return y, study.denoise(y, seed, left_out)


@ten("lesson07-coarse-level", holds=lambda v: max(v) < 1)
def coarse_level_loses(seed):
    """What discrepancy loses that is told the right level."""
    (y, history), x = coarse(seed), case(seed)[0]
    return lost(history, told(history, metrics.mse(y, x) ** 0.5), x)


@ten("lesson07-coarse-variance", holds=lambda v: np.median(v) > median(coarse_level_loses))
def coarse_variance_loses(seed):
    history = coarse(seed)[1]
    return lost(history, variance(history), case(seed)[0])


def more_than_the_variance(values):
    return min(values) > max(coarse_variance_loses(seed) for seed in TEN)


@ten("lesson07-coarse-held", holds=more_than_the_variance)
def coarse_held_loses(seed):
    """What the left-out pixels lose."""
    history = coarse(seed)[1]
    return lost(history, held_out(history), case(seed)[0])
