"""The numbers of lesson 07: rules that stop a fit, sudden drops, and what prevents them.

A fit without jitter jumps now and then, and a rounding error decides when: other threads change its
numbers as much as another seed does. So the claims on single fits take ten seeds.

Claims on replays, rollbacks and the meter read the lesson's stored tables; a seed is there a seed
of the table.
"""

from functools import cache, partial

import numpy as np
import torch

from dipcourse import baselines, metrics, nets, recordings, stopping
from tools import lesson_code
from tools.measured.claims import claim, middle
from tools.measured.lesson00 import claims as lesson00
from tools.measured.lesson07 import studies as study

GREY_LEVELS = 25
SIGMA = GREY_LEVELS / 255
TEN = range(10)
ten = partial(claim, unit="dB", text=middle, seeds=TEN)


@cache
def case(seed):
    """Clean face, noisy face, mask of the left-out pixels."""
    return study.noisy("face", GREY_LEVELS, seed)


@cache
def run(seed):
    """The lesson's fit."""
    _, y, left_out = case(seed)
    return study.denoise(y, seed, left_out)


def lost(history, step, x, mean=False):
    """How far a step's picture is below the best one of its fit, in dB."""
    best = stopping.oracle(history, x, mean)
    return study.psnr_at(history, best, x, mean) - study.psnr_at(history, step, x, mean)


def median(function):
    """The median of a function of a seed."""
    return np.median([function(seed) for seed in TEN])


def told(history, sigma):
    return stopping.discrepancy(history, sigma)


def measured(history, sigma):
    return stopping.discrepancy(history, study.level(history, sigma))


def held_out(history):
    return stopping.held_out(history, study.PATIENCE)


def variance(history):
    return stopping.windowed_variance(history, study.PATIENCE, study.WARM_UP)


def level_loses(seed):
    return lost(run(seed), measured(run(seed), SIGMA), case(seed)[0])


def mended_by_the_level():
    """Whether discrepancy with the measured level is as near to the best as the other rules."""
    return median(level_loses) < max(median(held_loses), median(variance_loses)) + 0.1


@ten("lesson07-sigma", holds=lambda v: np.median(v) > 0.8 and mended_by_the_level())
def sigma_loses(seed):
    return lost(run(seed), told(run(seed), SIGMA), case(seed)[0])


@ten("lesson07-held", holds=lambda v: np.median(v) < 0.4 and max(v) < 1.2)
def held_loses(seed):
    return lost(run(seed), held_out(run(seed)), case(seed)[0])


@ten("lesson07-variance", holds=lambda v: np.median(v) < 0.4 and max(v) < 1.5)
def variance_loses(seed):
    return lost(run(seed), variance(run(seed)), case(seed)[0])


def ahead(values, by):
    """Whether the pictures are above non-local means by so much, in the median of the seeds."""
    return np.median([psnr - nlm(seed) for seed, psnr in enumerate(values)]) > by


@cache
def again(seed):
    """The running means of the lesson's fit and of a second one, of all pixels, another seed."""
    _, y, left_out = case(seed)
    first = run(seed)
    step = study.held_out_mean(first, y, left_out)
    second = study.denoise(y, seed + 100, steps=step + 1)
    return study.at(first, step, mean=True), second.mean


@ten("lesson07-again", holds=lambda v: ahead(v, -0.25) and not ahead(v, 0.25))
def fitted_again(seed):
    """PSNR of the mean of the second fit: level with non-local means at its best."""
    return metrics.psnr(again(seed)[1], case(seed)[0])


@ten("lesson07-both", holds=lambda v: ahead(v, 0.1))
def both(seed):
    """PSNR of the average of the two means."""
    return metrics.psnr(sum(again(seed)) / 2, case(seed)[0])


def end(seed):
    """PSNR of the last single picture."""
    return study.psnr_at(run(seed), len(run(seed).loss) - 1, case(seed)[0])


def above_the_single_picture(values):
    """Whether non-local means are above the best single picture, TV below, and the end below TV."""
    tv = [lesson00.total_variation(seed) for seed in TEN]
    stopped = [study.psnr_at(run(seed), variance(run(seed)), case(seed)[0]) for seed in TEN]
    return all(
        end(seed) < tv[seed] < stopped[seed] <= best_unet(seed) < values[seed] for seed in TEN
    )


@ten("lesson07-nlm", holds=above_the_single_picture)
def nlm(seed):
    """PSNR of non-local means at its best h: the picture is that of lesson 00."""
    return lesson00.non_local_means(seed)


@ten("lesson07-estimated", holds=lambda v: np.median(v) < 0.7 and max(v) < 1.5)
def estimated(seed):
    """What discrepancy loses with the second exercise's estimate of σ."""
    x, y, _ = case(seed)
    discrepancy = study.STOP["discrepancy"]
    stop = lesson_code.answer("07", "exercise-sigma", discrepancy=discrepancy)["stop"]
    return lost(run(seed), stop(run(seed).loss, y), x)


# ---- louder noise


@cache
def louder(seed):
    _, y, left_out = study.noisy("face", 2 * GREY_LEVELS, seed)
    return study.denoise(y, seed, left_out)


