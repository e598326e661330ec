"""What lesson 05 shows of long runs, of settings and of seeds.

    python -m tools.record 05_text 05_half 05_hole     fits of 8,000 steps
    python -m tools.study_05 settings seeds            the tables: one setting at a time; 11 photos
    python -m tools.study_05 figures                   their figures, images/05_*.png

Tables are kept row by row: a study that was stopped goes on where it was. The functions above the
tables are those of the lesson; a test compares them.
"""

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from dipcourse import (
    baselines,
    degrade,
    fit,
    images,
    metrics,
    nets,
    presets,
    priors,
    recordings,
    show,
)
from tools.studies import Table, recording

FIGURES = Path(__file__).parents[1] / "images"
HALF, HOLE = "half of the pixels", "a large hole"


# ---- as in the lesson


def damages(side, seed=0):
    """The lesson's masks for a picture of side × side, {name: (1, 1, side, side)}."""
    rng, unit = torch.Generator().manual_seed(seed), side // 32
    collar = [unit * n for n in (23, 1, 30, 7)]  # top, left, bottom, right
    hair = [unit * n for n in (5, 22, 13, 30)]
    return {
        "text": degrade.text_mask(side, side),
        HALF: degrade.random_mask(side, side, 0.5, rng),
        "98 % of the pixels": degrade.random_mask(side, side, 0.02, rng),
        "a region": degrade.hole_mask(side, side, *collar, shape="ellipse"),
        HOLE: degrade.hole_mask(side, side, *hair),
    }


def tv(y, mask, steps=300):
    def prior(x_hat):
        return 0.01 * priors.total_variation(x_hat) / x_hat.numel()

    start = baselines.linear(y, mask)
    net, options = nets.PixelImage(start), {"lr": 0.02, "progress": False}
    return fit.fit(net, None, y, degrade.Mask(mask), steps=steps, prior=prior, **options).final


def fill(y, mask, preset, seed=0, **changes):
    """The fit of a preset to the known pixels."""
    net, z = preset.make(y.shape[1], *y.shape[2:], seed=seed)
    options = {**preset.fit, "progress": False, "seed": seed, **changes}
    return fit.fit(net, z, y, degrade.Mask(mask), **options)


def network(preset, scales, skip, steps=300):
    """The preset with so many scales of 32 channels, other skips, and plain Adam."""
    net = preset.net | {"widths": (32,) * scales, "skip": skip}
    return replace(preset, net=net, fit={"steps": steps, "lr": 0.01})


def resnet(preset, y, mask, seed=0, steps=300):
    """The History of a ResNet, fitted as ``network`` is."""
    _, z = preset.make(y.shape[1], *y.shape[2:], seed=seed)
    net, options = nets.ResNet(z.shape[1], y.shape[1], width=16), {"lr": 0.01, "progress": False}
    return fit.fit(net, z, y, degrade.Mask(mask), steps=steps, **options)


CLASSICAL = {"linear": baselines.linear, "biharmonic": baselines.biharmonic, "tv": tv}


def measure_classical(x, mask):
    """PSNR of the hidden pixels of the fillings without a network, {name: dB}."""
    y = degrade.Mask(mask)(x)
    return {name: metrics.psnr(f(y, mask), x, 1 - mask) for name, f in CLASSICAL.items()}


# ---- long runs


def long_run(preset, damage):
    x, mask = images.load("face", 64), damages(64)[damage]
    return fill(degrade.Mask(mask)(x), mask, preset, steps=8000, frames=30)


@recording("05_text", preset="inpaint")
def long_text(preset):
    """Text on the face, 64², 8,000 steps."""
    return long_run(preset, "text")


@recording("05_half", preset="inpaint")
def long_half(preset):
    """Half of the pixels of the face, 64², 8,000 steps."""
    return long_run(preset, HALF)


@recording("05_hole", preset="inpaint")
def long_hole(preset):
    """A large hole in the face, 64², 8,000 steps, without skips."""
    return long_run(network(preset, 5, 0), HOLE)


# ---- one setting at a time

