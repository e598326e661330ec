"""What lesson 05 says about hidden pixels, architectures, settings and seeds."""

from functools import cache, partial

import numpy as np

from dipcourse import degrade, images, metrics, presets, recordings
from tools import study_05
from tools.claims import claim, signed
from tools.study_05 import HALF, HOLE, damages, fill, measure_classical, network

SIDE, SMALL = 192, 96
TWO, REGION, EYES = "98 % of the pixels", "a region", "the eyes"
# Another number of threads changes a fit without jitter, or over a hole, as much as a seed does.
six = partial(claim, unit="dB", seeds=range(6))
ten = partial(claim, unit="dB", seeds=range(10))


def masks(side, seed):
    unit = side // 32
    eyes = degrade.hole_mask(side, side, 12 * unit, 9 * unit, 16 * unit, 21 * unit)
    return damages(side, seed) | {EYES: eyes}


def problem(seed, damage, side):
    """The face, the mask and the file that is given."""
    x, mask = images.load("face", side), masks(side, seed)[damage]
    return x, mask, degrade.Mask(mask)(x)


@cache
def classical(seed, damage, side=SIDE):
    """PSNR of the hidden pixels, {name: dB}."""
    x, mask, _ = problem(seed, damage, side)
    return measure_classical(x, mask)


@cache
def run(seed, damage):
    """The lesson's fit at full size."""
    preset, (_, mask, y) = presets.get("inpaint"), problem(seed, damage, SIDE)
    return fill(y, mask, preset if damage in (HALF, "text") else network(preset, 6, 0), seed)


def filled(seed, damage):
    """PSNR of the running mean at the hidden pixels."""
    x, mask, _ = problem(seed, damage, SIDE)
    return metrics.psnr(run(seed, damage).mean, x, 1 - mask)


def best(seed, damage):
    return max(classical(seed, damage).values())


# ---- half of the pixels


@six("lesson05-half-linear", lambda v: 27 < min(v) <= max(v) < 29)
def half_linear(seed):
    return classical(seed, HALF)["linear"]


@six("lesson05-half-biharmonic", lambda v: 28 < min(v) <= max(v) < 30.5)
def half_biharmonic(seed):
    return classical(seed, HALF)["biharmonic"]


@six("lesson05-half-tv", lambda v: 27 < min(v) <= max(v) < 30)
def half_tv(seed):
    return classical(seed, HALF)["tv"]


@six("lesson05-half-net", lambda v: min(v) > 29)
def half_net(seed):
    return filled(seed, HALF)


@six("lesson05-half-gain", lambda v: min(v) > 1)
def half_gain(seed):
    """Gain over linear interpolation."""
    return filled(seed, HALF) - classical(seed, HALF)["linear"]


@six("lesson05-half-lead", lambda v: -0.1 < min(v) <= max(v) < 1, text=signed)
def half_lead(seed):
    """Gain over the best of the classical fillings."""
    return filled(seed, HALF) - best(seed, HALF)


# ---- text, and the damages that get the hourglass


@six("lesson05-text-best", lambda v: 29 < min(v) <= max(v) < 30.5)
def text_best(seed):
    return best(seed, "text")


@six("lesson05-text-net", lambda v: 28.5 < min(v) <= max(v) < 30.5)
def text_net(seed):
    return filled(seed, "text")


@six("lesson05-two-best", lambda v: 19 < min(v) <= max(v) < 21.5)
def two_best(seed):
    return best(seed, TWO)


@six("lesson05-two-net", lambda v: 18.5 < min(v) <= max(v) < 21.5)
def two_net(seed):
    return filled(seed, TWO)


@six("lesson05-region-best", lambda v: 13 < min(v) <= max(v) < 14.5)
def region_best(seed):
    return best(seed, REGION)


@six("lesson05-region-net", lambda v: min(v) > 11)
def region_net(seed):
    return filled(seed, REGION)


@ten("lesson05-hole-best", lambda v: 17 < min(v) <= max(v) < 18.5)
def hole_best(seed):
    return best(seed, HOLE)


@ten("lesson05-hole-net", lambda v: max(v) - min(v) > 1.5)
def hole_net(seed):
    return filled(seed, HOLE)


@six("lesson05-eyes-best", lambda v: min(v) > 13)
def eyes_best(seed):
    return best(seed, EYES)


@six("lesson05-eyes-net", lambda v: max(v) < 18)
def eyes_net(seed):
    return filled(seed, EYES)


# ---- architectures, 96²


