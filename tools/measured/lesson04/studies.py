"""What lesson 04 shows without running it: long fits, and two tables over several photos.

python -m tools.measured record 04_long 04_uniform 04_jpeg_long    the long fits
python -m tools.measured tables 04_tricks 04_jpeg                  the tables
"""

from dataclasses import replace
from itertools import product

import numpy as np
import torch

from dipcourse import degrade, fit, images, metrics, presets
from dipcourse.fit.walk import walk
from tools import lesson_code
from tools.measured.recordings import recording
from tools.measured.tables import table

SIGMA = 25 / 255
PLAIN = {"jitter": 0, "steps": 800}
PHOTOS = ("face", "coffee", "chelsea", "rocket")
KEPT = (0, 100, 200, 500, 1000, 1500, 2500, 4000, 6000, 8000, 10_000)  # the project's among them

#: the very code of the lesson; where it takes a preset, it is given one here
LESSON = lesson_code.run(
    "04",
    "build-denoise",
    "build-path",
    "build-classical",
    "build-medians",
    "build-repair",
    **dict.fromkeys(("preset", "small", "x")),
)
psnrs = LESSON["psnrs"]


def noisy(x, seed, sigma=SIGMA, kind="gaussian"):
    return degrade.add_noise(x, sigma, kind, torch.Generator().manual_seed(seed))


def denoise(y, preset=None, seed=0, **changes):
    """The lesson's fit, without its bar."""
    preset = preset or presets.get("denoise")
    return LESSON["denoise"](y, preset, seed, progress=False, **changes)


def scores(pictures, x):
    """PSNR of each of the pictures that the lesson holds by their methods' names."""
    return {name: metrics.psnr(picture, x) for name, picture in pictures.items()}


def classical(y, x, noise):
    """PSNR of each method without a network, at its best strength for x."""
    return scores(LESSON["classical"](y, x, noise), x)


def film(preset, y, operator, kept, **changes):
    """A fit of y up to the last of the steps to keep, with a frame at each of them."""
    net, z = preset.make(*y.shape[1:], seed=0)
    settings = {k: v for k, v in preset.fit.items() if k != "steps"}
    stepper = fit.Stepper(net, z, y, operator, **settings | changes)
    for _ in walk(stepper, kept[-1] + 1, kept):
        pass
    return stepper.history()


@recording("04_long", preset="denoise")
def long(preset):
    """The denoising fit of the face for 10,001 steps, with frames at the steps of a report."""
    y = noisy(images.load("face", preset.size), 0)
    return film(preset, y, degrade.Identity(), KEPT)


@recording("04_uniform", preset="denoise")
def uniform(preset):
    """The same fit with uniform noise of the same σ, and frames at the same steps."""
    y = noisy(images.load("face", preset.size), 0, kind="uniform")
    return film(preset, y, degrade.Identity(), KEPT)


#: The network of the authors' JPEG example; learning rate and jitter are those of denoising.
JPEG_NET = {"widths": (8, 16, 32, 64, 128), "skip": (0, 0, 0, 4, 4), "upsample": "bilinear"}
JPEG_SIDE, JPEG_STEPS = 96, 50_000
JPEG_USUAL = 2400  # the authors' number of steps


@recording("04_jpeg_long", preset="denoise", scale="paper")
def jpeg_long(preset):
    """A JPEG of the face, quality 10, 96², the authors' network for it, 50,000 steps."""
    authors = replace(preset, size=JPEG_SIDE, net=JPEG_NET, z={"channels": 3})
    evenly = np.geomspace(10, JPEG_STEPS - 1, 38).round().astype(int).tolist()  # on a log axis
    y = degrade.jpeg(images.load("face", JPEG_SIDE), 10)
    kept = sorted({0, JPEG_USUAL, *evenly})
    return film(authors, y, degrade.Identity(), kept, precision="float32", threads=1)


@table("04_tricks", key=("photo",))
def tricks(table):
    """Each trick on each photo, σ = 25/255, one noise and the seeds 0 and 1 of the network."""
    table.fill([(name,) for name in PHOTOS], tricks_row)


def tricks_row(name):
    x = images.load(name, presets.get("denoise").size)
    y = noisy(x, 0)
    plain, first, second = denoise(y, **PLAIN), denoise(y), denoise(y, seed=1)
    row = {
        "photo": name,
        "noisy": metrics.psnr(y, x),
        "plain, best": max(psnrs(plain, reference=x)),
        "its mean": max(psnrs(plain, True, x)),
        "jitter, best": max(psnrs(first, reference=x)),
        "its mean, last": metrics.psnr(first.mean, x),
        "of two": metrics.psnr((first.mean + second.mean) / 2, x),
    }
    return rounded(row | classical(y, x, SIGMA))


@table("04_jpeg", key=("photo", "quality"))
def jpeg(table):
    """JPEG files mended by a plain fit, and by the classical methods."""
    table.fill(product(PHOTOS, (10, 20)), jpeg_row)


def jpeg_row(name, quality):
    x = images.load(name, presets.get("denoise").size)
    y = degrade.jpeg(x, quality)
    history = denoise(y, **PLAIN)
    row = {
        "photo": name,
        "quality": quality,
        "JPEG": metrics.psnr(y, x),
        "best frame": max(psnrs(history, reference=x)),
        "best mean": max(psnrs(history, True, x)),
        "last frame": psnrs(history, reference=x)[-1],
    }
    return rounded(row | classical(y, x, metrics.mse(y, x) ** 0.5))


def rounded(row):
    return {k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()}
