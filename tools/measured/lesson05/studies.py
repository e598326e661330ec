"""What lesson 05 shows of long runs, of settings and of seeds.

python -m tools.measured record 05_text 05_half 05_hole 05_region    fits of 8,000 steps
python -m tools.measured tables 05_settings 05_seeds     one setting at a time; 11 photos
python -m tools.measured figures 05_settings 05_seeds    their figures, images/05_*.png
"""

from dataclasses import replace

import numpy as np
import torch
from matplotlib.figure import Figure

from dipcourse import degrade, images, metrics, presets, recordings, show
from dipcourse.fit import frame_steps
from tools import lesson_code
from tools.measured.figures import figure
from tools.measured.lesson04.studies import film
from tools.measured.recordings import recording
from tools.measured.tables import table

HALF, HOLE = "half of the pixels", "a large hole"

#: the very code of the lesson, with its number of steps; its networks are given a preset here
LESSON = lesson_code.run(
    "05",
    "build-damages",
    "build-fill",
    "build-classical",
    "build-networks",
    preset=presets.get("inpaint"),
    STEPS=300,
)
damages, fill, network = (LESSON[k] for k in ("damages", "fill", "network"))
plan_resnet = LESSON["plan_resnet"]


def classical(x, mask):
    """PSNR of the hidden pixels of the fillings without a network, {name: dB}."""
    filled = LESSON["classical"](degrade.Mask(mask)(x), mask)
    return {name: metrics.psnr(x_hat, x, 1 - mask) for name, x_hat in filled.items()}


def table_of_seeds():
    """What the lesson makes of its table: ``ahead(row, name)``, and ``gains``, {photo: [dB, …]}."""
    return lesson_code.run("05", "build-gains", recordings=recordings)


def settings_of(damage):
    """PSNR of the last pictures, {(setting, value): one number for each seed}."""
    found = {}
    for row in recordings.table("05_settings")["rows"]:
        if row["damage"] == damage:
            found.setdefault((row["setting"], row["value"]), []).append(row["final"])
    return found


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
    return long_run(network(5, 0, preset), HOLE)


#: the steps of the second region in a student project; the last step of 8,000 is 7999
REGION_STEPS = (0, 500, 1500, 4000, 7999)


@recording("05_region", preset="inpaint")
def long_region(preset):
    """A region of the face, 64², 8,000 steps, without skips, with frames at a project's steps."""
    hide = degrade.Mask(damages(64)["a region"])
    kept = sorted({*REGION_STEPS, *frame_steps(8000, 30)})
    return film(replace(network(5, 0, preset), size=64), hide(images.load("face", 64)), hide, kept)


# ---- one setting at a time

SEEDS = range(3)
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
    ("optimiser", "descent, η = 1"): {"fit": {"optimizer": "gradient descent", "lr": 1.0}},
    ("optimiser", "descent, η = 10"): {"fit": {"optimizer": "gradient descent", "lr": 10.0}},
}


def changed(base, lr=1, z=None, fit=None):
    """The preset with something changed; lr is a factor."""
    options = {**base.fit, "lr": lr * base.fit["lr"], **(fit or {})}
    return replace(base, z=base.z | (z or {}), fit=options)


@table("05_settings", key=("damage", "setting", "value", "seed"))
def settings(table):
    """Half of the pixels with skips, the hole without: each change alone."""
    x, preset = images.load("face", SIDE), presets.get("inpaint", "laptop")
    for seed in SEEDS:
        for damage, skip in ((HALF, 4), (HOLE, 0)):
            base = network(5, skip, preset, STEPS)
            mask = damages(SIDE, seed)[damage]
            y, fillings = degrade.Mask(mask)(x), None
            for (setting, value), change in CHANGES.items():
                key = {"damage": damage, "setting": setting, "value": value, "seed": seed}
                if table.has(**key):
                    continue
                fillings = fillings or classical(x, mask)
                history = fill(y, mask, changed(base, **change), seed)
                psnr = metrics.psnr(history.mean, x, 1 - mask)
                final = metrics.psnr(history.final, x, 1 - mask)
                others = {name: round(v, 2) for name, v in fillings.items()}
                row = key | {"psnr": round(psnr, 2), "final": round(final, 2)} | others
                table.add(row | {"loss": round(float(history.loss[-1]), 6)})
                print(*row.values(), flush=True)


# ---- eleven photos, as many as the paper's table has

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "camera", "brick")
PHOTOS += ("grass", "gravel", "coins", "page", "text")


@table("05_seeds", key=("photo", "seed"))
def seeds(table):
    """Half of the pixels, grey photos of 96²; a seed draws mask, weights and z."""
    preset = presets.get("inpaint", "laptop")
    for photo in PHOTOS:
        x = images.load(photo, 96, grey=True)
        for seed in SEEDS:
            if table.has(photo=photo, seed=seed):
                continue
            mask = damages(96, seed)[HALF]
            steps = preset.fit["steps"]
            history = fill(degrade.Mask(mask)(x), mask, preset, seed, frames=2 * steps)
            last = [i for i, k in enumerate(history.steps) if k >= steps - 100]
            frames = [metrics.psnr(history.frame(i), x, 1 - mask) for i in last]
            row = {"photo": photo, "seed": seed}
            row |= {k: round(v, 2) for k, v in classical(x, mask).items()}
            row["final"] = round(metrics.psnr(history.final, x, 1 - mask), 2)
            row["mean"] = round(metrics.psnr(history.mean, x, 1 - mask), 2)
            row |= {"low": round(min(frames), 2), "high": round(max(frames), 2)}
            table.add(row)
            print(*row.values(), flush=True)


# ---- figures


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


@figure("05_settings")
def draw_settings():
    """Two panels: PSNR for each changed setting; the preset's range grey, biharmonic dashed."""
    table = recordings.table("05_settings")["rows"]
    drawing = Figure(figsize=(9, 5.6), dpi=150, layout="constrained")
    said = []
    panels = zip(drawing.subplots(1, 2, sharey=True), (HALF, HOLE), strict=True)
    for number, (axes, damage) in enumerate(panels):
        rows = {"  ".join(key).strip(): values for key, values in settings_of(damage).items()}
        axes.axvspan(min(rows["as it is"]), max(rows["as it is"]), color="0.87")
        line = np.mean([row["biharmonic"] for row in table if row["damage"] == damage])
        axes.axvline(line, color="0.2", ls="--", lw=1.2)
        axes.text(line, -0.6, "biharmonic", ha="center", va="bottom", fontsize=9)
        dots(axes, rows, number)
        axes.set_title(damage, loc="left", fontsize=11, pad=14)
        axes.set_xlabel("PSNR of the hidden pixels, in dB", fontsize=10)
        said += [f"{damage}, biharmonic {line:.1f}"]
        said += [f"{name} {min(v):.1f} to {max(v):.1f}" for name, v in rows.items()]
    alt = f"Dots for each seed, one setting changed at a time, PSNR in dB. {'; '.join(said)}."
    return drawing, alt


@figure("05_seeds")
def draw_seeds():
    """For each photo the gain over the best filling without a network, and the last 100 steps."""
    found = table_of_seeds()
    ahead, gains, swings = found["ahead"], found["gains"], {}
    for row in found["rows"]:
        ends = ahead(row, "low"), ahead(row, "high")
        swings.setdefault(row["photo"], []).extend(ends)
    order = sorted(gains, key=lambda name: -np.median(gains[name]))
    drawing = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    axes = drawing.subplots()
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
    return drawing, alt.replace("-", "−")
