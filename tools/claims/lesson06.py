"""What lesson 06 says about enlargements: baselines, networks, their settings, wrong operators."""

from dataclasses import replace
from functools import cache

import torch

from dipcourse import baselines, degrade, images, metrics, presets, recordings
from tests import lesson_code
from tools import study_06 as study
from tools.claims import claim, spread

A = degrade.Downsample(4)


def all_of(lists):
    return spread([v for values in lists for v in values], "dB").replace("-", "−")


# ---- the face, ×4, at full size


@cache
def face():
    x = images.load("face", presets.get("superres").size)
    return x, A(x)


@cache
def classical():
    return study.classical(face()[0], 4)


@cache
def smooth():
    return baselines.bicubic(face()[1], 4)


@cache
def tv():
    return study.tv(face()[1], A, smooth())


@cache
def network(seed):
    return study.dip(face()[1], A, presets.get("superres"), 4, seed).final


def free(start):
    x, y = face()
    return metrics.psnr(study.project(start, y, A), x)


@claim("lesson06-grey", lambda v: 26 < min(v) <= max(v) < 27.2, unit="dB")
def grey(seed):
    return free(torch.full_like(face()[0], 0.5))


@claim("lesson06-noise", lambda v: max(v) < 15, unit="dB")
def noise(seed):
    generator = torch.Generator().manual_seed(seed + 1)
    return free(torch.rand(face()[0].shape, generator=generator))


@claim("lesson06-bicubic", lambda v: 25 < min(v) <= max(v) < 27, unit="dB")
def bicubic(seed):
    return classical()["bicubic"]


@claim("lesson06-sharpened", lambda v: 0.1 < min(v) - classical()["bicubic"] < 0.5, unit="dB")
def sharpened(seed):
    return classical()["sharpened"]


@claim("lesson06-tv", lambda v: min(v) > classical()["bicubic"] + 1, unit="dB")
def tv_psnr(seed):
    return classical()["TV"]


@claim("lesson06-dip", lambda v: min(v) > classical()["bicubic"] + 0.5, unit="dB")
def dip(seed):
    return metrics.psnr(network(seed), face()[0])


@claim("lesson06-gain", lambda v: min(v) > 0.5, unit="dB")
def gain(seed):
    return dip(seed) - classical()["bicubic"]


@claim("lesson06-tv-ahead", lambda v: 0 < min(v) <= max(v) < 0.5, unit="dB")
def tv_ahead(seed):
    return classical()["TV"] - dip(seed)


@claim("lesson06-gap-bicubic", lambda v: min(v) > 2)
def gap_bicubic(seed):
    return study.gap(smooth(), face()[1], A)


@claim("lesson06-gap-dip", lambda v: max(v) < gap_bicubic(0) - 0.5)
def gap_dip(seed):
    return study.gap(network(seed), face()[1], A)


@claim("lesson06-right-bicubic", lambda v: max(v) < right_tv(0) - 0.02, digits=2)
def right_bicubic(seed):
    return study.right(smooth(), face()[0], A)


@claim("lesson06-right-tv", lambda v: 0.05 < min(v) <= max(v) < 0.4, digits=2)
def right_tv(seed):
    return study.right(tv(), face()[0], A)


@claim("lesson06-right-dip", lambda v: right_bicubic(0) + 0.05 < min(v) <= max(v) < 0.4, digits=2)
def right_dip(seed):
    return study.right(network(seed), face()[0], A)


@claim("lesson06-back", lambda v: min(v) > 0.3, unit="dB")
def back(seed):
    """What ten steps of back-projection add to bicubic."""
    x, y = face()
    x_hat = smooth()
    for _ in range(10):
        x_hat = x_hat + baselines.nearest(y - A(x_hat), 4)
    return metrics.psnr(x_hat, x) - metrics.psnr(smooth(), x)


@claim("lesson06-long", lambda v: max(map(max, v)) - min(map(min, v)) < 0.5, text=all_of)
def long(seed):
    """PSNR of the recording's frames from step 500 on, whatever the seed."""
    history = recordings.load("06_long")
    x = images.load("face", history.frames.shape[-1])
    late = [i for i, step in enumerate(history.steps) if step >= 500]
    return [metrics.psnr(history.frame(i), x) for i in late]


