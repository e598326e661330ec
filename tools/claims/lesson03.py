"""The numbers of lesson 03: how many steps each target takes, and in which order rings appear."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from torch import nn

from dipcourse import baselines, degrade, fit, images, live, metrics, nets, presets
from tools.claims import claim

PHOTOS = ("face", "coffee")
LONGEST = 400  # steps; a target that needs more has no half
SIGMA = 25 / 255


def photo(name="face", size=None):
    return images.load(name, size=size or presets.get("curves").size)


def random(seed):
    return torch.Generator().manual_seed(100 + seed)


@cache
def target(kind, seed, name="face", size=None):
    """One of the lesson's targets, drawn anew for each seed."""
    x, generator = photo(name, size), random(seed)
    if kind == "photo":
        return x
    if kind == "uniform":
        return torch.rand(x.shape, generator=generator)
    if kind in ("channels", "rows_columns", "pixels", "values"):
        return degrade.shuffle_pixels(x, kind, generator)
    if kind == "wild":
        return degrade.add_noise(x, 1.0, generator=generator, clip=False)
    return degrade.add_noise(x, float(kind), generator=generator)


def variance(y):
    return y.var((2, 3), correction=0).mean().item()


def preset(upsample="bilinear"):
    plain = presets.get("curves")
    return replace(plain, net=plain.net | {"upsample": upsample})


def half(y, seed, upsample="bilinear"):
    """The first step whose loss is below half of the variance."""
    net, z = preset(upsample).make(*y.shape[1:], seed=seed)
    stepper = fit.Stepper(net, z, y, degrade.Identity(), lr=preset().fit["lr"])
    for k in range(LONGEST):
        stepper.step()
        if stepper.look() < variance(y) / 2:
            return k
    return LONGEST


@cache
def halves(kind, seed, upsample="bilinear"):
    """Steps to half of the variance for each of the photos."""
    return [half(target(kind, seed, name), seed, upsample) for name in PHOTOS]


@cache
def run(kind, seed, steps=None, size=None):
    """A whole fit of the face."""
    y, settings = target(kind, seed, size=size), preset()
    net, z = settings.make(*y.shape[1:], seed=seed)
    steps = steps or settings.fit["steps"]
    return fit.fit(
        net, z, y, degrade.Identity(), steps=steps, lr=settings.fit["lr"], progress=False
    )


def span(values):
    """The range over seeds and photos: "6–13"."""
    numbers = np.ravel(values)
    return f"{min(numbers):g}–{max(numbers):g}" if min(numbers) < max(numbers) else f"{numbers[0]}"


def count(id, kind, holds, upsample="bilinear"):
    """Register the claim: steps to half of the variance for this kind of target."""

    @claim(f"lesson03-{id}", text=span, holds=lambda values: holds(np.ravel(values)))
    def steps(seed):
        return halves(kind, seed, upsample)


count("photo", "photo", lambda steps: max(steps) <= 15)
count("sigma25", str(SIGMA), lambda steps: max(steps) <= 18)
count("sigma128", "0.5", lambda steps: min(steps) >= 45)
count("sigma255", "1.0", lambda steps: min(steps) >= 45)
count("pixels", "pixels", lambda steps: min(steps) >= 45)
count("uniform", "uniform", lambda steps: min(steps) >= 45)
count("channels", "channels", lambda steps: max(steps) <= 15)
count("rows", "rows_columns", lambda steps: min(steps) >= 45)
count("values", "values", lambda steps: min(steps) >= 45)

FAST = ("photo", str(SIGMA))
SLOW = ("0.5", "1.0", "pixels", "uniform", "rows_columns", "values")


@cache
def cat(kind, seed):
    """Steps to half of the variance for the cat, whose contrast is low."""
    return half(target(kind, seed, "chelsea"), seed)


def times(ratios):
    return "–".join(f"{f(ratios):.1f}" for f in (min, max))