SIDE, STEPS = 64, 150

#: (setting, value) → what changes: lr is a factor; z and fit replace entries of the preset
CHANGES = {
    ("as it is", ""): {},
    ("steps", "÷ 3"): {"fit": {"steps": 50}},
    ("steps", "× 3"): {"fit": {"steps": 450}},
    ("learning rate", "÷ 10"): {"lr": 0.1},
    ("learning rate", "÷ 3"): {"lr": 1 / 3},
    ("learning rate", "× 3"): {"lr": 3},
    ("learning rate", "× 10"): {"lr": 10},
    ("channels of z", "1"): {"z": {"channels": 1}},
    ("channels of z", "32"): {"z": {"channels": 32}},
    ("kind of z", "normal"): {"z": {"kind": "normal"}},
    ("kind of z", "grid"): {"z": {"channels": 2, "kind": "grid"}},
    ("scale of z", "0.001"): {"z": {"scale": 0.001}},
    ("scale of z", "1"): {"z": {"scale": 1}},
    ("jitter", "0.03"): {"fit": {"jitter": 0.03}},
    ("jitter", "0.1"): {"fit": {"jitter": 0.1}},
    ("optimiser", "RMSprop"): {"fit": {"optimizer": torch.optim.RMSprop}},
    ("optimiser", "descent, α = 1"): {"fit": {"optimizer": "gradient descent", "lr": 1.0}},
    ("optimiser", "descent, α = 10"): {"fit": {"optimizer": "gradient descent", "lr": 10.0}},
}


def changed(base, lr=1, z=None, fit=None):
    """The preset with something changed; lr is a factor."""
    options = {**base.fit, "lr": lr * base.fit["lr"], **(fit or {})}
    return replace(base, z=base.z | (z or {}), fit=options)


def settings(seeds):
    """Half of the pixels with skips, the hole without: each change alone."""
    table = Table("05_settings", key=("damage", "setting", "value", "seed"))
    x, preset = images.load("face", SIDE), presets.get("inpaint", "laptop")
    for seed in seeds:
        for damage, skip in ((HALF, 4), (HOLE, 0)):
            base = network(preset, 5, skip, STEPS)
            mask = damages(SIDE, seed)[damage]
            y, classical = degrade.Mask(mask)(x), None
            for (setting, value), change in CHANGES.items():
                key = {"damage": damage, "setting": setting, "value": value, "seed": seed}
                if table.has(**key):
                    continue
                classical = classical or measure_classical(x, mask)
                history = fill(y, mask, changed(base, **change), seed)
                psnr = metrics.psnr(history.mean, x, 1 - mask)
                final = metrics.psnr(history.final, x, 1 - mask)
                others = {name: round(v, 2) for name, v in classical.items()}
                row = key | {"psnr": round(psnr, 2), "final": round(final, 2)} | others
                table.add(row | {"loss": round(float(history.loss[-1]), 6)})
                print(*row.values(), flush=True)


# ---- eleven photos, as many as the paper's table has

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "camera", "brick")
PHOTOS += ("grass", "gravel", "coins", "page", "text")


def seeds(numbers):
    """Half of the pixels, grey photos of 96²; a seed draws mask, weights and z."""
    table = Table("05_seeds", key=("photo", "seed"))
    preset = presets.get("inpaint", "laptop")
    for photo in PHOTOS:
        x = images.load(photo, 96, grey=True)
        for seed in numbers:
            if table.has(photo=photo, seed=seed):
                continue
            mask = damages(96, seed)[HALF]
            steps = preset.fit["steps"]
            history = fill(degrade.Mask(mask)(x), mask, preset, seed, frames=2 * steps)
            last = [i for i, k in enumerate(history.steps) if k >= steps - 100]
            frames = [metrics.psnr(history.frame(i), x, 1 - mask) for i in last]
            row = {"photo": photo, "seed": seed}
            row |= {k: round(v, 2) for k, v in measure_classical(x, mask).items()}
            row["final"] = round(metrics.psnr(history.final, x, 1 - mask), 2)
            row["mean"] = round(metrics.psnr(history.mean, x, 1 - mask), 2)
            row |= {"low": round(min(frames), 2), "high": round(max(frames), 2)}
            table.add(row)
            print(*row.values(), flush=True)