# ---- the published convention


@claim("lesson06-luma", lambda v: min(map(min, v)) > 0.3, text=all_of)
def luma(seed):
    """PSNR of Y minus PSNR of RGB, for bicubic, TV and the network."""
    x = face()[0]
    results = smooth(), tv(), network(seed)
    return [study.published(x_hat, x) - metrics.psnr(x_hat, x) for x_hat in results]


@claim("lesson06-luma-gain", lambda v: min(v) > 0.5, unit="dB")
def luma_gain(seed):
    x = face()[0]
    return study.published(network(seed), x) - study.published(smooth(), x)


# ---- ×8, at full size


@cache
def eighth():
    x, B = face()[0], degrade.Downsample(8)
    return x, B(x), B


@claim("lesson06-eight-bicubic", lambda v: 21 < min(v) <= max(v) < 24, unit="dB")
def eight_bicubic(seed):
    x, y, _ = eighth()
    return metrics.psnr(baselines.bicubic(y, 8), x)


@claim("lesson06-eight-tv", lambda v: min(v) > eight_bicubic(0) + 0.5, unit="dB")
def eight_tv(seed):
    x, y, B = eighth()
    return metrics.psnr(study.tv(y, B, baselines.bicubic(y, 8)), x)


@claim("lesson06-eight-dip", lambda v: min(v) > eight_bicubic(0) + 0.5, unit="dB")
def eight_dip(seed):
    x, y, B = eighth()
    preset = presets.get("superres")
    preset = replace(preset, net=preset.net | {"skip": (0, 0, 0, 4, 4)})
    return metrics.psnr(study.dip(y, B, preset, 8, seed).final, x)


# ---- where the skips begin (the stored table)


def stored(factor, first, seed, column="network"):
    key = {"factor": factor, "first skip": first, "seed": seed}
    rows = recordings.table("06_skips")["rows"]
    (row,) = [r for r in rows if all(r[k] == v for k, v in key.items())]
    return row[column]


@claim("lesson06-skips-own", lambda v: min(v) > 0.3, unit="dB")
def skips_own(seed):
    """×4: what skips from y's own scale gain over skips at all scales."""
    return stored(4, 2, seed) - stored(4, 0, seed)


@claim("lesson06-skips-none", lambda v: min(v) > 0.05, unit="dB")
def skips_none(seed):
    """×4: what they gain over the hourglass."""
    return stored(4, 2, seed) - stored(4, None, seed)


@claim("lesson06-skips-early", lambda v: min(v) > 0.5, unit="dB")
def skips_early(seed):
    """×2: what skips from y's own scale gain over skips from the next finer one, the full size."""
    return stored(2, 1, seed) - stored(2, 0, seed)


@claim("lesson06-skips-late", lambda v: min(v) > 0.5, unit="dB")
def skips_late(seed):
    """×2: what skips from y's own scale gain over skips from the next coarser one."""
    return stored(2, 1, seed) - stored(2, 2, seed)


@claim("lesson06-skips-eight", lambda v: max(map(max, v)) - min(map(min, v)) < 1.5, text=all_of)
def skips_eight(seed):
    """×8: PSNR of all networks."""
    return [stored(8, first, seed) for first in (0, 1, 2, 3, None)]


# ---- sweeps at the small size


@cache
def small_face():
    return images.load("face", study.SMALL_SIDE)


@cache
def small_classical(factor):
    return study.classical(small_face(), factor)


@cache
def small_network(factor, seed):
    B = degrade.Downsample(factor)
    preset = study.with_skips(study.small(), study.own_scale(factor))
    return metrics.psnr(study.dip(B(small_face()), B, preset, factor, seed).final, small_face())


def gains(factor, seed):
    return small_network(factor, seed) - small_classical(factor)["bicubic"]


def over(factor, seed):
    return small_network(factor, seed) - small_classical(factor)["TV"]


@claim("lesson06-factors", lambda v: min(v) > 0.5, unit="dB")
def factors(seed):
    """The smallest gain of the network over bicubic at factors 2 to 8."""
    return min(gains(factor, seed) for factor in (2, 3, 4, 6, 8))