@claim("lesson03-cat-near", text=times, holds=lambda ratios: min(ratios) > 1.5)
def cat_near(seed):
    """Steps for the cat with weak noise over those for the clean cat: here they are not equal."""
    return cat(str(SIGMA), seed) / cat("photo", seed)


@claim("lesson03-cat-ratio", text=times, holds=lambda ratios: max(ratios) < 0.6)
def cat_ratio(seed):
    """Steps for the cat with weak noise over those for its shuffled pixels."""
    return cat(str(SIGMA), seed) / cat("pixels", seed)


@claim(
    "lesson03-near",
    text=lambda ratios: "–".join(f"{f(np.ravel(ratios)):.1f}" for f in (min, max)),
    holds=lambda ratios: np.min(ratios) > 0.5 and np.max(ratios) < 2,
)
def near(seed):
    """Steps for the photo + noise 25/255, divided by steps for the photo."""
    return [b / a for a, b in zip(*(halves(kind, seed) for kind in FAST), strict=True)]


@claim(
    "lesson03-ratio",
    text=lambda ratios: f"at most {np.max(ratios):.2f}",
    holds=lambda ratios: np.max(ratios) <= 0.3,
)
def ratio(seed):
    """Steps of the slower fast target over those of the fastest slow one, for each photo."""
    fast, slow = ([halves(kind, seed) for kind in kinds] for kinds in (FAST, SLOW))
    return (np.max(fast, axis=0) / np.min(slow, axis=0)).tolist()


@claim(
    "lesson03-share", unit="%", digits=0, holds=lambda values: 5 < min(values) < max(values) < 15
)
def share(seed):
    """Share of the noise in the variance of the photo + noise 25/255."""
    y = target(str(SIGMA), seed)
    return 100 * metrics.mse(y, photo()) / variance(y)


@claim("lesson03-crossing", text=span, holds=lambda steps: min(steps) > 60 and max(steps) < 250)
def crossing(seed):
    """First step at which the curve of the shuffled pixels is below that of the noisy photo."""
    noisy, shuffled = (
        run(kind, seed).loss / variance(target(kind, seed)) for kind in (str(SIGMA), "pixels")
    )
    assert shuffled[-1] < 0.7 * noisy[-1]
    return 20 + int(np.argmax(shuffled[20:] < noisy[20:]))  # at the very start all are level


def shuffled_in_part(x, part, generator):
    """As the lesson's shuffle_some."""
    where = torch.randperm(x[0, 0].numel(), generator=generator)
    where = where[: round(part * len(where))]
    flat = x.flatten(2).clone()
    flat[:, :, where] = flat[:, :, where[torch.randperm(len(where), generator=generator)]]
    return flat.view_as(x)


def rung(id, part, holds):
    @claim(f"lesson03-{id}", text=span, holds=holds)
    def steps(seed):
        return half(shuffled_in_part(photo(), part, random(seed)), seed)


rung("rung2", 0.2, lambda steps: max(steps) <= 25)
rung("rung4", 0.4, lambda steps: min(steps) >= 30)


@claim("lesson03-large-photo", text=span, holds=lambda steps: max(steps) <= 15)
def large_photo(seed):
    """Steps to half of the variance for the photo with twice the side."""
    return half(target("photo", seed, size=128), seed)


def unlearnt(seed, size=None):
    y = target("uniform", seed, size=size)
    return 100 * float(run("uniform", seed, 150, size).loss[-1]) / variance(y)


@claim(
    "lesson03-large-noise",
    unit="%",
    digits=0,
    seeds=range(6),
    holds=lambda values: min(values) > 50,
)
def large_noise(seed):
    """What is left of uniform noise with twice the side after 150 steps."""
    return unlearnt(seed, 128)


@claim("lesson03-small-noise", unit="%", digits=0, holds=lambda values: max(values) < 40)
def small_noise(seed):
    """What is left of uniform noise after 150 steps."""
    return unlearnt(seed)


def ring(history, y, number, step):
    x_hat = history.frame(history.nearest(step))
    return float(metrics.explained_energy(x_hat, y)[number - 1])


