"""The studies of lesson 10: a scanner, shadows, a blur and lost phases, each beside its rivals.

python -m tools.measured tables 10_scanner 10_others 10_phase
python -m tools.measured figures 10_gains 10_head
"""

from itertools import product

import numpy as np
import torch
from matplotlib.figure import Figure

from dipcourse import degrade, fit, images, metrics, presets, recordings, show
from tools import lesson_code
from tools.measured.figures import figure
from tools.measured.tables import table

SIDE, ODD, SMALL = 96, 95, 64
SEEDS = (0, 1, 2)  # of the rows, the noise, the weights and z
WEIGHTS = np.geomspace(0.001, 0.032, 11)  # of TV
STRENGTHS = np.geomspace(1, 32, 11)  # of TV, for shadows
IN_THE_SCANNER = "phantom", "coins", "face"

CELLS = ("build-phantom", "build-rows", "build-scanner", "build-measure", "build-tv")
CELLS += ("build-radon", "build-fbp", "build-both", "build-deblur", "build-rivals")
CELLS += ("build-phase", "build-hio")
PRESET = presets.get("inpaint", "laptop")
LONGER = PRESET.fit | {"steps": 1000}
#: the very code of the lesson
LESSON = lesson_code.run("10", *CELLS, preset=PRESET)
measure, tv_at_best, two_plans = (LESSON[k] for k in ("measure", "tv_at_best", "two_plans"))
at_best, aligned = LESSON["at_best"], LESSON["aligned"]


def photo(name, side):
    return LESSON["phantom"](side) if name == "phantom" else images.load(name, side, grey=True)


def psnrs(pictures, x):
    return {name: metrics.psnr(picture, x) for name, picture in pictures.items()}


def restored(A, y, start, x, weights, seed, options, where=1):
    """TV at its best, and the network without and with TV, {method: (1, C, H, W)}."""
    tv, weight = tv_at_best(A, y, start, x, weights, where)
    fits = fit.side_by_side(two_plans(A, y, x.shape[-1], weight, options, seed), progress=False)
    return {"TV": tv, **{name: where * done.mean for name, done in fits.items()}}


# ---- the scanner


def in_the_scanner(picture, seed):
    """The clean picture, and what is made of a third of its rows, {method: (1, C, H, W)}."""
    x, rng = photo(picture, SIDE), torch.Generator().manual_seed(seed)
    A = LESSON["Scanner"](LESSON["choose_rows"](SIDE, 1 / 3, rng))
    y = measure(A, x, 0.01, seed)
    zero_filled = A.back(y)
    found = restored(A, y, zero_filled, x, WEIGHTS, seed, LONGER)
    return x, {"zero-filled": zero_filled} | found


def scanned(picture, seed):
    x, found = in_the_scanner(picture, seed)
    return {"picture": picture, "seed": seed} | psnrs(found, x)


@figure("10_head")
def draw_head():
    """What a scanner offers of a third of the rows, and what two priors make of it; seed 0."""
    x, found = in_the_scanner("phantom", 0)
    shown = {name: found[name] for name in ("zero-filled", "TV", "network")}
    return show.images({**shown, "x": x}, reference=x, display=False)


@table("10_scanner", key=("picture", "seed"))
def scanner(table):
    """A third of the Fourier rows, three pictures, three seeds: zero-filled, TV, network, both."""
    table.fill(product(IN_THE_SCANNER, SEEDS), scanned)


# ---- shadows and a blur


def shadows(picture, seed):
    A = LESSON["Radon"](ODD, LESSON["DEGREES"])
    x = A.disc * photo(picture, ODD)
    y = measure(A, x, 0.3, seed)
    start = LESSON["best_fbp"](A, y, x)
    found = restored(A, y, start, x, STRENGTHS, seed, PRESET.fit, A.disc)
    return {"classical": metrics.psnr(start, x), "method": "FBP"} | psnrs(found, x)


