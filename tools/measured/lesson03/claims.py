"""The numbers of lesson 03: how many steps each target takes, and in which order rings appear."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from dipcourse import degrade, images, live, metrics, presets
from tools import lesson_code
from tools.measured.claims import claim

PHOTOS = ("face", "coffee")
SIGMA = 25 / 255
PRESET = presets.get("curves", "laptop")
NEAREST = replace(PRESET, net=PRESET.net | {"upsample": "nearest"})
SIDE, STEPS = PRESET.size, PRESET.fit["steps"]
SWEEP = STEPS * 3 // 8  # steps; a target that needs more has no half

#: the very code of the lesson: fit_each, curve, half, shuffle_some, fit_by_coordinates
LESSON = lesson_code.run(
    "03",
    *("build-curve", "build-fits", "build-ladder", "build-coordinates"),
    **{"preset": PRESET, "SIDE": SIDE, "STEPS": STEPS, "SWEEP": SWEEP},
    x=images.load("face", size=SIDE),
)


def photo(name="face", size=SIDE):
    return images.load(name, size=size)


def random(seed):
    return torch.Generator().manual_seed(100 + seed)


@cache
def target(kind, seed, name="face", size=SIDE):
    """One of the lesson's targets, drawn anew for each seed."""
    return made_of(photo(name, size), kind, random(seed))


def made_of(x, kind, generator):
    if kind == "photo":
        return x
    if kind == "uniform":
        return torch.rand(x.shape, generator=generator)
    if kind in ("channels", "rows_columns", "pixels", "values"):
        return degrade.shuffle_pixels(x, kind, generator)
    return degrade.add_noise(x, float(kind), generator=generator)


def fit_to(y, seed, preset=PRESET, steps=STEPS):
    return LESSON["fit_each"]({"y": y}, preset, steps, seed)["y"]


def curve(y, seed, preset=PRESET):
    """The loss / variance of a fit that only has to reach the half."""
    return LESSON["curve"](fit_to(y, seed, preset, SWEEP), y)


def half(y, seed, preset=PRESET):
    """The first step whose loss is below half of the variance."""
    return LESSON["half"](curve(y, seed, preset))


@cache
def halves(kind, seed):
    """Steps to half of the variance for each of the photos."""
    return [half(target(kind, seed, name), seed) for name in PHOTOS]


@cache
def run(kind, seed):
    """A whole fit of the face."""
    return fit_to(target(kind, seed), seed)


def span(values):
    """The range over seeds, photos and targets: "6–13"."""
    numbers = np.ravel(values)
    return f"{min(numbers):g}–{max(numbers):g}" if min(numbers) < max(numbers) else f"{numbers[0]}"


# ---- which targets are fast

WEAK = str(SIGMA)
FAST = ("photo", WEAK, "channels")  # neighbours agree
SLOW = ("0.5", "1.0", "pixels", "uniform", "rows_columns", "values")


@claim("lesson03-fast", text=span, holds=lambda steps: np.max(steps) <= 18)
def fast(seed):
    """Steps to half of the variance for each fast target and photo."""
    return [halves(kind, seed) for kind in FAST]


@claim("lesson03-slow", text=span, holds=lambda steps: np.min(steps) >= 45)
def slow(seed):
    """Steps to half of the variance for each slow target and photo."""
    return [halves(kind, seed) for kind in SLOW]


def times(ratios):
    return "–".join(f"{f(ratios):.1f}" for f in (np.min, np.max))


@claim(
    "lesson03-near",
    text=times,
    holds=lambda ratios: np.min(ratios) > 0.5 and np.max(ratios) < 2,
)
def near(seed):
    """Steps for the photo + noise 25/255, divided by steps for the photo."""
    return [b / a for a, b in zip(halves("photo", seed), halves(WEAK, seed), strict=True)]


@claim(
    "lesson03-ratio",
    text=lambda ratios: f"at most {np.max(ratios):.2f}",
    holds=lambda ratios: np.max(ratios) <= 0.3,
)
def ratio(seed):
    """Steps of the slowest fast target over those of the fastest slow one, for each photo."""
    return (np.max(fast(seed), axis=0) / np.min(slow(seed), axis=0)).tolist()


@claim("lesson03-cat-near", text=times, holds=lambda ratios: min(ratios) > 1.5)
def cat_near(seed):
    """Steps for the cat with weak noise over those for the clean cat, whose contrast is low."""
    kinds = "photo", WEAK, "pixels"
    clean, noisy, shuffled = (half(target(kind, seed, "chelsea"), seed) for kind in kinds)
    assert noisy < 0.6 * shuffled
    return noisy / clean


@claim("lesson03-crossing", text=span, holds=lambda steps: min(steps) > 60 and max(steps) < 250)
def crossing(seed):
    """First step at which the curve of the shuffled pixels is below that of the noisy photo."""
    noisy, shuffled = (
        LESSON["curve"](run(kind, seed), target(kind, seed)) for kind in (WEAK, "pixels")
    )
    assert shuffled[-1] < 0.7 * noisy[-1]
    return 20 + int(np.argmax(shuffled[20:] < noisy[20:]))  # at the very start all are level


@claim("lesson03-rung4", text=span, holds=lambda steps: min(steps) >= 30)
def rung4(seed):
    """Steps with a share of 0.4 shuffled: far more than with 0.2."""
    some, more = (
        half(LESSON["shuffle_some"](photo(), share, random(seed)), seed) for share in (0.2, 0.4)
    )
    assert some <= 25
    return more


