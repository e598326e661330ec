"""What lesson 06 says about enlargements: baselines, networks, their settings, wrong operators."""

from functools import cache
from itertools import pairwise

from dipcourse import degrade, fit, images, metrics, presets
from tools import lesson_code
from tools.measured.claims import claim, signed, spread
from tools.measured.lesson06 import studies as study
from tools.measured.tables import rows

FACTORS = (2, 3, 4, 6, 8)
RATES = (0.01, 0.001)
QUIET = {"progress": False}
A = degrade.Downsample(4)
dip_fit = study.LESSON["dip"]


def all_of(lists):
    return spread([v for values in lists for v in values], "dB").replace("-", "−")


# ---- the face, ×4, at full size


@cache
def face():
    return images.load("face", presets.get("superres").size)


@cache
def about():
    return study.about(face(), A)


@cache
def enlarged():
    return study.enlarged(face(), 4)


@cache
def classical(name):
    return metrics.psnr(enlarged()[name], face())


@cache
def network(seed):
    return dip_fit(A(face()), A, presets.get("superres"), seed=seed, **QUIET).final


@claim("lesson06-dip", lambda v: min(v) > classical("bicubic") + 0.5, unit="dB")
def dip(seed):
    gap = about()["gap"]
    assert gap(network(seed)) < gap(enlarged()["bicubic"]) - 0.5, "the network ignores more of y"
    return metrics.psnr(network(seed), face())


def each_above_the_last(*names):
    return all(classical(below) < classical(above) for below, above in pairwise(names))


@claim(
    "lesson06-gain",
    lambda v: min(v) > 0.5 and each_above_the_last("bicubic", "sharpened", "no prior", "TV"),
    unit="dB",
)
def gain(seed):
    return dip(seed) - classical("bicubic")


@claim("lesson06-tv-ahead", lambda v: 0 < min(v) <= max(v) < 0.5, unit="dB")
def tv_ahead(seed):
    return classical("TV") - dip(seed)


@claim("lesson06-right-dip", lambda v: 0.1 < min(v) <= max(v) < 0.4, digits=2)
def right_dip(seed):
    """The network's share; bicubic has nearly none, and TV about as much."""
    right = about()["right"]
    found = right(network(seed))
    assert right(enlarged()["bicubic"]) < 0.05, "bicubic adds something"
    assert abs(right(enlarged()["TV"]) - found) < 0.04, "TV and the network differ"
    return found


@claim("lesson06-back", lambda v: min(v) > 0.3, unit="dB")
def back(seed):
    """What ten steps of back-projection add to bicubic."""
    shrink = lesson_code.run("06", "build-lanczos")["shrink"]
    back_project = lesson_code.answer("06", "exercise-back", shrink=shrink)["back_project"]
    x_hat = enlarged()["bicubic"]
    for _ in range(10):
        x_hat = back_project(x_hat, A(face()), 4)
    return metrics.psnr(x_hat, face()) - classical("bicubic")


# ---- the published convention


@claim("lesson06-luma-gain", lambda v: min(v) > 0.5, unit="dB")
def luma_gain(seed):
    """The gain over bicubic by the convention, which makes all numbers larger."""
    published = lesson_code.run("06", "build-luma")["published"]
    results = enlarged()["bicubic"], enlarged()["TV"], network(seed)
    for x_hat in results:
        assert published(x_hat, face()) > metrics.psnr(x_hat, face()) + 0.3, "Y is not higher"
    return published(network(seed), face()) - published(enlarged()["bicubic"], face())


# ---- where the skips begin (the stored table)


def stored(factor, first, seed, column="network"):
    (row,) = rows("06_skips", **{"factor": factor, "first skip": first, "seed": seed})
    return row[column]


@claim("lesson06-skips-own", lambda v: min(v) > 0.3, unit="dB")
def skips_own(seed):
    """×4: what skips from y's own scale gain over skips at all scales."""
    return stored(4, 2, seed) - stored(4, 0, seed)


@claim("lesson06-skips-none", lambda v: min(v) > 0.05, unit="dB")
def skips_none(seed):
    """×4: what they gain over the hourglass."""
    return stored(4, 2, seed) - stored(4, None, seed)


@claim("lesson06-skips-early", lambda v: min(v) > 0.5, unit="dB")
def skips_early(seed):
    """×2: what skips from y's own scale gain over skips from the next finer one, the full size."""
    return stored(2, 1, seed) - stored(2, 0, seed)


@claim("lesson06-skips-late", lambda v: min(v) > 0.5, unit="dB")
def skips_late(seed):
    """×2: what skips from y's own scale gain over skips from the next coarser one."""
    return stored(2, 1, seed) - stored(2, 2, seed)


