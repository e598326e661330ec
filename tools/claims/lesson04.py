"""The numbers of lesson 04: how near a fit comes to the clean photo, and what brings it nearer.

A fit without jitter (the preset "overfit") jumps now and then, and a rounding error decides when:
claims on such fits take six seeds.
"""

from functools import cache, partial

import numpy as np
import torch

from dipcourse import baselines, degrade, fit, images, metrics, presets, recordings
from tools import study_04
from tools.claims import claim, signed, spread
from tools.study_04 import PLAIN, SIGMA, denoise, psnrs

KINDS, LEVELS = ("gaussian", "uniform", "salt_pepper"), (15, 25, 50)
RUNS = (0, 1, 2)  # seeds of the network
six = partial(claim, seeds=range(6))


@cache
def face(size=None):
    return images.load("face", size or presets.get("denoise").size)


@cache
def measured(seed):
    return study_04.noisy(face(), seed)


@cache
def plain(seed):
    return denoise(measured(seed), seed=seed, **PLAIN)


@cache
def jittered(seed, run):
    return denoise(measured(seed), seed=10 * seed + run)


@cache
def classical(seed):
    return study_04.classical(measured(seed), face(), SIGMA)


def psnr(x_hat):
    return metrics.psnr(x_hat, face())


@cache
def curve(seed, run=None, mean=False):
    """PSNR of the kept frames of the plain fit (run None) or of a fit with jitter."""
    return psnrs(plain(seed) if run is None else jittered(seed, run), face(), mean)


def best_step(seed):
    return int(plain(seed).steps[np.argmax(curve(seed))])


def counts(values):
    """The range without decimals: "160–201"."""
    return spread(values, digits=0)


def two(seed, pair=(0, 1)):
    return (jittered(seed, pair[0]).mean + jittered(seed, pair[1]).mean) / 2


# ---- the path


@six("lesson04-noisy", unit="dB", holds=lambda v: 20.4 < min(v) < max(v) < 20.8)
def noisy_psnr(seed):
    return psnr(measured(seed))


@six("lesson04-best-step", text=counts, holds=lambda v: min(v) > 100 and max(v) < 500)
def plain_best_step(seed):
    return best_step(seed)


@six(
    "lesson04-best",
    unit="dB",
    holds=lambda v: all(b > classical(s)["TV"] + 0.1 for s, b in enumerate(v)),
)
def plain_best(seed):
    """PSNR of the best single frame without jitter: above TV at its best."""
    return max(curve(seed))


@six("lesson04-end", unit="dB", holds=lambda v: max(v) < min(map(plain_best, RUNS)) - 2)
def plain_end(seed):
    return curve(seed)[-1]


@six("lesson04-nearest", digits=0, holds=lambda v: max(v) < 12)
def nearest(seed):
    """The least distance from the clean photo, in grey levels."""
    return 255 * 10 ** (-max(curve(seed)) / 20)


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


@claim("lesson04-free", unit="dB", holds=lambda v: max(v) < 1.5)
def free(seed):
    """How far free pixels on their straight way from grey rise above the noisy photo."""
    y = measured(seed)
    return max(psnr(y + left * (0.5 - y)) for left in np.geomspace(1, 0.001, 200)) - psnr(y)


# ---- the same loss


@cache
def long():
    return recordings.load("04_long")


@cache
def same_loss(seed):
    """The step of the plain fit at which its loss is below that of the long fit's step 500."""
    return int(np.argmax(plain(seed).loss < long().loss[480:520].mean()))


@six("lesson04-same-500", text=counts, holds=lambda v: min(v) > 50 and max(v) < 350)
def same_500(seed):
    return same_loss(seed)


@six(
    "lesson04-same-gap", text=lambda v: f"{max(v):.1f} dB", unit="dB", holds=lambda v: max(v) < 1.3
)
def same_gap(seed):
    """Difference in PSNR between the two frames."""
    ours, theirs = plain(seed), long()
    ours = ours.frame(ours.nearest(same_loss(seed)))
    return abs(psnr(ours) - psnr(theirs.frame(theirs.nearest(500))))


def recorded(id, value, holds):
    @claim(f"lesson04-{id}", unit="dB", holds=holds)
    def number(seed):
        """One recorded run: the same for every seed."""
        return value(psnrs(long(), face()))


recorded("long", max, lambda v: min(v) > 27)
recorded("long-end", lambda values: values[-1], lambda v: max(v) < 25.5)


