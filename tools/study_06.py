"""What lesson 06 shows of other photos, of the place of the skips and of a long run.

    python -m tools.record 06_long             a fit of 2,000 steps
    python -m tools.study_06 skips photos      the tables: where the skips begin; six photos

Tables are kept row by row: a study that was stopped goes on where it was. The functions above the
tables are those of the lesson; a test compares them.
"""

import argparse
from dataclasses import replace

import torch

from dipcourse import baselines, degrade, fit, images, metrics, nets, presets, priors
from tools.studies import Table, recording

SMALL_SIDE, SMALL_STEPS, SCALES = 96, 300, 5


# ---- as in the lesson


def tv(y, A, start, weight=0.01, steps=300):
    def prior(x_hat):
        return weight * priors.total_variation(x_hat) / x_hat.numel()

    pixels = nets.PixelImage(start)
    return fit.fit(pixels, None, y, A, steps=steps, lr=0.02, prior=prior, progress=False).final


def project(start, y, A):
    """The picture with A(x̂) = y that is nearest to the start."""
    descent = {"steps": 30, "lr": start.numel() / 2, "optimizer": "gradient descent"}
    return fit.fit(nets.PixelImage(start), None, y, A, **descent, progress=False).final


def unseen(x, A):
    """The difference of x from the picture with the same A(x) that is nearest to grey."""
    return x - project(torch.full_like(x, 0.5), A(x), A)


def right(x_hat, x, A):
    """The share of the unseen part of x that x_hat has right; 0 for the picture nearest to grey."""
    part = unseen(x, A)
    return (1 - (unseen(x_hat, A) - part).pow(2).sum() / part.pow(2).sum()).item()


def gap(x_hat, y, A):
    """The distance of A(x_hat) from y, in grey levels."""
    return 255 * (A(x_hat) - y).pow(2).mean().sqrt().item()


def luma(x):
    weights = torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1) / 255
    return (x.clamp(0, 1) * weights).sum(1, keepdim=True) + 16 / 255


def published(x_hat, x, border=4):
    """PSNR by the convention of published tables: of Y alone, without the border."""
    inside = (..., slice(border, -border), slice(border, -border))
    return metrics.psnr(luma(x_hat)[inside], luma(x)[inside])


def with_skips(preset, first):
    """The preset with skips from this scale on, 0 for the full size; None for an hourglass."""
    first = SCALES if first is None else first
    return replace(preset, net=preset.net | {"skip": (0,) * first + (4,) * (SCALES - first)})


def own_scale(factor):
    """The finest scale that is not finer than the pixels of y."""
    return factor.bit_length() - 1


def small(steps=SMALL_STEPS):
    """The settings of the lesson's sweeps."""
    preset = presets.get("superres", "laptop")
    return replace(preset, size=SMALL_SIDE, fit=preset.fit | {"steps": steps})


def dip(y, A, preset, factor, seed=0, **changes):
    height, width = (n * factor for n in y.shape[2:])
    net, z = preset.make(y.shape[1], height, width, seed)
    return fit.fit(net, z, y, A, **{**preset.fit, "progress": False, "seed": seed, **changes})


def classical(x, factor):
    """PSNR of the enlargements without a network, {name: dB}; sharpened with its best amount."""
    A = degrade.Downsample(factor)
    y = A(x)
    smooth = baselines.bicubic(y, factor)
    sharpened = baselines.best_of(baselines.sharpen, smooth, (0.5, 1, 2), x)
    return {
        "nearest": metrics.psnr(baselines.nearest(y, factor), x),
        "bicubic": metrics.psnr(smooth, x),
        "sharpened": metrics.psnr(sharpened, x),
        "TV": metrics.psnr(tv(y, A, smooth), x),
    }


# ---- a long run


@recording("06_long", preset="superres")
def long(preset):
    """×4 of the face, 2,000 steps, as many as in the paper's code."""
    x, A = images.load("face", size=preset.size), degrade.Downsample(4)
    return dip(A(x), A, preset, 4, steps=2000, frames=25, progress=None)


# ---- where the skips begin


def skips(seeds):
    """Three factors at the small size; a row is one fit."""
    table = Table("06_skips", key=("factor", "first skip", "seed"))
    x = images.load("face", SMALL_SIDE)
    for factor in (2, 4, 8):
        A = degrade.Downsample(factor)
        y = A(x)
        for first in (0, 1, 2, 3, None):
            for seed in seeds:
                if table.has(factor=factor, seed=seed, **{"first skip": first}):
                    continue
                history = dip(y, A, with_skips(small(), first), factor, seed)
                row = {"factor": factor, "first skip": first, "seed": seed}
                row["network"] = round(metrics.psnr(history.final, x), 2)
                row["running mean"] = round(metrics.psnr(history.mean, x), 2)
                row["right"] = round(right(history.final, x, A), 3)
                table.add(row)
                print(*row.values(), flush=True)


# ---- other photos

PHOTOS = ("face", "chelsea", "coffee", "rocket", "camera", "brick")


def photos(seeds):
    """×4 on six photos at the small size; a seed draws weights and z."""
    table = Table("06_photos", key=("photo", "seed"))
    preset, A = small(), degrade.Downsample(4)
    for seed in seeds:
        for photo in PHOTOS:
            if table.has(photo=photo, seed=seed):
                continue
            x = images.load(photo, preset.size)
            history = dip(A(x), A, preset, 4, seed)
            found = classical(x, 4)
            found["network"] = metrics.psnr(history.final, x)
            found["running mean"] = metrics.psnr(history.mean, x)
            table.add({"photo": photo, "seed": seed} | {k: round(v, 2) for k, v in found.items()})
            print(table.rows[-1], flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.study_06", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("parts", nargs="+", choices=("skips", "photos"))
    parts = parser.parse_args(arguments).parts
    if "skips" in parts:
        skips(range(3))
    if "photos" in parts:
        photos(range(3))


if __name__ == "__main__":
    main()
