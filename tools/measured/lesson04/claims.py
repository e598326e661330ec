"""The numbers of lesson 04: how near a fit comes to the clean photo, and what brings it nearer.

A fit without jitter (the preset "overfit") jumps now and then, and a rounding error decides when:
claims on such fits take six seeds.
"""

from functools import cache, partial

import numpy as np

from dipcourse import degrade, images, live, metrics, presets, recordings
from tools.measured.claims import claim, signed, spread
from tools.measured.lesson04 import studies
from tools.measured.lesson04.studies import LESSON, PLAIN, SIGMA, denoise, psnrs

LEVELS = (15, 25, 50)
SEEDS = range(6)
six = partial(claim, seeds=SEEDS)


@cache
def face(size=None):
    return images.load("face", size or presets.get("denoise").size)


@cache
def measured(seed):
    return studies.noisy(face(), seed)


@cache
def plain(seed):
    return denoise(measured(seed), seed=seed, **PLAIN)


@cache
def jittered(seed, run):
    return denoise(measured(seed), seed=10 * seed + run)


@cache
def classical(seed):
    return studies.classical(measured(seed), face(), SIGMA)


def psnr(x_hat):
    return metrics.psnr(x_hat, face())


@cache
def curve(seed, mean=False):
    """PSNR of the kept frames of the plain fit."""
    return psnrs(plain(seed), mean, face())


def last_mean(seed, run):
    return psnr(jittered(seed, run).mean)


# ---- the path


@six(
    "lesson04-best-step",
    text=partial(spread, digits=0),
    holds=lambda v: min(v) > 100 and max(v) < 500,
)
def plain_best_step(seed):
    return int(plain(seed).steps[np.argmax(curve(seed))])


@six(
    "lesson04-best",
    unit="dB",
    holds=lambda v: max(v) < 30 and all(b > classical(s)["TV"] + 0.1 for s, b in enumerate(v)),
)
def plain_best(seed):
    """PSNR of the best single frame without jitter: above TV at its best, far from perfect."""
    best = max(curve(seed))
    assert best > psnr(measured(seed)) + 6.1, "not nearer than half of the noise"
    assert curve(seed)[-1] < best - 2, "the fit hardly falls"
    return best


@six(
    "lesson04-turn",
    unit="%",
    digits=0,
    holds=lambda v: min(v) > 80 and max(v) < 115,
)
def turn(seed):
    """Distance from y at the best step, as a share of the distance of x from y."""
    history = plain(seed)
    frame = history.frame(int(np.argmax(curve(seed))))
    return 100 * (metrics.mse(frame, measured(seed)) / metrics.mse(face(), measured(seed))) ** 0.5


# ---- the same loss


@six(
    "lesson04-same-gap", text=lambda v: f"{max(v):.1f} dB", unit="dB", holds=lambda v: max(v) < 1.3
)
def same_gap(seed):
    """Difference in PSNR between two frames: the long fit's at step 500, ours at its loss there."""
    ours, theirs = plain(seed), recordings.load("04_long")
    step = int(np.argmax(ours.loss < theirs.loss[480:520].mean()))
    assert 50 < step < 250, "not in less than half as many steps"
    ours = ours.frame(ours.nearest(step))
    return abs(psnr(ours) - psnr(theirs.frame(theirs.nearest(500))))


# ---- three tricks


@six(
    "lesson04-gain-mean-plain",
    unit="dB",
    holds=lambda v: min(v) > 0.05 and np.median(v) > median_of_others(),
)
def gain_mean_plain(seed):
    """The running mean over the best frame: in the median more than either other trick."""
    return max(curve(seed, mean=True)) - max(curve(seed))


def median_of_others():
    return max(np.median([gain(seed) for seed in SEEDS]) for gain in (gain_jitter, gain_two))


@six("lesson04-gain-jitter", unit="dB", holds=lambda v: min(v) > 0.15)
def gain_jitter(seed):
    """Its last running mean over the best one without jitter."""
    run = jittered(seed, 0)
    assert psnr(run.final) < psnr(run.mean), "z without jitter does as well as the mean"
    return psnr(run.mean) - max(curve(seed, mean=True))


@six("lesson04-gain-two", unit="dB", holds=lambda v: min(v) > 0.15)
def gain_two(seed):
    """The mean of two runs over one of them, on average."""
    return mean_of_two(seed) - np.mean([last_mean(seed, run) for run in (0, 1)])


@six("lesson04-spread-mean", unit="dB", digits=2, holds=lambda v: max(v) < 0.4)
def spread_mean(seed):
    return float(np.ptp([last_mean(seed, run) for run in (0, 1, 2)]))


# ---- against methods without a network