@cache
def mean_of(seed, damage, scales, skip):
    """The running mean of one of the lesson's architectures; scales 0: the ResNet."""
    preset, (_, mask, y) = presets.get("inpaint"), problem(seed, damage, SMALL)
    if not scales:
        return study_05.resnet(preset, y, mask, seed).mean
    return fill(y, mask, network(preset, scales, skip), seed).mean


def drawn(seed, damage, scales, skip=0):
    x, mask, _ = problem(seed, damage, SMALL)
    return metrics.psnr(mean_of(seed, damage, scales, skip), x, 1 - mask)


@six("lesson05-half-small", lambda v: min(v) > 26.8)
def half_small(seed):
    """The best filling without a network at 96²."""
    return best_small(seed, HALF)


@six("lesson05-half-ahead", lambda v: min(v) > -0.3, text=signed)
def half_ahead(seed):
    """Its lead over the best of the lesson's seven networks."""
    seven = (1, 0), (3, 0), (5, 0), (5, 4), (5, (0, 4, 4, 4, 4)), (5, "identity"), (0, 0)
    return best_small(seed, HALF) - max(drawn(seed, HALF, *shape) for shape in seven)


@six("lesson05-half-middle", lambda v: min(v) > 26.5)
def half_middle(seed):
    return drawn(seed, HALF, 3)


@six("lesson05-half-skips", lambda v: min(v) > 25.5)
def half_skips(seed):
    assert drawn(seed, HALF, 5, 4) > drawn(seed, HALF, 5), "skips do not help"
    return drawn(seed, HALF, 5, 4)


@six("lesson05-half-hourglass", lambda v: max(v) < 27)
def half_hourglass(seed):
    return drawn(seed, HALF, 5)


@six("lesson05-half-resnet", lambda v: max(v) < 27)
def half_resnet(seed):
    return drawn(seed, HALF, 0)


@six("lesson05-hole-skips", lambda v: max(v) < 16)
def hole_skips(seed):
    return drawn(seed, HOLE, 5, 4)


@six("lesson05-hole-identity", lambda v: max(v) < 16)
def hole_identity(seed):
    return drawn(seed, HOLE, 5, "identity")


@six("lesson05-hole-resnet", lambda v: max(v) < 16)
def hole_resnet(seed):
    return drawn(seed, HOLE, 0)


@six("lesson05-hole-shallow", lambda v: max(v) < 16)
def hole_shallow(seed):
    return drawn(seed, HOLE, 1)


@ten("lesson05-hole-hourglass", lambda v: min(v) > 15)
def hole_hourglass(seed):
    return drawn(seed, HOLE, 5)


@claim("lesson05-hole-mean", lambda v: min(v) > 18.5, unit="dB")
def hole_mean(seed):
    """The mean of five runs, each time five others."""
    x, mask, _ = problem(0, HOLE, SMALL)
    five = range(5 * seed, 5 * seed + 5)
    return metrics.psnr(sum(mean_of(s, HOLE, 5, 0) for s in five) / 5, x, 1 - mask)


@six("lesson05-hole-small", lambda v: 18 < min(v) <= max(v) < 18.5)
def hole_small(seed):
    """The best filling without a network at 96²."""
    return best_small(seed, HOLE)


def best_small(seed, damage):
    return max(classical(seed, damage, SMALL).values())


# ---- the tables, and the long runs


def rows(**values):
    table = recordings.table("05_settings")["rows"]
    return [row for row in table if values.items() <= row.items()]


def at(damage, setting="as it is"):
    """PSNR of the last pictures: {value: one number for each seed}."""
    found = {}
    for row in rows(damage=damage, setting=setting):
        found.setdefault(row["value"], []).append(row["final"])
    return found


def losses(damage):
    """dB that each change costs in the mean over seeds, {(setting, value): dB}."""
    base = np.mean(at(damage)[""])
    found = {(s, v): base - np.mean(at(damage, s)[v]) for s, v in study_05.CHANGES}
    return {key: float(value) for key, value in found.items() if key[0] != "as it is"}


def seed_spread(damage):
    """How far the seeds of one setting lie apart, in the median over all settings."""
    values = [at(damage, setting)[value] for setting, value in study_05.CHANGES]
    return float(np.median([max(v) - min(v) for v in values]))


@claim("lesson05-settings-half-seeds", lambda v: v[0] < 1.3, unit="dB")
def settings_half_seeds(seed):
    return seed_spread(HALF)


@claim("lesson05-settings-hole-seeds", lambda v: v[0] > 2, unit="dB")
def settings_hole_seeds(seed):
    return seed_spread(HOLE)


@claim("lesson05-settings-half-jitter", lambda v: v[0] > 3, unit="dB")
def settings_half_jitter(seed):
    return losses(HALF)["jitter", "0.1"]