def blurred(picture, seed):
    x, A = photo(picture, SIDE), degrade.Blur(1.5)
    y = measure(A, x, 2 / 255, seed)
    rivals = {
        "Wiener": at_best(LESSON["wiener"], y, A, x, LESSON["BALANCES"]),
        "Richardson–Lucy": at_best(LESSON["richardson_lucy"], y, A, x, LESSON["ROUNDS"]),
    }
    quality = psnrs(rivals, x)
    best = max(quality, key=quality.get)
    found = restored(A, y, y, x, WEIGHTS / 4, seed, PRESET.fit)
    plans = two_plans(degrade.Blur(2.0), y, SIDE, 0, PRESET.fit, seed)
    wrong = fit.side_by_side({"wrong kernel": plans["network"]}, progress=False)
    found |= {name: done.mean for name, done in wrong.items()}
    return {"classical": quality[best], "method": best} | psnrs(found, x)


MEASURED = {"shadows": shadows, "blur": blurred}
OTHERS = ("shadows", "phantom"), ("shadows", "face"), ("blur", "camera")


@table("10_others", key=("measured", "picture", "seed"))
def others(table):
    """Tomography of two pictures and a blur, three seeds, beside the classical methods."""

    def one(measured, picture, seed):
        row = {"measured": measured, "picture": picture, "seed": seed}
        return row | MEASURED[measured](picture, seed)

    table.fill([(*what, seed) for what in OTHERS for seed in SEEDS], one)


# ---- lost phases


def attempt(seed):
    x, A = images.load("face", SMALL, grey=True), LESSON["FourierSize"]()
    y = measure(A, x, 0.02, seed).clamp(min=0)
    by_hio = LESSON["hio"](y, SMALL, 1200, seed)
    net, z = PRESET.make(1, SMALL, SMALL, seed)
    options = LONGER | {"jitter": 0, "threads": 1, "progress": False}
    done = fit.fit(net, z, y, A, **options)
    return {
        "attempt": seed,
        "HIO": metrics.psnr(aligned(by_hio, x), x),
        "network": metrics.psnr(aligned(done.final, x), x),
        "its loss, 1e-4": 1e4 * float(done.loss[-20:].mean()),
    }


@table("10_phase", key=("attempt",))
def phase(table):
    """Phase retrieval with a known support, four attempts: HIO, and the network with its loss."""
    table.fill([(seed,) for seed in range(4)], attempt)


# ---- the figure


def gains(method):
    """Gain over TV in dB, {what and of which picture: one number for each seed}."""
    found = {}
    for name in ("10_scanner", "10_others"):
        for row in recordings.table(name)["rows"]:
            what = f"{row.get('measured', 'scanner')}: {row['picture']}"
            found.setdefault(what, []).append(row[method] - row["TV"])
    return found


@figure("10_gains")
def draw_gains():
    """For each measurement, what the network gains over TV, alone and with TV."""
    drawing = Figure(figsize=(9, 4.2), dpi=150, layout="constrained")
    axes = drawing.subplots()
    axes.axvline(0, color="0.2", ls="--", lw=1.2)
    said = []
    for number, method in enumerate(("network", "network + TV")):
        found = gains(method)
        for place, (what, values) in enumerate(found.items()):
            height = [-place - 0.2 * number] * len(values)
            style = {"color": show.COLOURS[number], "marker": show.MARKERS[number]}
            label = method if place == 0 else None
            axes.plot(values, height, ls="", alpha=0.8, label=label, **style)
            said.append(f"{method}, {what} {min(values):+.1f} to {max(values):+.1f}")
        axes.set_yticks([-place for place in range(len(found))], list(found))
    axes.set_xlabel("gain over TV at its best weight, in dB; a mark for each seed", fontsize=10)
    axes.grid(axis="x", color="0.88")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", fontsize=9)
    alt = f"Gain over TV in dB, a mark for each of three seeds: {'; '.join(said)}."
    return drawing, alt.replace("-", "−")