@claim("lesson04-wavelets", unit="dB", holds=lambda v: min(v) > 27)
def wavelets(seed):
    found = classical(seed)
    assert abs(found["wavelets"] - found["NLM"]) < 0.2, "NLM is not level with them"
    assert found["wavelets"] > found["TV"] + 1, "TV is as good"
    return found["wavelets"]


@six(
    "lesson04-mean",
    unit="dB",
    holds=lambda v: all(abs(m - classical(s)["NLM"]) < 0.4 for s, m in enumerate(v)),
)
def mean(seed):
    """The last running mean with jitter: level with NLM at its best."""
    return last_mean(seed, 0)


@six(
    "lesson04-two",
    unit="dB",
    holds=lambda v: all(m > max(classical(s).values()) for s, m in enumerate(v)),
)
def mean_of_two(seed):
    """The mean of two such: above every method without a network."""
    return psnr((jittered(seed, 0).mean + jittered(seed, 1).mean) / 2)


# ---- other noise


@cache
def other_noise(kind, level, seed):
    """Best step, and how far the best running mean is above the best other method, in dB."""
    preset = presets.get("overfit")
    x = face(preset.size)
    y = studies.noisy(x, 100 * seed + level, level / 255, kind)
    history = denoise(y, preset, seed)
    others = studies.scores(LESSON["with_medians"](y, x, level / 255), x)
    step = int(history.steps[np.argmax(psnrs(history, False, x))])
    return step, float(max(psnrs(history, True, x)) - max(others.values()))


def over(kind, holds):
    """Register the claim: how far the network is above the best other method, over all levels."""

    @six(f"lesson04-over-{kind.replace('_', '-')}", text=signed, holds=holds)
    def gains(seed):
        found = [other_noise(kind, level, seed) for level in LEVELS]
        if kind != "salt_pepper":
            assert found[0][0] > 2 * found[-1][0], "more noise, but the best step is not earlier"
        return [gain for _, gain in found]


def about_level(values):
    return abs(np.median(values)) < 0.3 and np.min(values) > -0.8


over("gaussian", about_level)
over("uniform", about_level)
over("salt_pepper", lambda values: np.max(values) < -1)


@six("lesson04-trust-filling", unit="dB", holds=lambda v: min(v) > 0.1)
def trust_filling(seed):
    """How far the network is above the biharmonic filling where salt and pepper are hidden."""
    preset = presets.get("overfit")
    x = face(preset.size)
    y = studies.noisy(x, 100 * seed + 50, 50 / 255, "salt_pepper")
    found = studies.scores(LESSON["repair"](y, preset, seed), x)
    assert found["network"] > found["median 3 × 3"] + 1, "the median is as good"
    return found["network"] - found["biharmonic"]


# ---- JPEG


@cache
def blocky():
    return degrade.jpeg(face(), 10)


@claim(
    "lesson04-jpeg-10",
    unit="dB",
    holds=lambda v: min(v) > 0.4 and max(v) < jpeg_classical(0) + 0.05,
)
def jpeg_gain(seed):
    """Gain of the best running mean over the JPEG of quality 10."""
    history = denoise(blocky(), seed=seed, **PLAIN)
    gain = max(psnrs(history, True, face())) - psnr(blocky())
    left = psnrs(history, False, face())[-1] - psnr(blocky())
    assert left < gain / 2, "the blocks do not come back"
    return gain


@claim("lesson04-jpeg-classical", unit="dB", holds=lambda v: min(v) > 0.3)
def jpeg_classical(seed):
    """Gain of the best method without a network: there is no seed in it."""
    x, y = face(), blocky()
    return max(studies.classical(y, x, metrics.mse(y, x) ** 0.5).values()) - psnr(y)


# ---- texture


def texture(name, seed):
    """Best frame and best running mean, as differences from the best classical method."""
    preset = presets.get("overfit")
    start = (512 - preset.size) // 2
    x = live.crop(start, start, preset.size)(images.load(name))
    y = studies.noisy(x, seed)
    history, rival = denoise(y, preset, seed), max(studies.classical(y, x, SIGMA).values())
    return [max(psnrs(history, mean, x)) - rival for mean in (False, True)]


@six("lesson04-grass", text=signed, holds=lambda v: max(v) < -0.1)
def grass(seed):
    """On grass the best running mean loses, and the best frame loses clearly."""
    frame, mean = texture("grass", seed)
    assert frame < min(-0.5, mean), "the best frame keeps up"
    return mean


@six("lesson04-brick", text=signed, holds=lambda v: abs(np.median(v)) < 0.5 and min(v) > -0.8)
def brick(seed):
    """On the brick wall the best running mean keeps up."""
    return texture("brick", seed)[1]
