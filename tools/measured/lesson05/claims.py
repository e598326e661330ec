"""What lesson 05 says about hidden pixels, architectures, settings and seeds."""

from functools import cache, partial

import numpy as np

from dipcourse import degrade, fit, images, metrics, presets
from tools import lesson_code
from tools.measured.claims import claim, signed
from tools.measured.lesson05 import studies
from tools.measured.lesson05.studies import HALF, HOLE, damages, fill, network

SIDE, SMALL = 192, 96
TWO, REGION, EYES = "98 % of the pixels", "a region", "the eyes"
# Another number of threads changes a fit without jitter, or over a hole, as much as a seed does.
six = partial(claim, unit="dB", seeds=range(6))
ten = partial(claim, unit="dB", seeds=range(10))
twenty = partial(claim, unit="dB", seeds=range(20))


def masks(side, seed):
    return damages(side, seed) | {EYES: lesson_code.run("05", "hide-eyes", SIDE=side)["eyes"]}


def problem(seed, damage, side):
    """The face, the mask and the file that is given."""
    x, mask = images.load("face", side), masks(side, seed)[damage]
    return x, mask, degrade.Mask(mask)(x)


@cache
def classical(seed, damage, side=SIDE):
    """PSNR of the hidden pixels, {name: dB}."""
    x, mask, _ = problem(seed, damage, side)
    return studies.classical(x, mask)


@cache
def run(seed, damage):
    """The lesson's fit at full size."""
    preset, (_, mask, y) = presets.get("inpaint"), problem(seed, damage, SIDE)
    return fill(y, mask, preset if damage in (HALF, "text") else network(6, 0, preset), seed)


def filled(seed, damage):
    """PSNR of the running mean at the hidden pixels."""
    x, mask, _ = problem(seed, damage, SIDE)
    return metrics.psnr(run(seed, damage).mean, x, 1 - mask)


def best(seed, damage, side=SIDE):
    """PSNR of the best filling without a network."""
    return max(classical(seed, damage, side).values())


def around(values, baseline):
    """Whether it depends on the seed who is ahead."""
    return min(values) < baseline < max(values)


# ---- half of the pixels


@six("lesson05-half-net", lambda v: min(v) > 29)
def half_net(seed):
    return filled(seed, HALF)


@six("lesson05-half-lead", lambda v: -0.1 < min(v) <= max(v) < 1, text=signed)
def half_lead(seed):
    """Gain over the best of the classical fillings, which is the biharmonic one."""
    linear, biharmonic, tv = (classical(seed, HALF)[k] for k in ("linear", "biharmonic", "tv"))
    assert linear < tv < biharmonic, "the order of the fillings is another"
    assert filled(seed, HALF) > linear + 1, "hardly better than linear interpolation"
    return filled(seed, HALF) - biharmonic


# ---- text, and the damages that get the hourglass


@six("lesson05-text-net", lambda v: 28.5 < min(v) <= max(v) < 30.5)
def text_net(seed):
    """Behind the biharmonic filling with every seed."""
    fillings = classical(seed, "text")
    assert max(fillings, key=fillings.get) == "biharmonic", "another filling is the best"
    assert filled(seed, "text") < fillings["biharmonic"] - 0.2, "the network keeps up"
    return filled(seed, "text")


@six("lesson05-two-best", lambda v: 19 < min(v) <= max(v) < 21.5)
def two_best(seed):
    return best(seed, TWO)


@six("lesson05-two-net", lambda v: 18.5 < min(v) <= max(v) < 21.5)
def two_net(seed):
    return filled(seed, TWO)


@six("lesson05-region-net", lambda v: around(v, best(0, REGION)))
def region_net(seed):
    return filled(seed, REGION)


@ten("lesson05-hole-net", lambda v: max(v) - min(v) > 1.5 and around(v, best(0, HOLE)))
def hole_net(seed):
    return filled(seed, HOLE)


@six("lesson05-eyes-net", lambda v: around(v, best(0, EYES)))
def eyes_net(seed):
    return filled(seed, EYES)


# ---- architectures, 96²

RESNET = "ResNet"


@cache
def kinds():
    """The lesson's networks by their names there, all but the ResNet."""
    given = {"preset": presets.get("inpaint"), "STEPS": 300}
    return lesson_code.run("05", "build-networks", **given)["kinds"]


@cache
def mean_of(seed, damage, kind):
    """The running mean of one of the lesson's architectures."""
    _, mask, y = problem(seed, damage, SMALL)
    if kind == RESNET:
        plan = studies.plan_resnet(y, mask, presets.get("inpaint"), seed)
        return fit.side_by_side([plan], progress=False)[0].mean
    return fill(y, mask, kinds()[kind], seed).mean