# ---- three tricks


@six("lesson04-gain-mean-plain", unit="dB", holds=lambda v: min(v) > 0.05)
def gain_mean_plain(seed):
    return max(curve(seed, mean=True)) - max(curve(seed))


@six("lesson04-gain-jitter", unit="dB", holds=lambda v: min(v) > 0.15)
def gain_jitter(seed):
    return psnr(jittered(seed, 0).mean) - max(curve(seed, mean=True))


@six("lesson04-gain-mean", unit="dB", holds=lambda v: min(v) > 0.5)
def gain_mean(seed):
    return psnr(jittered(seed, 0).mean) - max(curve(seed, 0))


@six("lesson04-gain-clean", text=signed, holds=lambda v: np.min(v) > -0.5 and np.max(v) < 1)
def gain_clean(seed):
    """The last weights at z itself, against the last frame, for three runs: no clear gain."""
    return [psnr(jittered(seed, r).final) - curve(seed, r)[-1] for r in RUNS]


@six("lesson04-gain-two", unit="dB", holds=lambda v: min(v) > 0.15)
def gain_two(seed):
    return psnr(two(seed)) - np.mean([psnr(jittered(seed, r).mean) for r in (0, 1)])


def last_frames(seed):
    return [curve(seed, r)[-1] for r in RUNS]


def last_means(seed):
    return [psnr(jittered(seed, r).mean) for r in RUNS]


@six("lesson04-spread-frame", unit="dB", holds=lambda v: max(v) < 2)
def spread_frame(seed):
    return float(np.ptp(last_frames(seed)))


@six("lesson04-spread-mean", unit="dB", digits=2, holds=lambda v: max(v) < 0.4)
def spread_mean(seed):
    return float(np.ptp(last_means(seed)))


# ---- against methods without a network


def rival(name):
    @claim(f"lesson04-{name.lower()}", unit="dB", holds=lambda v: min(v) > 27)
    def number(seed):
        return classical(seed)[name]


for name in ("TV", "NLM", "wavelets"):
    rival(name)


@six(
    "lesson04-mean",
    unit="dB",
    holds=lambda v: all(abs(m - classical(s)["NLM"]) < 0.4 for s, m in enumerate(v)),
)
def mean(seed):
    """The last running mean with jitter: level with NLM at its best."""
    return psnr(jittered(seed, 0).mean)


@six(
    "lesson04-two",
    unit="dB",
    holds=lambda v: all(m > max(classical(s).values()) + 0.1 for s, m in enumerate(v)),
)
def mean_of_two(seed):
    """The mean of two such: above every method without a network."""
    return psnr(two(seed))


# ---- other noise


@cache
def other_noise(kind, level, seed):
    """Best step, best running mean, and the best of the classical methods with its name."""
    preset = presets.get("overfit")
    x = face(preset.size)
    y = study_04.noisy(x, 100 * seed + level, level / 255, kind)
    history = denoise(y, preset, seed)
    rivals = study_04.classical(y, x, level / 255)
    for n in (3, 5):
        rivals[f"median {n}"] = metrics.psnr(baselines.median(y, n), x)
    name = max(rivals, key=rivals.get)
    step = int(history.steps[np.argmax(psnrs(history, x))])
    return step, max(psnrs(history, x, mean=True)), name, rivals[name]


def over(kind):
    """Register the claim: how far the network is above the best other method, over all levels."""

    @six(
        f"lesson04-over-{kind.replace('_', '-')}",
        text=signed,
        holds=OVER[kind],
    )
    def gains(seed):
        found = [other_noise(kind, level, seed) for level in LEVELS]
        return [float(ours - theirs) for _, ours, _, theirs in found]


OVER = {
    "gaussian": lambda v: abs(np.median(v)) < 0.3 and np.min(v) > -0.8,
    "uniform": lambda v: abs(np.median(v)) < 0.3 and np.min(v) > -0.8,
    "salt_pepper": lambda v: np.max(v) < -1,
}
for kind in KINDS:
    over(kind)


def peak(level, holds):
    @six(f"lesson04-peak-{level}", text=counts, holds=holds)
    def step(seed):
        """Best step for Gaussian noise of this level."""
        return other_noise("gaussian", level, seed)[0]


peak(15, lambda v: min(v) > 150)
peak(50, lambda v: max(v) < 130)