@claim("lesson06-factor-two", lambda v: min(v) > 0.5, unit="dB")
def factor_two(seed):
    return gains(2, seed)


@claim("lesson06-factor-eight", lambda v: min(v) > 0.5, unit="dB")
def factor_eight(seed):
    return gains(8, seed)


@claim("lesson06-factors-tv", lambda v: max(map(max, v)) < 1.5, text=all_of)
def factors_tv(seed):
    """What the network has over TV, at each factor."""
    return [over(factor, seed) for factor in (2, 3, 4, 6, 8)]


@cache
def rate(lr, seed):
    """PSNR and the mean of the last losses."""
    preset, y = study.with_skips(study.small(), 2), A(small_face())
    history = study.dip(y, A, preset, 4, seed, lr=lr, optimizer="adam")
    return metrics.psnr(history.final, small_face()), float(history.loss[-20:].mean())


@claim("lesson06-rate", lambda v: min(v) > 0.1, unit="dB")
def rates(seed):
    """What a learning rate of .01 has over .001 after the same steps."""
    return rate(0.01, seed)[0] - rate(0.001, seed)[0]


@claim("lesson06-rate-loss", lambda v: max(v) < 1.3)
def rate_loss(seed):
    """The last losses with .001 over those with .01."""
    return rate(0.001, seed)[1] / rate(0.01, seed)[1]


# ---- the wrong operator


@cache
def mismatched(case, seed):
    """PSNR of the lesson's fits, by their place in its list, and their last losses."""
    given = {"small": study.small(), "small_x": small_face(), "small_y": A(small_face()), "A": A}
    names = lesson_code.run("06", "build-lanczos", "wrong-operator", **given)
    exec(lesson_code.source("06", "run-wrong").split("\nfits")[0], names)
    data, _, operator = names["cases"][case]
    preset = study.with_skips(study.small(), 2)
    history = study.dip(names["made"][data], operator, preset, 4, seed)
    return metrics.psnr(history.final, small_face()), float(history.loss[-20:].mean())


@claim("lesson06-wrong-pillow", lambda v: max(map(abs, v)) < 0.5, unit="dB")
def wrong_pillow(seed):
    """What the fit to Pillow's picture gains by the right operator."""
    return mismatched(2, seed)[0] - mismatched(1, seed)[0]


@claim("lesson06-wrong-fourth", lambda v: min(v) > 2, unit="dB")
def wrong_fourth(seed):
    """What the fit to every fourth pixel gains by the right operator."""
    return mismatched(4, seed)[0] - mismatched(3, seed)[0]


@claim("lesson06-wrong-psnr", lambda v: max(v) < 20, unit="dB")
def wrong_psnr(seed):
    return mismatched(3, seed)[0]


@claim("lesson06-wrong-loss", lambda v: max(v) < 3)
def wrong_loss(seed):
    """The last loss with the wrong operator over that with the right one, every fourth pixel."""
    return mismatched(3, seed)[1] / mismatched(4, seed)[1]


# ---- other photos (the stored table)


def over_on_photos(other, seed, *photos):
    """What the network has over another method."""
    rows = [r for r in recordings.table("06_photos")["rows"] if r["seed"] == seed]
    return [r["network"] - r[other] for r in rows if r["photo"] in photos]


@claim("lesson06-photos", lambda v: min(map(min, v)) > 0.2, text=all_of)
def photos(seed):
    return over_on_photos("bicubic", seed, "face", "chelsea", "coffee", "rocket", "camera")


@claim("lesson06-photos-tv", lambda v: min(map(min, v)) > 0.1, text=all_of)
def photos_tv(seed):
    return over_on_photos("TV", seed, "face", "coffee", "rocket")


@claim("lesson06-photos-camera", lambda v: min(v) > 0.1, unit="dB")
def photos_camera(seed):
    return -over_on_photos("TV", seed, "camera")[0]


@claim("lesson06-photos-brick", lambda v: max(abs(gain) for (gain,) in v) < 0.3, text=all_of)
def photos_brick(seed):
    return over_on_photos("bicubic", seed, "brick")