@claim("lesson05-settings-half-others", lambda v: v[0] < 2.2, unit="dB")
def settings_half_others(seed):
    return max(v for key, v in losses(HALF).items() if key != ("jitter", "0.1"))


@claim("lesson05-settings-hole-descent", lambda v: v[0] > 5, unit="dB")
def settings_hole_descent(seed):
    worst = max(at(HOLE, "optimiser")["descent, α = 1"])
    assert worst < min(at(HOLE)[""]) - 2, "not behind with every seed"
    return losses(HOLE)["optimiser", "descent, α = 1"]


@claim("lesson05-settings-hole-rate", lambda v: v[0] > 3, unit="dB")
def settings_hole_rate(seed):
    return losses(HOLE)["learning rate", "÷ 10"]


@claim("lesson05-settings-hole-behind", lambda v: v[0] == 4, text=lambda v: "Four")
def settings_hole_behind(seed):
    """Settings whose best seed is below the worst one of the unchanged setting."""
    lowest = min(at(HOLE)[""])
    behind = {key for key in study_05.CHANGES if max(at(HOLE, key[0])[key[1]]) < lowest}
    named = {("learning rate", "÷ 10"), ("optimiser", "RMSprop")}
    named |= {("optimiser", f"descent, α = {rate}") for rate in (1, 10)}
    assert behind == named, behind
    return len(behind)


def gains():
    """{photo: gains over the best filling without a network, a value for each seed}."""
    found = {}
    for row in recordings.table("05_seeds")["rows"]:
        found.setdefault(row["photo"], []).append(row["mean"] - study_05.best(row))
    return found


def gain_of(photo, seed):
    return gains()[photo][seed]


@claim("lesson05-seeds-brick", lambda v: min(v) > 4, unit="dB")
def seeds_brick(seed):
    return gain_of("brick", seed)


@claim("lesson05-seeds-grass", lambda v: min(v) > 1, unit="dB")
def seeds_grass(seed):
    """dB lost."""
    return -gain_of("grass", seed)


@claim("lesson05-seeds-mean", lambda v: 0.2 < v[0] < 1.5, unit="dB")
def seeds_mean(seed):
    """The mean gain over all photos and seeds."""
    return float(np.mean([np.mean(g) for g in gains().values()]))


@claim("lesson05-seeds-spread", lambda v: 0.1 < v[0] < 0.7, unit="dB")
def seeds_spread(seed):
    """The largest minus the smallest gain of a photo, in the median over photos."""
    return float(np.median([max(g) - min(g) for g in gains().values()]))


@claim("lesson05-seeds-widest", lambda v: v[0] > 0.8, unit="dB")
def seeds_widest(seed):
    """The same, of the photo that the seeds move most."""
    return max(max(g) - min(g) for g in gains().values())


@claim("lesson05-seeds-won", lambda v: v[0] >= 4, digits=0)
def seeds_won(seed):
    """Photos at which every seed is ahead."""
    return sum(min(g) > 0 for g in gains().values())


@claim("lesson05-seeds-lost", lambda v: v[0] >= 3, digits=0)
def seeds_lost(seed):
    """Photos at which every seed is behind."""
    return sum(max(g) < 0 for g in gains().values())


@claim("lesson05-seeds-swing", lambda v: 0.2 < v[0] < 1, unit="dB")
def seeds_swing(seed):
    """Highest minus lowest single frame of the last 100 steps, in the median over runs."""
    table = recordings.table("05_seeds")["rows"]
    return float(np.median([row["high"] - row["low"] for row in table]))


def long_run(name, damage):
    """PSNR of the hidden pixels at each kept frame of a recording."""
    history, mask = recordings.load(name), damages(64)[damage]
    x = images.load("face", 64)
    return [metrics.psnr(history.frame(i), x, 1 - mask) for i in range(len(history))]


def fall(name, damage):
    values = long_run(name, damage)
    return max(values) - values[-1]


@claim("lesson05-long-text", lambda v: v[0] > 0.8, unit="dB")
def long_text(seed):
    return fall("05_text", "text")


@claim("lesson05-long-half", lambda v: v[0] > 0.3, unit="dB")
def long_half(seed):
    return fall("05_half", HALF)


@claim("lesson05-long-hole", lambda v: v[0] > 2, unit="dB")
def long_hole(seed):
    """Highest minus lowest kept frame from step 500 on."""
    steps, values = recordings.load("05_hole").steps, long_run("05_hole", HOLE)
    late = [value for step, value in zip(steps, values, strict=True) if step >= 500]
    return max(late) - min(late)