@cache
def trusted(seed):
    """Salt and pepper, σ = 50, extreme pixels replaced: PSNR of network, median and filling."""
    preset = presets.get("overfit")
    x = face(preset.size)
    y = study_04.noisy(x, 100 * seed + 50, 50 / 255, "salt_pepper")
    extreme = ((y == 0) | (y == 1)).all(1, keepdim=True)
    operator, (net, z) = degrade.Mask(~extreme), preset.make(seed=seed)
    guesses = (
        fit.fit(net, z, operator(y), operator, **preset.fit, progress=False).mean,
        baselines.median(y, 3),
        baselines.biharmonic(y, ~extreme),
    )
    return [metrics.psnr(torch.where(extreme, guess, y), x) for guess in guesses]


@six("lesson04-trust", unit="dB", holds=lambda v: min(v) > 1)
def trust(seed):
    """How far the network is above the median."""
    return trusted(seed)[0] - trusted(seed)[1]


@six("lesson04-trust-filling", unit="dB", holds=lambda v: min(v) > 0.1)
def trust_filling(seed):
    """How far the network is above the biharmonic filling."""
    return trusted(seed)[0] - trusted(seed)[2]


# ---- other photos (one seed each)


def photos(column):
    """{photo: dB above the best method without a network} of a column of the stored table."""
    rows = recordings.table("04_tricks")["rows"]
    return {r["photo"]: r[column] - max(r["TV"], r["NLM"], r["wavelets"]) for r in rows}


def ahead(id, column, holds):
    @claim(f"lesson04-photos-{id}", holds=holds, text=lambda v: f"{v[0]} of {len(photos(column))}")
    def number(seed):
        return sum(gain > 0 for gain in photos(column).values())


ahead("one", "its mean, last", lambda v: v[0] < 3)
ahead("two", "of two", lambda v: v[0] >= 3)


@claim("lesson04-photos-coffee", unit="dB", holds=lambda v: v[0] > 0.3)
def coffee(seed):
    """What one run loses there against non-local means; the mean of two loses, too."""
    assert photos("of two")["coffee"] < -0.1
    return -photos("its mean, last")["coffee"]


# ---- JPEG


@cache
def blocky():
    return degrade.jpeg(face(), 10)


@cache
def mended(seed):
    return denoise(blocky(), seed=seed, **PLAIN)


@claim(
    "lesson04-jpeg-10",
    unit="dB",
    holds=lambda v: min(v) > 0.4 and max(v) < jpeg_classical(0) + 0.05,
)
def jpeg_gain(seed):
    """Gain of the best running mean over the JPEG of quality 10."""
    return max(psnrs(mended(seed), face(), mean=True)) - psnr(blocky())


@claim("lesson04-jpeg-end", unit="dB", holds=lambda v: max(v) < min(map(jpeg_gain, RUNS)) - 0.3)
def jpeg_end(seed):
    """What is left of the gain in the last frame."""
    return psnrs(mended(seed), face())[-1] - psnr(blocky())


@claim("lesson04-jpeg-classical", unit="dB", holds=lambda v: min(v) > 0.3)
def jpeg_classical(seed):
    """Gain of the best method without a network: there is no seed in it."""
    x, y = face(), blocky()
    return max(study_04.classical(y, x, metrics.mse(y, x) ** 0.5).values()) - psnr(y)


# ---- texture


@cache
def texture(name, seed):
    """Best frame and best running mean, as differences from the best classical method."""
    preset = presets.get("overfit")
    start = (512 - preset.size) // 2
    x = images.load(name)[..., start : start + preset.size, start : start + preset.size]
    y = study_04.noisy(x, seed)
    history, rival = denoise(y, preset, seed), max(study_04.classical(y, x, SIGMA).values())
    return [max(psnrs(history, x, mean)) - rival for mean in (False, True)]


@six(
    "lesson04-grass-frame",
    text=lambda v: spread([-n for n in v], "dB"),
    holds=lambda v: max(v) < -0.5,
)
def grass_frame(seed):
    """On grass the best frame loses to the best classical method."""
    return texture("grass", seed)[0]


@six("lesson04-grass", text=signed, holds=lambda v: max(v) < 0.1)
def grass(seed):
    """The best running mean is hardly better."""
    return texture("grass", seed)[1]


@six("lesson04-brick", text=signed, holds=lambda v: abs(np.median(v)) < 0.5 and min(v) > -0.8)
def brick(seed):
    """On the brick wall the best running mean keeps up."""
    return texture("brick", seed)[1]