@claim(
    "lesson03-large-noise",
    unit="%",
    digits=0,
    seeds=range(6),
    holds=lambda values: min(values) > 50,
)
def large_noise(seed):
    """What is left of uniform noise with twice the side; the larger photo is as fast as before."""
    assert half(target("photo", seed, size=2 * SIDE), seed) <= 15
    large, small = (
        100 * float(curve(target("uniform", seed, size=size), seed)[-1])
        for size in (2 * SIDE, SIDE)
    )
    assert 1.5 * small < large
    return large


# ---- the lab report's network, input and shape of the photo

REPORT = lesson_code.run("03", "report-settings", preset=PRESET)["report"]


@cache
def report(seed, name):
    """{kind: (loss / variance, first loss)} of the report's four targets, two rows to three."""
    x = photo(name, 3 * SIDE // 2)[:, :, SIDE // 4 : 5 * SIDE // 4]
    kinds = "photo", WEAK, "rows_columns", "uniform"
    targets = {kind: made_of(x, kind, random(seed)) for kind in kinds}
    fits = LESSON["fit_each"](targets, REPORT, SWEEP, seed)
    return {k: (LESSON["curve"](fits[k], y), float(fits[k].loss[0])) for k, y in targets.items()}


@claim("lesson03-report-fast", text=span, holds=lambda steps: np.max(steps) <= 60)
def report_fast(seed):
    """Steps to half of the variance for the photo and the weakly noisy one, for each photo."""
    runs = [report(seed, name) for name in PHOTOS]
    return [[LESSON["half"](run[kind][0]) for kind in ("photo", WEAK)] for run in runs]


@claim(
    "lesson03-report-slow",
    text=lambda values: f"{np.floor(np.min(values)):.0f} %",
    holds=lambda values: np.min(values) > 80,
)
def report_slow(seed):
    """The least that is left of the shuffled photo and of noise, in % of their variance."""
    runs, kinds = [report(seed, name) for name in PHOTOS], ("rows_columns", "uniform")
    return [[100 * float(run[kind][0].min()) for kind in kinds] for run in runs]


@claim(
    "lesson03-report-start",
    text=lambda ratios: "–".join(f"{f(ratios):.2f}" for f in (np.min, np.max)),
    holds=lambda ratios: 0.9 < np.min(ratios) <= np.max(ratios) < 1.1,
)
def report_start(seed):
    """The first loss of the shuffled photo over that of the photo, for each photo."""
    runs = [report(seed, name) for name in PHOTOS]
    return [run["rows_columns"][1] / run["photo"][1] for run in runs]


# ---- in which order


def rings(history, seed, step):
    """The share explained of each ring of the uniform noise at a step, from low to high."""
    x_hat = history.frame(history.nearest(step))
    return metrics.explained_energy(x_hat, target("uniform", seed)).tolist()


@claim("lesson03-unet-low", digits=2, holds=lambda values: min(values) > 0.45)
def unet_low(seed):
    """Ring 2 after 60 steps of the U-Net, when ring 5 is still far behind."""
    shares = rings(run("uniform", seed), seed, 60)
    assert shares[4] < 0.25
    return shares[1]


@claim("lesson03-mlp-low", digits=2, holds=lambda values: min(values) > 0.3)
def mlp_low(seed):
    """Ring 1 at the end of the coordinate network, when nothing of ring 5 is explained."""
    history = LESSON["fit_by_coordinates"](target("uniform", seed), seed)
    shares = rings(history, seed, STEPS - 1)
    assert shares[4] < 0.05
    return shares[0]


@claim("lesson03-nearest", text=span, holds=lambda steps: max(steps) <= 80)
def nearest(seed):
    """Steps for uniform noise with nearest upsampling: fewer than with bilinear."""
    y = target("uniform", seed)
    steps = half(y, seed, NEAREST)
    assert steps < 0.8 * half(y, seed)
    assert abs(half(photo(), seed, NEAREST) - half(photo(), seed)) <= 5
    return steps


# ---- where it breaks


@claim("lesson03-grass-small", text=span, seeds=range(6), holds=lambda steps: min(steps) >= 45)
def grass_small(seed):
    return half(photo("grass"), seed)


@claim("lesson03-grass-middle", text=span, seeds=range(6), holds=lambda steps: max(steps) <= 35)
def grass_middle(seed):
    """The middle of the grass at full size; its pixels shuffled, it is slow again."""
    start = (512 - SIDE) // 2
    middle = live.crop(start, start, SIDE)(images.load("grass")).contiguous()
    assert half(degrade.shuffle_pixels(middle, "pixels", random(seed)), seed) >= 45
    return half(middle, seed)


# ---- against non-local means


@cache
def in_between(seed):
    """The names of the lesson's last cell, on the noise and weights of this seed."""
    noisy, y = run(WEAK, seed), target(WEAK, seed)
    given = {"noisy": noisy, "targets": {"photo + noise 25/255": y}, "x": photo()}
    return lesson_code.run("03", "in-between", **given)


@claim(
    "lesson03-peak",
    unit="dB",
    holds=lambda v: all(p < nlm(s) - 0.3 for s, p in enumerate(v)),
)
def peak(seed):
    """PSNR of the best single output of the photo + noise 25/255: below non-local means."""
    return max(in_between(seed)["psnr"])


@claim("lesson03-end", unit="dB", holds=lambda v: all(e < nlm(s) - 2 for s, e in enumerate(v)))
def end(seed):
    """PSNR of the best single output among its last 50 steps."""
    names = in_between(seed)
    late = names["steps"] >= STEPS - 50
    return float(np.array(names["psnr"])[late].max())


@claim("lesson03-nlm", unit="dB", holds=lambda values: min(values) > 26)
def nlm(seed):
    """PSNR of non-local means at its best strength."""
    return in_between(seed)["classical"]
