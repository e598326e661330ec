"""The numbers of lesson 07: rules that stop a fit, sudden drops, and what prevents them.

A fit without jitter jumps now and then, and a rounding error decides when: other threads change its
numbers as much as another seed does. So the claims on single fits take ten seeds.

Claims that begin with study-, worst-, meter-, replay-, undo- and cure- read the stored tables of
tools/study_07.py; a seed is there a seed of the table.
"""

from functools import cache, partial

import numpy as np
import torch

from dipcourse import baselines, degrade, metrics, nets, presets, priors, recordings, stopping
from tools import study_07 as study
from tools.claims import claim, lesson00, middle

GREY_LEVELS = 25
SIGMA = GREY_LEVELS / 255
ten = partial(claim, unit="dB", text=middle, seeds=range(10))


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


def rule(id, choose, holds, mean=False):
    """Register the claim: what a rule loses in the lesson's fit."""

    @ten(f"lesson07-{id}", holds=holds)
    def loss(seed):
        x, y, left_out = case(seed)
        return lost(run(seed), choose(run(seed), y, left_out), x, mean)


rule("sigma", lambda h, y, m: stopping.discrepancy(h, SIGMA), lambda v: np.median(v) > 0.8)
rule(
    "level",
    lambda h, y, m: stopping.discrepancy(h, study.level(h, SIGMA)),
    lambda v: np.median(v) < 0.6 and max(v) < 1.5,
)
rule(
    "held",
    lambda h, y, m: stopping.held_out(h, study.PATIENCE),
    lambda v: np.median(v) < 0.4 and max(v) < 1.2,
)
rule(
    "variance",
    lambda h, y, m: stopping.windowed_variance(h, study.PATIENCE, study.WARM_UP),
    lambda v: np.median(v) < 0.4 and max(v) < 1.5,
)
rule("mean", study.held_out_mean, lambda v: np.median(v) < 0.2 and max(v) < 0.8, mean=True)


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
    return first.frame(first.nearest(step), mean=True), second.mean


@ten("lesson07-again", holds=lambda v: ahead(v, -0.25) and not ahead(v, 0.25))
def fitted_again(seed):
    """PSNR of the mean of the second fit: level with non-local means at its best."""
    return metrics.psnr(again(seed)[1], case(seed)[0])


@ten("lesson07-both", holds=lambda v: ahead(v, 0.1))
def both(seed):
    """PSNR of the average of the two means."""
    return metrics.psnr(sum(again(seed)) / 2, case(seed)[0])


@ten("lesson07-end", holds=lambda v: max(v) < 25)
def end(seed):
    """PSNR of the last single picture."""
    return study.psnr_at(run(seed), len(run(seed).loss) - 1, case(seed)[0])


@ten("lesson07-nlm", holds=lambda v: min(v) > 28)
def nlm(seed):
    """PSNR of non-local means at its best h: the picture is that of lesson 00."""
    return lesson00.non_local_means(seed)


@ten("lesson07-tv", holds=lambda v: max(v) < 27.5)
def total_variation(seed):
    """PSNR of TV at its best weight."""
    return lesson00.total_variation(seed)


@ten("lesson07-estimated", holds=lambda v: np.median(v) < 0.7 and max(v) < 1.5)
def estimated(seed):
    """What discrepancy loses with the second exercise's estimate of σ."""
    x, y, _ = case(seed)
    d = y[:, :, :-1, :-1] - y[:, :, :-1, 1:] - y[:, :, 1:, :-1] + y[:, :, 1:, 1:]
    sigma = d.abs().median().item() / 0.6745 / 2
    return lost(run(seed), stopping.discrepancy(run(seed), sigma), x)


# ---- 4 photos × 2 noise levels × 3 seeds


def table(name, **where):
    """The rows of a stored table with these values."""
    rows = recordings.table(name)["rows"]
    return [r for r in rows if all(r[k] == v for k, v in where.items())]


def flat(values):
    return [v for row in values for v in row]


def count(good):
    """How many of all cases are good: "23 of 24"."""
    return lambda values: f"{sum(good(v) for v in flat(values))} of {len(flat(values))}"


def studied(id, rule, mark, at_least, limit):
    """Register two claims: how many cases lose at most `mark`, and what the worst one loses.

    The worst may lose `limit`; a rule that fails must lose more than that, `mark` being in reach
    of fewer than half of the cases.
    """

    def losses(seed):
        return [row[f"{rule} loss"] for row in table("07_stopping", seed=seed)]

    def enough(values):
        return np.mean([v <= mark for v in flat(values)]) >= at_least

    def worst(values):
        return f"{max(flat(values)):.1f} dB".replace("-", "−")

    def below_limit(values):
        return (max(flat(values)) < limit) == (at_least > 0)

    claim(f"lesson07-study-{id}", holds=enough, text=count(lambda v: v <= mark))(losses)
    claim(f"lesson07-worst-{id}", holds=below_limit, text=worst, unit="dB")(losses)


