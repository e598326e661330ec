"""The numbers of lesson 09: sudden drops, and what prevents them.

Claims on replays, rollbacks and the meter read the lesson's stored tables; a seed is there a seed
of the table.
"""

import numpy as np

from dipcourse import baselines, metrics
from tools.measured.claims import claim
from tools.measured.lesson09 import studies as study
from tools.measured.tables import rows


def flat(values):
    return [v for row in values for v in row]


def count(good):
    """How many of all cases are good: "23 of 24"."""
    return lambda values: f"{sum(good(v) for v in flat(values))} of {len(flat(values))}"


@claim(
    "lesson09-meter-over",
    holds=lambda v: np.mean(np.array(flat(v)) > 1) > 0.85 and min(flat(v)) > 0.95,
    text=count(lambda peak: peak > 1),
)
def before_falls(seed):
    """For each jump of each rate: how high the meter stood within the 20 steps before."""
    found = []
    for r in rows("09_meter", seed=seed):
        steps, readings = np.array(r["step"]), np.array(r["meter"])
        for k in r["falls"]:
            if k >= steps[0] + 20:
                found.append(float(readings[(steps > k - 20) & (steps <= k)].max()))
    return found


@claim(
    "lesson09-meter-calm",
    holds=lambda values: np.mean(flat(values)) < 0.01,
    text=count(lambda jump: jump),
)
def after_calm(seed):
    """For each 20 steps with the meter below 0.95: whether a jump comes in the next four."""
    found = []
    for r in rows("09_meter", seed=seed):
        steps, readings = np.array(r["step"]), np.array(r["meter"])
        for k in range(steps[0] + 20, steps[-1] - 4, 4):
            if readings[(steps > k - 20) & (steps <= k)].max() < 0.95:
                found.append(int(any(k < f <= k + 4 for f in r["falls"])))
    return found


JUMPS = ("nothing", "weights nudged", "v / 2", "beta1 = 0.8")
CALM = ("rate / 2", "v x 4", "beta1 = 0.95")


@claim(
    "lesson09-replays",
    holds=lambda values: min(flat(values)) == 1,
    text=count(lambda as_told: as_told),
)
def replays(seed):
    """For each replay whether it jumped (the loss doubled) or stayed calm, as the text says."""
    found = rows("09_replays", seed=seed)
    jumps = [int(r[name] > 2) for r in found for name in JUMPS]
    return jumps + [int(r[name] < 1.5) for r in found for name in CALM]


@claim("lesson09-replays-m", holds=lambda v: np.mean(flat(v)) > 0.7, text=count(bool))
def replays_m(seed):
    """For each drop whether the loss doubles all the same after m was set to 0."""
    return [int(r["mean gradient = 0"] > 2) for r in rows("09_replays", seed=seed)]


def times_undone(way, seed):
    return [r[f"undone: {way}"] for r in rows("09_replays", seed=seed)]


def undone(id, way, holds):
    """Register the claim: how often a rollback was used, at each rate."""

    @claim(
        f"lesson09-undo-{id}",
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
    for r in rows("09_meter", seed=seed):
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


@claim("lesson09-rise", holds=lambda v: min(flat(v)) > 5, text=average, unit="%")
def rise(seed):
    return drift(seed, "meter")


@claim(
    "lesson09-rise-frozen",
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
    for r in rows("09_meter", seed=seed):
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
    "lesson09-flat",
    holds=lambda v: 0.6 < np.mean(flat(v)) < 0.9 and as_flat_with_frozen(v),
    text=lambda values: f"{np.mean(flat(values)):.2f}",
)
def flatter(seed):
    """What a jump leaves of the meter; with D frozen it is as much."""
    return after_jump(seed, "meter")


# ---- what prevents the drops


@claim("lesson09-linear", unit="dB", holds=lambda v: max(v) < 30)
def linear(seed):
    """PSNR of linear interpolation on the hidden pixels: below each fit of the stored table."""
    start, x = study.half_hidden(seed), study.LESSON["x"]
    x_hat = baselines.linear(start.y, start.operator.mask)
    psnr = metrics.psnr(x_hat, x, 1 - start.operator.mask)
    assert all(r["hidden, mean"] > psnr + 0.1 for r in rows("09_cures", seed=seed)), "a fit loses"
    return psnr
