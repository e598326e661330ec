"""The studies of lesson 12: the deep image prior's rivals, where each of them breaks, and outliers.

python -m tools.measured tables 12_rivals 12_worlds 12_salt
python -m tools.measured figures 12_rivals
"""

import time
from functools import cache
from itertools import product

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from dipcourse import baselines, degrade, fit, images, metrics, nets, presets, recordings, show
from dipcourse.fit.machine import keep_freed_memory
from tools import lesson_code
from tools.measured.figures import figure
from tools.measured.tables import table

SIDE, SIGMA, SEEDS = 96, 25 / 255, (0, 1, 2)
FEW, LONG, MANY = 400, 1000, 1500  # steps

CELLS = ("photo", "build-layers", "build-loop", "build-report", "build-pairs", "build-n2n")
CELLS += ("build-sure", "build-by-sure", "build-photos", "build-trained", "build-incumbents")
CELLS += ("build-smooth",)


@cache
def lesson():
    """The very code of the lesson, with the answers to its exercises."""
    keep_freed_memory()
    names = lesson_code.run("12", *CELLS)
    for exercise in ("exercise-waves", "exercise-outliers"):
        names |= lesson_code.answer("12", exercise)
    return names


def photo():
    return images.load("face", SIDE)


def noisy(x, seed, clip, sigma=SIGMA):
    rng = torch.Generator().manual_seed(seed)
    return degrade.add_noise(x, sigma, generator=rng, clip=clip)


# ---- the methods: each returns the PSNR of its pictures, in the order in which it drew them


def prior(y, x, seed):
    history = fit.side_by_side([lesson()["plan_prior"](y, seed)], progress=False)[0]
    return [metrics.psnr(history.frame(i, mean=True), x) for i in range(len(history))]


def pairs(y, x, seed):
    return lesson()["course"](lesson()["by_pairs"](y, FEW, seed), x)


def by_sure(y, x, seed, sigma=SIGMA, steps=FEW):
    return lesson()["course"](lesson()["by_sure"](y, sigma, steps, seed), x)


def photos(y, x, seed, steps=FEW):
    return lesson()["course"](lesson()["by_photos"](SIGMA, steps, y, seed)[1], x)