@cache
def by_coordinates(seed):
    """The fit of uniform noise by a network on coordinates, as in the lesson."""

    def dense(a, b):
        return nn.Sequential(nn.Conv2d(a, b, 1), nn.ReLU())

    y = target("uniform", seed)
    torch.manual_seed(seed)
    to_colour = nn.Conv2d(64, 3, 1)
    net = nn.Sequential(dense(2, 64), dense(64, 64), dense(64, 64), to_colour, nn.Sigmoid())
    grid = 2 * nets.fixed_input(2, *y.shape[2:], kind="grid", scale=1) - 1
    settings = {"steps": preset().fit["steps"], "precision": "float32", "progress": False}
    return fit.fit(net, grid, y, degrade.Identity(), **settings)


def energy(id, history, number, step, holds):
    @claim(f"lesson03-{id}", digits=2, holds=holds)
    def explained(seed):
        return ring(history(seed), target("uniform", seed), number, step)


energy("unet-low", lambda seed: run("uniform", seed), 2, 60, lambda v: min(v) > 0.45)
energy("unet-high", lambda seed: run("uniform", seed), 5, 60, lambda v: max(v) < 0.25)
energy("mlp-low", by_coordinates, 1, 399, lambda v: min(v) > 0.3)
energy("mlp-high", by_coordinates, 5, 399, lambda v: max(v) < 0.05)

count("bilinear", "uniform", lambda steps: min(steps) >= 70)
count("nearest", "uniform", lambda steps: max(steps) <= 80, "nearest")


def other(id, make, holds):
    @claim(f"lesson03-{id}", text=span, seeds=range(6), holds=holds)
    def steps(seed):
        return half(make(seed), seed)


def middle():
    side = presets.get("curves").size
    start = (512 - side) // 2
    return live.crop(start, start, side)(images.load("grass")).contiguous()


other("grass-small", lambda seed: photo("grass"), lambda steps: min(steps) >= 45)
other("grass-middle", lambda seed: middle(), lambda steps: max(steps) <= 35)
other(
    "grass-shuffled",
    lambda seed: degrade.shuffle_pixels(middle(), "pixels", random(seed)),
    lambda steps: min(steps) >= 45,
)


other("known", lambda seed: 10 * preset().make(seed=seed)[1][:, :3], lambda s: max(s) <= 50)


@claim("lesson03-floor", digits=2, holds=lambda v: min(v) > 0.4 and max(v) < 0.5)
def floor(seed):
    """Lowest possible loss / variance for photo + noise 1.0 that is not clipped."""
    y = target("wild", seed)
    return metrics.mse(y, y.clamp(0, 1)) / variance(y)


@cache
def psnrs(seed):
    history = run(str(SIGMA), seed)
    return [metrics.psnr(history.frame(i), photo()) for i in range(len(history))]


@cache
def best_nlm(seed):
    nlm = partial(baselines.nlm, sigma=SIGMA)
    y = target(str(SIGMA), seed)
    x_hat = baselines.best_of(nlm, y, np.linspace(0.03, 0.1, 8), photo())
    return metrics.psnr(x_hat, photo())


@claim(
    "lesson03-peak",
    unit="dB",
    holds=lambda v: all(p < best_nlm(s) - 0.3 for s, p in enumerate(v)),
)
def peak(seed):
    """PSNR of the best single output of the photo + noise 25/255: below non-local means."""
    return max(psnrs(seed))


@claim("lesson03-end", unit="dB", holds=lambda v: all(e < best_nlm(s) - 2 for s, e in enumerate(v)))
def end(seed):
    """PSNR of the best single output among its last 50 steps."""
    late = run(str(SIGMA), seed).steps >= preset().fit["steps"] - 50
    return float(np.array(psnrs(seed))[late].max())


@claim("lesson03-nlm", unit="dB", holds=lambda values: min(values) > 26)
def nlm(seed):
    """PSNR of non-local means at its best strength."""
    return best_nlm(seed)
