"""What lesson 06 shows of other photos, of the place of the skips and of a long run.

python -m tools.measured record 06_long             a fit of 2,000 steps
python -m tools.measured tables 06_skips 06_photos  where the skips begin; six photos
"""

from itertools import product

from dipcourse import degrade, images, metrics
from tools import lesson_code
from tools.measured.recordings import recording
from tools.measured.tables import table

SEEDS = range(3)
HOURGLASS = 5  # no skip at any of the five scales
WITHOUT_NETWORK = ("nearest", "bicubic", "sharpened", "TV")

#: the very code of the lesson: dip(y, A, preset, factor, seed), plan_dip, tv(y, A, start)
LESSON = lesson_code.run("06", "build-tv", "build-dip", FACTOR=4)


def about(x, A):
    """The lesson's functions for a photo and its operator: project, gap, unseen, right."""
    return lesson_code.run("06", "project", "build-right", x=x, y=A(x), A=A)


def enlarged(x, factor):
    """The lesson's enlargements without a network, {name: picture}."""
    A = degrade.Downsample(factor)
    names = about(x, A) | {"tv": LESSON["tv"], "baselines": LESSON["baselines"]}
    return lesson_code.run("06", "baselines", **names, FACTOR=factor)["classical"]


def sweep():
    """The lesson's small face `small_x`, its settings `small`, and with_skips(first)."""
    return lesson_code.run("06", "sweep-settings")


# ---- a long run


@recording("06_long", preset="superres")
def long(preset):
    """×4 of the face, 2,000 steps, as many as in the paper's code."""
    x, A = images.load("face", size=preset.size), degrade.Downsample(4)
    return LESSON["dip"](A(x), A, preset, steps=2000, frames=25)


# ---- where the skips begin


@table("06_skips", key=("factor", "first skip", "seed"))
def skips(table):
    """Three factors at the small size; a row is one fit."""
    table.fill(product((2, 4, 8), (0, 1, 2, 3, None), SEEDS), skips_row)


def skips_row(factor, first, seed):
    names, A = sweep(), degrade.Downsample(factor)
    x = names["small_x"]
    preset = names["with_skips"](HOURGLASS if first is None else first)
    history = LESSON["dip"](A(x), A, preset, factor, seed, progress=False)
    return {
        "factor": factor,
        "first skip": first,
        "seed": seed,
        "network": round(metrics.psnr(history.final, x), 2),
        "running mean": round(metrics.psnr(history.mean, x), 2),
        "right": round(about(x, A)["right"](history.final), 3),
    }


# ---- other photos

PHOTOS = ("face", "chelsea", "coffee", "rocket", "camera", "brick")


@table("06_photos", key=("photo", "seed"))
def photos(table):
    """×4 on six photos at the small size; a seed draws weights and z."""
    table.fill([(photo, seed) for seed in SEEDS for photo in PHOTOS], photos_row)


def photos_row(photo, seed):
    preset, A = sweep()["small"], degrade.Downsample(4)
    x = images.load(photo, preset.size)
    pictures = enlarged(x, 4)
    found = {name: metrics.psnr(pictures[name], x) for name in WITHOUT_NETWORK}
    history = LESSON["dip"](A(x), A, preset, 4, seed, progress=False)
    found["network"] = metrics.psnr(history.final, x)
    found["running mean"] = metrics.psnr(history.mean, x)
    return {"photo": photo, "seed": seed} | {k: round(v, 2) for k, v in found.items()}
