"""How fast the laptop presets are: from the tables that presets.py has stored.

The quality of each step and the time of a step were measured apart; seconds are their product.
"""

import json
from functools import cache

from dipcourse.presets import get
from tools.measured.claims import claim, signed, spread
from tools.measured.speed import presets
from tools.measured.tables import STORED

PROCESSORS = ("avx512", "avx2")  # with bfloat16, and float32 alone
#: what is claimed: task, candidate, baseline, by how many dB it is to be passed
GOALS = {
    "denoise": ("denoise", "preset", "NLM", 0),
    "mean": ("denoise", "mean of 3", "NLM", 0),
    "inpaint": ("inpaint", "preset", "linear", 1),
    "superres": ("superres", "preset", "bicubic", 0.5),
}


@cache
def rows(name):
    """The rows of a stored table."""
    return json.loads((STORED / f"{name}.json").read_text(encoding="utf-8"))["rows"]


def row(processor, kind, **key):
    (found,) = (
        r for r in rows(f"presets_{processor}_{kind}") if all(r[k] == v for k, v in key.items())
    )
    return found


def seconds_a_step(processor, task, candidate):
    key = {"task": task, "candidate": candidate, "side": presets.SIDE}
    return row(processor, "pace", **key)["ms a step"] / 1e3


def passes(processor, seed, task, candidate, baseline, margin):
    """Seconds until the running mean is so much above the baseline, on the face."""
    found = row(processor, "quality", task=task, candidate=candidate, photo="face", seed=seed)
    first = next(i for i, v in enumerate(found["mean"]) if v >= found[baseline] + margin)
    return (first + 1) * presets.EVERY * seconds_a_step(processor, task, candidate)


def gain(processor, seed, task, candidate, baseline, photo="face", side=presets.SIDE):
    """How much the running mean is above the baseline after the preset's last step."""
    key = {"task": task, "candidate": candidate, "photo": photo, "side": side, "seed": seed}
    found = row(processor, "quality", **key)
    steps = get(task, "laptop").fit["steps"]
    return found["mean"][steps // presets.EVERY - 1] - found[baseline]


def register(name, processor):
    task, candidate, *_ = goal = GOALS[name]
    limit = {"avx512": 30, "avx2": 60}[processor]

    @claim(f"speed-{name}-{processor}", unit="s", digits=0, holds=lambda s: max(s) <= limit)
    def time(seed):
        return passes(processor, seed, *goal)

    @claim(f"speed-{name}-{processor}-whole", unit="s", digits=0, holds=lambda s: max(s) <= 90)
    def whole(seed):
        steps = get(task, "laptop").fit["steps"]
        return steps * seconds_a_step(processor, task, candidate)


def register_gain(name):
    task, candidate, baseline, margin = GOALS[name]

    @claim(f"speed-{name}-avx512-gain", unit="dB", holds=lambda gains: min(gains) > margin)
    def above(seed):
        return gain("avx512", seed, task, candidate, baseline)


def step(name, processor, limit, ratio="ratio", of=("paper", "small", "laptop")):
    @claim(
        f"speed-step-{name}-{processor}",
        holds=lambda ratios: max(map(max, ratios)) < limit,
        text=lambda ratios: spread(ratios[0], digits=2),
    )
    def ratios(seed):
        """Time of a step, divided by a plain loop's, of `make bench`: one run, no seeds."""
        found = rows(f"bench_{processor}")
        return [r[ratio] for r in found if r["row"].split()[0] in of]


step("small", "avx512", 0.75, of=("small", "laptop"))
step("paper", "avx512", 0.45, of=("paper",))
step("kept", "avx512", 1, "kept ratio")
step("small", "avx2", 0.9, of=("small", "laptop"))
step("paper", "avx2", 1, of=("paper",))
step("kept", "avx2", 1.1, "kept ratio")


def busy(id, beside, limit):
    @claim(
        f"speed-busy-{id}",
        holds=lambda ratios: ratios[0] < limit,
        text=lambda ratios: f"{ratios[0]:.1f}",
    )
    def ratio(seed):
        """Time of a step of lesson 00 beside other programs, divided by that on a quiet machine."""
        return busy_row(beside)["ratio"]


def busy_row(beside):
    (row,) = (r for r in rows("busy_avx512") if r["beside"] == beside)
    return row


@claim("speed-busy-before", holds=lambda v: v[0] > 3, text=lambda v: f"{v[0]:.0f}")
def before(seed):
    """The same beside two other fits, all with two threads."""
    return busy_row("two other fits")["all cores ms"] / busy_row("quiet")["fit's ms"]


busy("program", "one busy program", 3)
busy("programs", "a busy program for each core", 3)
busy("fit", "one other fit", 3)
busy("fits", "two other fits", 3.5)

for _name in GOALS:
    register_gain(_name)
    for _processor in PROCESSORS:
        register(_name, _processor)


def told(id, candidate, holds):
    @claim(f"speed-told-{id}", unit="dB", holds=holds, text=signed)
    def above(seed):
        """How far the running mean ends above non-local means that is told σ."""
        return gain("avx512", seed, "denoise", candidate, "NLM told")


told("one", "preset", lambda gains: max(map(abs, gains)) < 0.3)
told("three", "mean of 3", lambda gains: min(gains) > 0.1)


SIX = ("chelsea", "coffee", "camera", "rocket", "brick", "coins")


def won(id, baseline, at_least):
    @claim(
        f"speed-{id}",
        holds=lambda wins: len(set.intersection(*map(set, wins))) >= at_least,
        text=lambda wins: f"{len(set.intersection(*map(set, wins)))} of 6",
    )
    def photos(seed):
        """The photos on which the mean of three fits is above non-local means."""
        return [p for p in SIX if gain("avx512", seed, "denoise", "mean of 3", baseline, p) > 0]


won("photos", "NLM", 4)
won("photos-told", "NLM told", 3)


@claim("speed-photos-256", holds=lambda wins: wins[0] == 4, text=lambda wins: f"{wins[0]} of 6")
def large(seed):
    """The same at 256², one seed of the noise."""
    return sum(gain("avx512", 0, "denoise", "mean of 3", "NLM", p, 256) > 0 for p in SIX)


@claim(
    "speed-busy-lessons", holds=lambda found: max(found[0]) < 3, text=lambda found: spread(found[0])
)
def whole_lessons(seed):
    """Seconds of each lesson beside another notebook, divided by those on a quiet machine."""
    return [row["ratio"] for row in rows("lessons_avx512")]