def drawn(seed, damage, kind):
    x, mask, _ = problem(seed, damage, SMALL)
    return metrics.psnr(mean_of(seed, damage, kind), x, 1 - mask)


SHALLOW, MIDDLE, DEEP = (f"hourglass, scales: {n}" for n in (1, 3, 5))
SKIPS, IDENTITY = "skips: 4", "skips: identity"


@six("lesson05-half-ahead", lambda v: min(v) > -0.3, text=signed)
def half_ahead(seed):
    """The lead of the best filling without a network over the best of the lesson's seven."""
    drawings = {kind: drawn(seed, HALF, kind) for kind in (*kinds(), RESNET)}
    assert drawings[MIDDLE] > drawings[SKIPS] > drawings[DEEP] > drawings[RESNET]
    return best(seed, HALF, SMALL) - max(drawings.values())


@six("lesson05-half-skips", lambda v: min(v) > 25.5)
def half_skips(seed):
    return drawn(seed, HALF, SKIPS)


@six("lesson05-half-hourglass", lambda v: max(v) < 27)
def half_hourglass(seed):
    return drawn(seed, HALF, DEEP)


@six("lesson05-hole-skips", lambda v: max(v) < 16)
def hole_skips(seed):
    """Far behind the deep hourglass, as identity skips, a single scale and the ResNet are."""
    others = (drawn(seed, HOLE, kind) for kind in (SKIPS, IDENTITY, SHALLOW, RESNET))
    assert max(others) < drawn(seed, HOLE, DEEP) - 2, "the hourglass is not far ahead"
    return drawn(seed, HOLE, SKIPS)


@twenty("lesson05-hole-hourglass", lambda v: around(v, biharmonic()))
def hole_hourglass(seed):
    return drawn(seed, HOLE, DEEP)


def biharmonic():
    return classical(0, HOLE, SMALL)["biharmonic"]


def mostly_ahead(values):
    """Whether three of four means of five are ahead of the biharmonic filling."""
    return sorted(values)[1] > biharmonic() + 0.3


@claim("lesson05-hole-mean", mostly_ahead, unit="dB", seeds=range(4))
def hole_mean(seed):
    """The mean of five runs, each time five others."""
    x, mask, _ = problem(0, HOLE, SMALL)
    five = range(5 * seed, 5 * seed + 5)
    mean = metrics.psnr(sum(mean_of(s, HOLE, DEEP) for s in five) / 5, x, 1 - mask)
    assert mean > np.median([drawn(s, HOLE, DEEP) for s in five]), "a mean loses to its runs"
    return mean


@claim("lesson05-hole-biharmonic", lambda v: v[0] == best(0, HOLE, SMALL), unit="dB")
def hole_biharmonic(seed):
    return biharmonic()


# ---- the tables


def spreads(gains):
    """How far the seeds of one row lie apart, for each row of {row: values}."""
    return {row: max(values) - min(values) for row, values in gains.items()}


def median_spread(gains):
    return float(np.median(list(spreads(gains).values())))


@claim("lesson05-settings-half-seeds", lambda v: v[0] < 1.3, unit="dB")
def settings_half_seeds(seed):
    return median_spread(studies.settings_of(HALF))


@claim("lesson05-settings-hole-seeds", lambda v: v[0] > 2, unit="dB")
def settings_hole_seeds(seed):
    return median_spread(studies.settings_of(HOLE))


def gains():
    """{photo: gains over the best filling without a network, a value for each seed}."""
    return studies.table_of_seeds()["gains"]


@claim("lesson05-seeds-mean", lambda v: 0.2 < v[0] < 1.5, unit="dB")
def seeds_mean(seed):
    """The mean gain over all photos and seeds."""
    return float(np.mean([np.mean(g) for g in gains().values()]))


@claim("lesson05-seeds-spread", lambda v: 0.1 < v[0] < 0.7, unit="dB")
def seeds_spread(seed):
    """The largest minus the smallest gain of a photo, in the median over photos."""
    return median_spread(gains())


@claim("lesson05-seeds-won", lambda v: v[0] >= 4, digits=0)
def seeds_won(seed):
    """Photos at which every seed is ahead."""
    return sum(min(g) > 0 for g in gains().values())


@claim("lesson05-seeds-lost", lambda v: v[0] >= 3, digits=0)
def seeds_lost(seed):
    """Photos at which every seed is behind."""
    return sum(max(g) < 0 for g in gains().values())