studied("sigma", "sigma", 1, 0, 4)
studied("level", "level", 1, 0.8, 2.5)
studied("variance", "variance", 1, 0.8, 3)
studied("held", "held out", 1, 0.8, 1.5)
studied("again", "held out, again", 1, 0.8, 1)
studied("mean-again", "mean, held out, again", 0.3, 0.5, 0.8)
studied("both", "mean of both", 0.3, 0.8, 0.6)


# ---- louder noise


@cache
def louder(seed):
    _, y, left_out = study.noisy("face", 2 * GREY_LEVELS, seed)
    return study.denoise(y, seed, left_out)


def loud(id, sigma, holds):
    @ten(f"lesson07-loud-{id}", holds=holds)
    def loss(seed):
        history = louder(seed)
        return lost(history, stopping.discrepancy(history, sigma(history)), case(seed)[0])


loud("sigma", lambda history: 2 * SIGMA, lambda v: min(v) > 2)
loud("level", lambda history: study.level(history, 2 * SIGMA), lambda v: max(v) < 1.5)


# ---- without stopping


def tv_prior(x_hat):
    return 0.06 * priors.total_variation(x_hat) / x_hat.numel()


@cache
def without(kind, seed):
    """A fit of the noisy face by another network, or with a second prior."""
    _, y, left_out = case(seed)
    if kind == "tv":
        return study.denoise(y, seed, left_out, prior=tv_prior)
    torch.manual_seed(seed)
    net = nets.DeepDecoder(kind, 3, width=kind, scales=4)
    z = nets.fixed_input(kind, *(n // 16 for n in y.shape[2:]), seed=seed)
    steps = 4 * presets.get("overfit").fit["steps"]
    return study.denoise(y, seed, left_out, model=(net, z), steps=steps)


def fall(id, fitted, holds):
    @ten(f"lesson07-fall-{id}", holds=holds)
    def falls(seed):
        """From the best single picture to the last."""
        history = fitted(seed)
        return lost(history, len(history.loss) - 1, case(seed)[0])


def best(id, fitted, holds):
    @ten(f"lesson07-best-{id}", holds=holds)
    def psnr(seed):
        """PSNR of the best single picture."""
        history, x = fitted(seed), case(seed)[0]
        return study.psnr_at(history, stopping.oracle(history, x), x)


fall("unet", run, lambda v: min(v) > 3)
fall("small", lambda seed: without(32, seed), lambda v: max(v) < 1)
fall("wide", lambda seed: without(128, seed), lambda v: np.median(v) > 0.8)
fall("tv", lambda seed: without("tv", seed), lambda v: max(v) < 2)
best("unet", run, lambda v: min(v) > 27)
best("small", lambda seed: without(32, seed), lambda v: max(v) < 27.6)
best("wide", lambda seed: without(128, seed), lambda v: min(v) > 25)
best("tv", lambda seed: without("tv", seed), lambda v: min(v) > 27)


# ---- noise whose neighbours agree


@cache
def coarse(seed):
    """The face with noise that was blurred and brought back to σ, and its fit."""
    x, _, left_out = case(seed)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(200 + seed))
    noise = degrade.Blur(1.0)(noise)
    y = (x + SIGMA * noise / noise.std()).clamp(0, 1)
    return y, study.denoise(y, seed, left_out)


def fooled(id, choose, holds):
    @ten(f"lesson07-coarse-{id}", holds=holds)
    def loss(seed):
        y, history = coarse(seed)
        return lost(history, choose(history, y, case(seed)[0]), case(seed)[0])


fooled("held", lambda h, y, x: stopping.held_out(h, study.PATIENCE), lambda v: min(v) > 1)
fooled(
    "variance",
    lambda h, y, x: stopping.windowed_variance(h, study.PATIENCE, study.WARM_UP),
    lambda v: np.median(v) > 0.5,
)
fooled(
    "level",
    lambda h, y, x: stopping.discrepancy(h, metrics.mse(y, x) ** 0.5),
    lambda v: max(v) < 1.2,
)


# ---- drops


def row(name, seed, **where):
    (found,) = table(name, seed=seed, **where)
    return found


@claim("lesson07-depth", unit="dB", holds=lambda v: min(v) > 1)
def depth(seed):
    """The deepest drop of the whole picture's PSNR at the lesson's learning rate."""
    return row("07_cures", seed, lr=study.RATE, cure="none")["deepest"]


def before_falls(seed):
    """For each jump of each rate: how high the meter stood within the 20 steps before."""
    found = []
    for r in table("07_meter", seed=seed):
        steps, readings = np.array(r["step"]), np.array(r["meter"])
        for k in r["falls"]:
            if k >= steps[0] + 20:
                found.append(float(readings[(steps > k - 20) & (steps <= k)].max()))
    return found


def after_calm(seed):
    """For each 20 steps with the meter below 0.95: whether a jump comes in the next four."""
    found = []
    for r in table("07_meter", seed=seed):
        steps, readings = np.array(r["step"]), np.array(r["meter"])
        for k in range(steps[0] + 20, steps[-1] - 4, 4):
            if readings[(steps > k - 20) & (steps <= k)].max() < 0.95:
                found.append(int(any(k < f <= k + 4 for f in r["falls"])))
    return found


claim(
    "lesson07-meter-over",
    holds=lambda values: np.mean(np.array(flat(values)) > 1) > 0.85,
    text=count(lambda peak: peak > 1),
)(before_falls)
claim(
    "lesson07-meter-lowest",
    holds=lambda values: min(flat(values)) > 0.95,
    text=lambda values: f"{min(flat(values)):.2f}",
)(before_falls)
claim(
    "lesson07-meter-calm",
    holds=lambda values: np.mean(flat(values)) < 0.01,
    text=count(lambda jump: jump),
)(after_calm)


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


def undone(id, way, holds):
    """Register the claim: how often a rollback was used, at each rate."""

    @claim(
        f"lesson07-undo-{id}",
        holds=lambda values: holds(flat(values)),
        text=lambda values: "–".join(dict.fromkeys(str(f(flat(values))) for f in (min, max))),
    )
    def steps(seed):
        return [r[f"undone: {way}"] for r in table("07_replays", seed=seed)]


undone("rejected", "weights, then the rejected step", lambda v: min(v) > 60)
undone("weights", "weights", lambda v: min(v) > 30)
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


def flatter(id, name):
    @claim(
        f"lesson07-{id}",
        holds=lambda values: 0.6 < np.mean(flat(values)) < 0.9,
        text=lambda values: f"{np.mean(flat(values)):.2f}",
    )
    def falls(seed):
        return after_jump(seed, name)


flatter("flat", "meter")
flatter("flat-frozen", "frozen")


# ---- what prevents the drops


@claim("lesson07-linear", unit="dB", holds=lambda v: max(v) < 30)
def linear(seed):
    """PSNR of linear interpolation on the hidden pixels of the fits that drop."""
    x, operator, _, _ = study.half_hidden(seed)
    x_hat = baselines.linear(operator(x), operator.mask)
    return metrics.psnr(x_hat, x, 1 - operator.mask)


def cured(id, column, holds, cure="none", lr=study.RATE, digits=0, unit=""):
    """Register the claim: a column of the table of remedies."""

    def text(values):
        low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
        return f"{low if low == high else f'{low}–{high}'} {unit}".strip()

    @claim(f"lesson07-{id}", holds=holds, text=text, unit=unit)
    def number(seed):
        return row("07_cures", seed, lr=lr, cure=cure)[column]


def decibels(id, column, holds, **where):
    cured(id, column, holds, digits=1, unit="dB", **where)


cured("drops-none", "drops", lambda v: min(v) >= 4)
cured("drops-slow", "drops", lambda v: min(v) >= 2, lr=0.001)
cured("drops-decay", "drops", lambda v: max(v) == 0, cure="decaying rate")
cured("drops-jitter", "drops", lambda v: max(v) == 0, cure="jitter")
cured("drops-eps", "drops", lambda v: np.mean(v) < 4, cure="larger epsilon")
cured("drops-beta1", "drops", lambda v: max(v) < 4, cure="beta1 = 0.95")
cured("drops-clip", "drops", lambda v: min(v) >= 4, cure="clipped gradient")
cured("drops-beta2", "drops", lambda v: min(v) >= 5, cure="beta2 = 0.99")
cured("drops-amsgrad", "drops", lambda v: min(v) >= 4, cure="AMSGrad")
cured("drops-rollback", "drops", lambda v: max(v) < 4, cure="rollback")
decibels("deepest-none", "deepest", lambda v: max(v) > 2)
decibels("deepest-slow", "deepest", lambda v: max(v) < 1.2, lr=0.001)
decibels("deepest-clip", "deepest", lambda v: max(v) < 1.5, cure="clipped gradient")
decibels("hidden-none", "hidden, mean", lambda v: all(p > linear(s) + 0.2 for s, p in enumerate(v)))
decibels("hidden-jitter", "hidden, mean", lambda v: min(v) > 25.5, cure="jitter")