@claim("lesson06-skips-eight", lambda v: max(map(max, v)) - min(map(min, v)) < 1.5, text=all_of)
def skips_eight(seed):
    """×8: PSNR of all networks."""
    return [stored(8, first, seed) for first in (0, 1, 2, 3, None)]


# ---- sweeps at the small size


@cache
def sweep():
    return study.sweep()


@cache
def gains(seed):
    """The gains over bicubic at each factor, {name: dB}."""
    names = lesson_code.run("06", "build-enlarged", **study.LESSON | sweep())
    x = names["small_x"]
    plans = {factor: names["plan_factor"](x, factor, seed) for factor in FACTORS}
    fits = fit.side_by_side(plans, progress=False)
    return [names["gains_over_bicubic"](x, factor, fits[factor].final) for factor in FACTORS]


@claim("lesson06-factors", lambda v: min(v) > 0.3, unit="dB")
def factors(seed):
    """The smallest gain of the network over bicubic at factors 2 to 8: neither end has it."""
    found = [gain["DIP"] for gain in gains(seed)]
    assert min(found) < min(found[0], found[-1]) - 0.1, "the gain grows or shrinks all the way"
    return min(found)


def same_for_all_seeds(leads):
    by_factor = dict(zip(FACTORS, zip(*leads, strict=True), strict=True))
    network_ahead = min(*by_factor[4], *by_factor[6]) > 0.1
    return network_ahead and max(*by_factor[2], *by_factor[3]) < -0.1


@claim("lesson06-factors-tv", same_for_all_seeds, text=signed)
def factors_tv(seed):
    """What the network has over TV, at each factor: ahead at ×4 and ×6, behind at ×2 and ×3."""
    return [gain["DIP"] - gain["TV"] for gain in gains(seed)]


@cache
def small_fit(lr, seed):
    y = A(sweep()["small_x"])
    return dip_fit(y, A, sweep()["with_skips"](2), 4, seed, lr=lr, optimizer="adam", **QUIET)


@cache
def fall(first, seed):
    """How far the running mean falls from its best to step 2,000; skips from scale `first` on."""
    x = sweep()["small_x"]
    options = {"steps": 2000, "frames": 60} | QUIET
    history = dip_fit(A(x), A, sweep()["with_skips"](first), 4, seed, **options)
    path = [metrics.psnr(history.frame(i, mean=True), x) for i in range(len(history))]
    return max(path) - path[-1]


@claim("lesson06-fall-everywhere", lambda v: min(v) > 0.1, unit="dB")
def fall_with_all_skips(seed):
    assert fall(0, seed) > fall(2, seed) + 0.05, "the place of the skips does not matter"
    return fall(0, seed)


@claim("lesson06-fall", lambda v: max(v) < 0.15, unit="dB")
def fall_with_skips_from_y(seed):
    return fall(2, seed)


def last_loss(history):
    return float(history.loss[-20:].mean())


@claim("lesson06-rate", lambda v: min(v) > 0.1, unit="dB")
def rates(seed):
    """What a learning rate of .01 has over .001 after the same steps."""
    large, small = (metrics.psnr(small_fit(lr, seed).final, sweep()["small_x"]) for lr in RATES)
    return large - small


@claim("lesson06-rate-loss", lambda v: max(v) < 1.3)
def rate_loss(seed):
    """The last losses with .001 over those with .01."""
    large, small = (last_loss(small_fit(lr, seed)) for lr in RATES)
    return small / large


# ---- the wrong operator


@cache
def mismatched(case, seed):
    """PSNR of the lesson's fits, by their place in its list, and their last losses."""
    given = sweep() | {"small_y": A(sweep()["small_x"]), "A": A}
    cells = ("build-lanczos", "build-operators", "wrong-operator")
    names = lesson_code.run("06", *cells, **given)
    data, _, operator = names["cases"][case]
    history = dip_fit(names["made"][data], operator, sweep()["with_skips"](2), 4, seed, **QUIET)
    return metrics.psnr(history.final, sweep()["small_x"]), last_loss(history)


@claim("lesson06-wrong-pillow", lambda v: max(map(abs, v)) < 0.5, unit="dB")
def wrong_pillow(seed):
    """What the fit to Pillow's picture gains by the right operator."""
    return mismatched(2, seed)[0] - mismatched(1, seed)[0]


@claim("lesson06-wrong-fourth", lambda v: min(v) > 2, unit="dB")
def wrong_fourth(seed):
    """What the fit to every fourth pixel gains by the right operator."""
    return mismatched(4, seed)[0] - mismatched(3, seed)[0]


@claim("lesson06-wrong-loss", lambda v: max(v) < 3)
def wrong_loss(seed):
    """The last loss with the wrong operator over that with the right one, every fourth pixel."""
    return mismatched(3, seed)[1] / mismatched(4, seed)[1]