@ten("lesson07-loud-sigma", holds=lambda v: min(v) > 2)
def loud_sigma(seed):
    """What discrepancy loses; with the level measured it is less than half of that."""
    history, x = louder(seed), case(seed)[0]
    loss = lost(history, told(history, 2 * SIGMA), x)
    assert lost(history, measured(history, 2 * SIGMA), x) < loss / 2, "measuring does not help"
    return loss


# ---- without stopping


@cache
def without(kind, seed):
    """A fit of the noisy face by another network, or with a second prior."""
    _, y, left_out = case(seed)
    if kind == "tv":
        tv_prior = lesson_code.run("07", "build-tv-prior")["tv_prior"]
        return study.denoise(y, seed, left_out, prior=tv_prior)
    torch.manual_seed(seed)
    net = nets.DeepDecoder(kind, 3, width=kind, scales=4)
    z = nets.fixed_input(kind, *(n // 16 for n in y.shape[2:]), seed=seed)
    steps = 4 * study.PRESET.fit["steps"]
    return study.denoise(y, seed, left_out, model=(net, z), steps=steps)


def fall(id, fitted, holds):
    @ten(f"lesson07-fall-{id}", holds=holds)
    def falls(seed):
        """From the best single picture to the last."""
        history = fitted(seed)
        return lost(history, len(history.loss) - 1, case(seed)[0])


fall("unet", run, lambda v: min(v) > 3)
fall("small", lambda seed: without(32, seed), lambda v: max(v) < 1)
fall("wide", lambda seed: without(128, seed), lambda v: np.median(v) > 0.8)
fall("tv", lambda seed: without("tv", seed), lambda v: max(v) < 2)


def best_picture(history, x):
    """PSNR of the best single picture."""
    return study.psnr_at(history, stopping.oracle(history, x), x)


@ten("lesson07-best-unet", holds=lambda v: min(v) > 27)
def best_unet(seed):
    return best_picture(run(seed), case(seed)[0])


def as_good_as_tv_and_wide(values):
    tv, wide = median(lesson00.total_variation), median(best_wide)
    return abs(np.median(values) - tv) < 0.4 and wide < np.median(values) + 0.3


@ten("lesson07-best-small", holds=as_good_as_tv_and_wide)
def best_small(seed):
    return best_picture(without(32, seed), case(seed)[0])


def best_wide(seed):
    return best_picture(without(128, seed), case(seed)[0])


@ten("lesson07-best-tv", holds=lambda v: np.median(v) > median(best_unet) + 0.2)
def best_with_tv(seed):
    return best_picture(without("tv", seed), case(seed)[0])


# ---- noise whose neighbours agree


@cache
def coarse(seed):
    """The face with noise that was blurred and brought back to σ, and its fit."""
    x, _, left_out = case(seed)
    names = lesson_code.run("07", "build-coarse", sigma=SIGMA)
    y = names["coarsely_noisy"](x, 200 + seed)
    return y, study.denoise(y, seed, left_out)


def coarse_level_loses(seed):
    (y, history), x = coarse(seed), case(seed)[0]
    return lost(history, told(history, metrics.mse(y, x) ** 0.5), x)


def coarse_variance_loses(seed):
    history = coarse(seed)[1]
    return lost(history, variance(history), case(seed)[0])


def others_lose_less(values):
    return median(coarse_level_loses) + 0.2 < median(coarse_variance_loses) < min(values)


@ten("lesson07-coarse-held", holds=lambda v: min(v) > 1 and others_lose_less(v))
def coarse_held_loses(seed):
    """What the left-out pixels lose: more than the variance, and that more than discrepancy."""
    history = coarse(seed)[1]
    return lost(history, held_out(history), case(seed)[0])


# ---- drops


def table(name, **where):
    """The rows of a stored table with these values."""
    rows = recordings.table(name)["rows"]
    return [r for r in rows if all(r[k] == v for k, v in where.items())]


def flat(values):
    return [v for row in values for v in row]


def count(good):
    """How many of all cases are good: "23 of 24"."""
    return lambda values: f"{sum(good(v) for v in flat(values))} of {len(flat(values))}"


@claim(
    "lesson07-meter-over",
    holds=lambda v: np.mean(np.array(flat(v)) > 1) > 0.85 and min(flat(v)) > 0.95,
    text=count(lambda peak: peak > 1),
)
def before_falls(seed):
    """For each jump of each rate: how high the meter stood within the 20 steps before."""
    found = []
    for r in table("07_meter", seed=seed):
        steps, readings = np.array(r["step"]), np.array(r["meter"])
        for k in r["falls"]:
            if k >= steps[0] + 20:
                found.append(float(readings[(steps > k - 20) & (steps <= k)].max()))
    return found


@claim(
    "lesson07-meter-calm",
    holds=lambda values: np.mean(flat(values)) < 0.01,
    text=count(lambda jump: jump),
)
def after_calm(seed):
    """For each 20 steps with the meter below 0.95: whether a jump comes in the next four."""
    found = []
    for r in table("07_meter", seed=seed):
        steps, readings = np.array(r["step"]), np.array(r["meter"])
        for k in range(steps[0] + 20, steps[-1] - 4, 4):
            if readings[(steps > k - 20) & (steps <= k)].max() < 0.95:
                found.append(int(any(k < f <= k + 4 for f in r["falls"])))
    return found


JUMPS = ("nothing", "weights nudged", "v / 2", "beta1 = 0.8")
CALM = ("rate / 2", "v x 4", "beta1 = 0.95")


@claim(
    "lesson07-replays",
    holds=lambda values: min(flat(values)) == 1,
    text=count(lambda as_told: as_told),
)
def replays(seed):
    """For each replay whether it jumped (the loss doubled) or stayed calm, as the text says."""
    rows = table("07_replays", seed=seed)
    jumps = [int(r[name] > 2) for r in rows for name in JUMPS]
    return jumps + [int(r[name] < 1.5) for r in rows for name in CALM]


@claim("lesson07-replays-m", holds=lambda v: np.mean(flat(v)) > 0.7, text=count(bool))
def replays_m(seed):
    """For each drop whether the loss doubles all the same after m was set to 0."""
    return [int(r["m = 0"] > 2) for r in table("07_replays", seed=seed)]


def times_undone(way, seed):
    return [r[f"undone: {way}"] for r in table("07_replays", seed=seed)]


def undone(id, way, holds):
    """Register the claim: how often a rollback was used, at each rate."""

    @claim(
        f"lesson07-undo-{id}",
        holds=lambda values: holds(flat(values)),
        text=lambda values: "–".join(dict.fromkeys(str(f(flat(values))) for f in (min, max))),
    )
    def steps(seed):
        return times_undone(way, seed)


def fewer_than_with_the_rejected_step(values):
    rejected = flat(times_undone("weights, then the rejected step", seed) for seed in study.SEEDS)
    return all(less < more for less, more in zip(values, rejected, strict=True))


undone("weights", "weights", lambda v: min(v) > 30 and fewer_than_with_the_rejected_step(v))
undone("adam", "weights, Adam", lambda v: min(v) > 3)
undone("slower", "weights, Adam, rate / 2", lambda v: max(v) <= 3)


def drift(seed, name):
    """Mean rise of a meter within a hundred steps, away from jumps, in % (for each rate)."""
    found = []
    for r in table("07_meter", seed=seed):
        steps, log = np.array(r["step"]), np.log(r[name])
        rises = [
            log[i + 1] - log[i]
            for i in range(len(steps) - 1)
            if steps[i] // 100 == steps[i + 1] // 100  # D was not frozen anew between
            and not any(
                -20 < fall - steps[i] < 12 or 0 < steps[i] - fall < 20 for fall in r["falls"]
            )
        ]
        if rises:
            found.append(float(100 * np.expm1(np.mean(rises) * 100 / (steps[1] - steps[0]))))
    return found


def average(values):
    return f"{np.mean(flat(values)):.0f} %"


@claim("lesson07-rise", holds=lambda v: min(flat(v)) > 5, text=average, unit="%")
def rise(seed):
    return drift(seed, "meter")


@claim(
    "lesson07-rise-frozen",
    holds=lambda v: all(
        f < r for s, rates in enumerate(v) for f, r in zip(rates, rise(s), strict=True)
    ),
    text=average,
    unit="%",
)
def rise_frozen(seed):
    """With D frozen the meter rises less, at each rate and seed."""
    return drift(seed, "frozen")


def after_jump(seed, name):
    """For each jump: a meter soon after it, in units of the meter before it (same D if frozen)."""
    found = []
    for r in table("07_meter", seed=seed):
        steps, readings = np.array(r["step"]), np.array(r[name])
        for k in r["falls"]:
            near = (steps // 100 == k // 100) & (np.abs(steps - k) <= 20)
            before, after = (readings[near & far] for far in (steps <= k - 2, steps >= k + 8))
            if before.size and after.size:
                found.append(float(after.mean() / before.mean()))
    return found


def as_flat_with_frozen(values):
    frozen = np.mean(flat(after_jump(seed, "frozen") for seed in study.SEEDS))
    return abs(np.mean(flat(values)) - frozen) < 0.05


@claim(
    "lesson07-flat",
    holds=lambda v: 0.6 < np.mean(flat(v)) < 0.9 and as_flat_with_frozen(v),
    text=lambda values: f"{np.mean(flat(values)):.2f}",
)
def flatter(seed):
    """What a jump leaves of the meter; with D frozen it is as much."""
    return after_jump(seed, "meter")


# ---- what prevents the drops


@claim("lesson07-linear", unit="dB", holds=lambda v: max(v) < 30)
def linear(seed):
    """PSNR of linear interpolation on the hidden pixels: below each fit of the stored table."""
    start, x = study.half_hidden(seed), study.DROP["face"]
    x_hat = baselines.linear(start.y, start.operator.mask)
    psnr = metrics.psnr(x_hat, x, 1 - start.operator.mask)
    assert all(r["hidden, mean"] > psnr + 0.1 for r in table("07_cures", seed=seed)), "a fit loses"
    return psnr
