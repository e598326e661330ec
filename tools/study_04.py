"""What lesson 04 shows without running it: a long fit, and two tables over several photos.

    python -m tools.record 04_long             the long fit
    python -m tools.study_04 [tricks] [jpeg]   the tables; both without names

Rows that are there are not measured again.
"""

import argparse
from itertools import product

import torch

from dipcourse import degrade, fit, images, metrics, presets
from tests import lesson_code
from tools.studies import Table, recording

SIGMA = 25 / 255
PLAIN = {"jitter": 0, "steps": 800}
PHOTOS = ("face", "coffee", "chelsea", "rocket")
KEPT = (0, 100, 200, 500, 1000, 1500, 2500, 4000, 6000, 8000, 10_000)  # the project's among them

#: the very code of the lesson: wavelets(y, threshold), classical(y, x, noise)
LESSON = lesson_code.run("04", "build-wavelets", "build-classical")


def noisy(x, seed, sigma=SIGMA, kind="gaussian"):
    return degrade.add_noise(x, sigma, kind, torch.Generator().manual_seed(seed))


def denoise(y, preset=None, seed=0, **changes):
    """As in the lesson."""
    preset = preset or presets.get("denoise")
    net, z = preset.make(*y.shape[1:], seed=seed)
    settings = preset.fit | {"seed": seed, "progress": False} | changes
    return fit.fit(net, z, y, degrade.Identity(), **settings)


def psnrs(history, x, mean=False):
    return [metrics.psnr(history.frame(i, mean), x) for i in range(len(history))]


def classical(y, x, noise):
    """PSNR of each method without a network, at its best strength for x."""
    return {k: metrics.psnr(v, x) for k, v in LESSON["classical"](y, x, noise).items()}


@recording("04_long", preset="denoise")
def long(preset):
    """The denoising fit of the face for 10,001 steps, with frames at the steps of a report."""
    x = images.load("face", preset.size)
    net, z = preset.make(seed=0)
    settings = {k: v for k, v in preset.fit.items() if k != "steps"}
    stepper = fit.Stepper(net, z, noisy(x, 0), degrade.Identity(), **settings)
    for k in range(KEPT[-1] + 1):
        stepper.step()
        if k in KEPT:
            stepper.snapshot()
    return stepper.history()


def tricks():
    """Each trick on each photo, σ = 25/255, one noise and the seeds 0 and 1 of the network."""
    table = Table("04_tricks", key=("photo",))
    for name in PHOTOS:
        if table.has(photo=name):
            continue
        x = images.load(name, presets.get("denoise").size)
        y = noisy(x, 0)
        plain, first, second = denoise(y, **PLAIN), denoise(y), denoise(y, seed=1)
        row = {
            "photo": name,
            "noisy": metrics.psnr(y, x),
            "plain, best": max(psnrs(plain, x)),
            "its mean": max(psnrs(plain, x, mean=True)),
            "jitter, best": max(psnrs(first, x)),
            "its mean, last": metrics.psnr(first.mean, x),
            "of two": metrics.psnr((first.mean + second.mean) / 2, x),
        }
        table.add(_rounded(row | classical(y, x, SIGMA)))
    print(table)


def jpeg():
    """JPEG files mended by a plain fit, and by the classical methods."""
    table = Table("04_jpeg", key=("photo", "quality"))
    for name, quality in product(PHOTOS, (10, 20)):
        if table.has(photo=name, quality=quality):
            continue
        x = images.load(name, presets.get("denoise").size)
        y = degrade.jpeg(x, quality)
        history = denoise(y, **PLAIN)
        row = {
            "photo": name,
            "quality": quality,
            "JPEG": metrics.psnr(y, x),
            "best frame": max(psnrs(history, x)),
            "best mean": max(psnrs(history, x, mean=True)),
            "last frame": psnrs(history, x)[-1],
        }
        table.add(_rounded(row | classical(y, x, metrics.mse(y, x) ** 0.5)))
    print(table)


def _rounded(row):
    return {k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()}


def main(arguments=None):
    studies = {"tricks": tricks, "jpeg": jpeg}
    parser = argparse.ArgumentParser(prog="python -m tools.study_04", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME", help="tricks, jpeg; default: both")
    for name in parser.parse_args(arguments).names or studies:
        studies[name]()


if __name__ == "__main__":
    main()