def best(row):
    """The best filling without a network, in dB."""
    return max(row[name] for name in CLASSICAL)


# ---- figures


def figure_of(path, figure, alt):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi, metadata={"Description": alt})
    show.Picture(file.getvalue()).save(path)


def dots(axes, rows, number):
    """A line of dots for each name of {name: values}, from the top down."""
    for place, values in enumerate(rows.values()):
        axes.plot([min(values), max(values)], [place, place], color=show.COLOURS[number], lw=1.5)
        axes.plot(values, [place] * len(values), show.MARKERS[number], ms=4, mfc="none")
        axes.lines[-1].set_color(show.COLOURS[number])
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=9)
    axes.grid(color="0.9", axis="both")
    axes.spines[["top", "right"]].set_visible(False)


def draw_settings():
    """Two panels: PSNR for each changed setting; the preset's range grey, biharmonic dashed."""
    table = recordings.table("05_settings")["rows"]
    figure = Figure(figsize=(9, 5.6), dpi=150, layout="constrained")
    said = []
    panels = zip(figure.subplots(1, 2, sharey=True), (HALF, HOLE), strict=True)
    for number, (axes, damage) in enumerate(panels):
        mine = [row for row in table if row["damage"] == damage]
        rows = {}
        for row in mine:
            rows.setdefault(f"{row['setting']}  {row['value']}".strip(), []).append(row["final"])
        axes.axvspan(min(rows["as it is"]), max(rows["as it is"]), color="0.87")
        line = np.mean([row["biharmonic"] for row in mine])
        axes.axvline(line, color="0.2", ls="--", lw=1.2)
        axes.text(line, -0.6, "biharmonic", ha="center", va="bottom", fontsize=9)
        dots(axes, rows, number)
        axes.set_title(damage, loc="left", fontsize=11, pad=14)
        axes.set_xlabel("PSNR of the hidden pixels, in dB", fontsize=10)
        said += [f"{damage}, biharmonic {line:.1f}"]
        said += [f"{name} {min(v):.1f} to {max(v):.1f}" for name, v in rows.items()]
    alt = f"Dots for each seed, one setting changed at a time, PSNR in dB. {'; '.join(said)}."
    figure_of(FIGURES / "05_settings.png", figure, alt)


def draw_seeds():
    """For each photo the gain over the best filling without a network, and the last 100 steps."""
    table = recordings.table("05_seeds")["rows"]
    gains, swings = {}, {}
    for row in table:
        gains.setdefault(row["photo"], []).append(row["mean"] - best(row))
        swings.setdefault(row["photo"], []).extend(
            [row["low"] - best(row), row["high"] - best(row)]
        )
    order = sorted(gains, key=lambda name: -np.median(gains[name]))
    figure = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(order):
        ends = min(swings[name]), max(swings[name])
        axes.plot(ends, [place, place], color="0.75", lw=6, solid_capstyle="butt")
    axes.axvline(0, color="0.2", ls="--", lw=1.2)
    dots(axes, {name: gains[name] for name in order}, 0)
    axes.set_xlabel(
        "gain over the best of linear, biharmonic and TV, in dB; grey: the last 100 steps",
        fontsize=10,
    )
    said = [f"{name} {min(gains[name]):+.1f} to {max(gains[name]):+.1f}" for name in order]
    alt = f"Gain of the network, in dB, a dot for each of three seeds: {'; '.join(said)}."
    figure_of(FIGURES / "05_seeds.png", figure, alt.replace("-", "−"))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.study_05", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("parts", nargs="+", choices=("settings", "seeds", "figures"))
    parts = parser.parse_args(arguments).parts
    if "settings" in parts:
        settings(range(3))
    if "seeds" in parts:
        seeds(range(3))
    if "figures" in parts:
        draw_settings()
        draw_seeds()


if __name__ == "__main__":
    main()