def coordinates(y, x, seed, spread=3, count=128, width=128):
    """A coordinate network: waves of each pixel's place in, its colour out."""
    torch.manual_seed(seed)
    waves = spread * torch.randn(count, 2)
    places = lesson()["wave_features"](y.shape[2], waves)
    layers = [nn.Linear(2 * count, width), nn.ReLU()]
    layers += [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    layers += [nn.Linear(width, 3)]

    def draw(net):
        return net(places).T.reshape(y.shape)  # (1, 3, H, W)

    return minimised(nn.Sequential(*layers), y, x, draw, 0.001, steps=600)


def decoder(y, x, seed, width=64, scales=4):
    torch.manual_seed(seed)
    z = nets.fixed_input(width, SIDE // 2**scales, SIDE // 2**scales, seed=seed)
    net = nets.DeepDecoder(width, 3, width=width, scales=scales)
    return minimised(net, y, x, lambda net: net(z), 0.01, steps=MANY)


def minimised(net, y, x, draw, lr, steps=800):
    def loss_now():
        return ((draw(net) - y) ** 2).mean()

    return lesson()["course"](lesson()["minimise"](net, loss_now, lambda: draw(net), steps, lr), x)


def fed_back(y, x, seed, weight=1.0, every=5, steps=600):
    """Autoencoding sequential DIP: z becomes the output every few steps, from z = y on."""
    torch.manual_seed(seed)
    net = nets.UNet(3, 3, **presets.get("overfit").net)
    now = {"z": y, "step": 0}

    def loss_now():
        if now["step"] and now["step"] % every == 0:
            with torch.no_grad():
                now["z"] = net(now["z"])
        now["step"] += 1
        x_hat = net(now["z"])
        return ((x_hat - y) ** 2).mean() + weight * ((x_hat - now["z"]) ** 2).mean()

    drawn = lesson()["minimise"](net, loss_now, lambda: net(now["z"]), steps, 0.01)
    return lesson()["course"](drawn, x)


def self_guided(y, x, seed, weight=1.0, noise=0.3, steps=800):
    """Self-guided DIP: z is learned with the weights, and the network keeps it as it is.

    The picture is an exponential mean of the outputs, since z carries fresh noise at each step.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    net = nets.UNet(3, 3, **presets.get("overfit").net)
    net.z = nn.Parameter(y.clone())
    now = {"mean": y}

    def loss_now():
        fresh = noise * net.z.detach().std() * torch.randn(y.shape, generator=rng)
        x_hat = net(net.z + fresh)
        now["mean"] = 0.9 * now["mean"] + 0.1 * x_hat.detach()
        return ((x_hat - y) ** 2).mean() + weight * ((x_hat - net.z) ** 2).mean()

    drawn = lesson()["minimise"](net, loss_now, lambda: now["mean"], steps, 0.01)
    return lesson()["course"](drawn, x)


def nlm(y, x, seed):
    return [metrics.psnr(lesson()["nlm_at_best"](y, x), x)]


def tv(y, x, seed):
    weights = SIGMA * np.arange(0.4, 1.5, 0.1)
    return [metrics.psnr(baselines.best_of(baselines.tv, y, weights, x), x)]


def many_photos(y, x, seed):
    return photos(y, x, seed, steps=LONG)


def long_sure(y, x, seed):
    return by_sure(y, x, seed, steps=2 * FEW)


FILE, RAW = "a file", "raw"
#: method: what it knows, whether the noise was cut off, and the function
METHODS = {
    "TV": ("best weight", FILE, tv),
    "non-local means": ("best strength, σ", FILE, nlm),
    "deep image prior": ("nothing", FILE, prior),
    "deep decoder": ("nothing", FILE, decoder),
    "coordinate network": ("nothing", FILE, coordinates),
    "output fed back": ("nothing", FILE, fed_back),
    "self-guided": ("nothing", FILE, self_guided),
    "zero-shot Noise2Noise": ("nothing", FILE, pairs),
    "SURE": ("σ", FILE, long_sure),
    "three other photos": ("σ, photos", FILE, photos),
    "three other photos, long": ("σ, photos", FILE, many_photos),
    "non-local means, raw": ("best strength, σ", RAW, nlm),
    "deep image prior, raw": ("nothing", RAW, prior),
    "SURE, raw": ("σ", RAW, long_sure),
}


def raced(method, seed):
    knows, kind, run = METHODS[method]
    x = photo()
    y = noisy(x, seed, clip=kind == FILE)
    lesson()
    start = time.perf_counter()
    found = run(y, x, seed)
    seconds = time.perf_counter() - start
    row = {"method": method, "seed": seed, "knows": knows, "best": max(found), "last": found[-1]}
    return row | {"seconds": round(seconds, 1)}


@table("12_rivals", key=("method", "seed"))
def rivals(table):
    """The face with noise of σ = 25/255 by each method: best and last PSNR, three seeds."""
    table.fill(product(METHODS, SEEDS), raced)


# ---- where each of them breaks


def page():
    return images.crop(images.load("page", grey=False), 40, 20, SIDE)


#: the first is the one in which no assumption is wrong
WORLDS = ("as assumed", "smooth noise", "σ = 10", "σ = 50", "2σ believed", "a page")


def given(world, seed):
    """The clean picture, the raw noisy one, its σ, and the σ that is believed."""
    x = page() if world == "a page" else photo()
    if world == "smooth noise":
        return x, lesson()["smooth_noise"](seed), SIGMA, SIGMA
    sigma = {"σ = 10": 10 / 255, "σ = 50": 50 / 255}.get(world, SIGMA)
    believed = 2 * sigma if world == "2σ believed" else sigma
    return x, noisy(x, seed, False, sigma), sigma, believed


@cache
def trained(sigma, seed):
    return lesson()["by_photos"](sigma, FEW, photo(), seed)[0]


@cache
def without_sigma(world, seed):
    """What does not ask for σ, and so does not suffer from a wrong one."""
    x, y, sigma, _ = given(world, seed)
    return {
        "NLM": metrics.psnr(lesson()["nlm_at_best"](y, x, sigma), x),
        "prior": max(prior(y, x, seed)),
        "pairs": max(pairs(y, x, seed)),
    }


def broken(world, seed):
    x, y, sigma, believed = given(world, seed)
    wrong = believed > sigma
    net = trained(believed if wrong else SIGMA, seed)
    with torch.no_grad():
        by_photos = lesson()["denoised"](net, y.clamp(0, 1))
    row = {"world": world, "seed": seed} | without_sigma(WORLDS[0] if wrong else world, seed)
    row |= {"SURE": max(by_sure(y, x, seed, believed, steps=FEW // 2))}
    return row | {"other photos": metrics.psnr(by_photos, x)}


@table("12_worlds", key=("world", "seed"))
def worlds(table):
    """Five worlds in which an assumption is wrong, and one in which none is; best PSNR, in dB."""
    table.fill(product(WORLDS, SEEDS), broken)


# ---- salt and pepper


def squared(x_hat, y):
    return ((x_hat - y) ** 2).mean()


def absolute(x_hat, y):
    return (x_hat - y).abs().mean()


def salted_prior(y, x, seed, error):
    net, z = presets.get("overfit").make(3, SIDE, SIDE, seed)
    drawn = lesson()["minimise"](net, lambda: error(net(z), y), lambda: net(z), 1200, 0.01)
    return lesson()["course"](drawn, x)


def doubled(y, x, seed, rate=0.05, start=1e-3):
    """The picture by the network, wrong pixels by g² − h², each with its own learning rate."""
    net, z = presets.get("overfit").make(3, SIDE, SIDE, seed)
    wrong = {"g": torch.full_like(y, start), "h": torch.full_like(y, start)}

    def loss_now():
        x_hat = net(z)
        loss = squared(x_hat + wrong["g"] ** 2 - wrong["h"] ** 2, y)
        step = lesson()["outlier_step"](x_hat.detach(), y, wrong["g"], wrong["h"], rate)
        wrong["g"], wrong["h"] = step
        return loss

    return lesson()["course"](lesson()["minimise"](net, loss_now, lambda: net(z), 1200, 0.01), x)


def holes(y, x, seed):
    """Every pixel that is black or white is taken for a hole and filled."""
    known = 1 - ((y == 0) | (y == 1)).all(1, keepdim=True).float()
    return [metrics.psnr(baselines.biharmonic(known * y, known), x)]


def medians(y, x, seed):
    return [max(metrics.psnr(baselines.median(y, n), x) for n in (3, 5))]


SALTED = {
    "median, best window": medians,
    "prior, squared error": lambda y, x, seed: salted_prior(y, x, seed, squared),
    "prior, absolute error": lambda y, x, seed: salted_prior(y, x, seed, absolute),
    "prior, a place for wrong pixels": doubled,
    "black and white are holes": holes,
}


def salted(method, seed):
    x = photo()
    y = degrade.add_noise(x, 50 / 255, "salt_pepper", torch.Generator().manual_seed(seed))
    found = SALTED[method](y, x, seed)
    return {"method": method, "seed": seed, "best": max(found), "last": found[-1]}


@table("12_salt", key=("method", "seed"))
def salt(table):
    """Salt and pepper of σ = 50/255: best and last PSNR, in dB."""
    table.fill(product(SALTED, SEEDS), salted)


# ---- the figure


@figure("12_rivals")
def draw_rivals():
    """For each method its best and its last PSNR, three seeds; non-local means as a line."""
    rows = recordings.table("12_rivals")["rows"]
    drawing = Figure(figsize=(9, 5), dpi=150, layout="constrained")
    axes = drawing.subplots()
    said = []
    for place, method in enumerate(METHODS):
        chosen = [row for row in rows if row["method"] == method]
        best, last = ([row[column] for row in chosen] for column in ("best", "last"))
        for values, number, label in ((last, 1, "last step"), (best, 0, "best step")):
            style = {"color": show.COLOURS[number], "marker": show.MARKERS[number]}
            name = label if place == 0 else None
            axes.plot(values, [-place] * len(values), ls="", alpha=0.8, label=name, **style)
        said.append(f"{method} {np.median(best):.1f}, last {np.median(last):.1f}")
    for kind, ls in (("", "--"), (", raw", ":")):
        level = [row["best"] for row in rows if row["method"] == f"non-local means{kind}"]
        axes.axvline(np.median(level), color="0.2", ls=ls, lw=1.2)
    axes.set_yticks([-place for place in range(len(METHODS))], list(METHODS))
    label = "PSNR in dB, a mark for each seed; lines: non-local means, dotted on raw noise"
    axes.set_xlabel(label, fontsize=10)
    axes.grid(axis="x", color="0.88")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", fontsize=9)
    return drawing, f"PSNR in dB at the best step, median of three seeds: {'; '.join(said)}."
