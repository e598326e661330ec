"""The studies of lesson 07: rules that stop a fit, sudden drops, and what prevents them.

OMP_NUM_THREADS=1 python -m tools.measured tables 07_replays 07_stopping 07_cures 07_meter
OMP_NUM_THREADS=1 python -m tools.measured record 07_drop       one drop, step by step
"""

import copy
from functools import partial
from itertools import product

import numpy as np
import torch

from dipcourse import degrade, fit, images, metrics, presets, stopping
from tools import lesson_code
from tools.measured.recordings import recording
from tools.measured.tables import table

PHOTOS = ("face", "chelsea", "coffee", "rocket")
NOISE = (25, 50)  # grey levels
SEEDS = (0, 1, 2)
SHARE = 0.05  # of the pixels are held out
WINDOW, PATIENCE, WARM_UP = 20, 60, 30  # steps; ES-WMV's 100 and 1000 are for long fits

PRESET = presets.get("overfit")
RATES = (0.003, 0.01, 0.03)
RATE = 0.03  # of the lesson's fit, and of the cures
STEPS = 600  # of the fits of the cures

STOP_CELLS = ("build-denoise", "build-rules", "build-judge", "build-level", "build-mean")
DROP_CELLS = ("build-half", "build-watch", "build-rise", "build-replay", "build-undo")
DROP_CELLS += ("build-undo-all", "guarded", "build-diagonal", "build-meter")
#: the very code of the lesson: what stops a fit, and why fits drop
STOP = lesson_code.run("07", *STOP_CELLS, preset=PRESET, left_out=None, WINDOW=WINDOW, x=None)
DROP = lesson_code.run("07", *DROP_CELLS, preset=PRESET)
at, held_out_mean = STOP["at"], STOP["held_out_mean"]
half_hidden, watch, rise = DROP["half_hidden"], DROP["watch"], DROP["rise"]
LEAD = DROP["LEAD"]  # steps between the start of a replay and the jump


# ---- when to stop


def noisy(photo, grey_levels, seed):
    """The clean photo, its noisy version and the mask of the pixels that are held out."""
    generator = torch.Generator().manual_seed(seed)
    x = images.load(photo, size=PRESET.size)
    y = degrade.add_noise(x, grey_levels / 255, generator=generator)
    return x, y, degrade.random_mask(*x.shape[2:], SHARE, generator)


def denoise(y, seed, holdout=None, model=None, **settings):
    """The lesson's fit, with this seed; model: (network, z) in place of the preset's."""
    return STOP["denoise"](y, model or PRESET.make(seed=seed), holdout=holdout, **settings)


def level(history, sigma):
    """The standard deviation of clipped noise, estimated on the fit's own picture."""
    return STOP["measured_level"](history, sigma, seed=0)


def psnr_at(history, step, x, mean=False):
    return metrics.psnr(at(history, step, mean), x)


def rules(whole, part, y, holdout, sigma):
    """{rule: (history, step)}; the fit `part` was made without the held-out pixels.

    "again": the step that the pixels held out of one fit have chosen, in the fit of all pixels.
    """
    chosen = stopping.held_out(part, PATIENCE)
    chosen_mean = held_out_mean(part, y, holdout)
    return {
        "sigma": (whole, stopping.discrepancy(whole, sigma)),
        "level": (whole, stopping.discrepancy(whole, level(whole, sigma))),
        "variance": (whole, stopping.windowed_variance(whole, PATIENCE, WARM_UP)),
        "held out": (part, chosen),
        "held out, again": (whole, chosen),
        "mean, held out": (part, chosen_mean),
        "mean, held out, again": (whole, chosen_mean),
    }


def stopping_row(photo, grey_levels, seed):
    """What each rule loses against the oracle of the plain fit, in dB."""
    x, y, holdout = noisy(photo, grey_levels, seed)
    whole, part = denoise(y, seed), denoise(y, seed, holdout)
    best = {mean: stopping.oracle(whole, x, mean) for mean in (False, True)}
    top = {mean: psnr_at(whole, best[mean], x, mean) for mean in (False, True)}
    row = {"photo": photo, "noise": grey_levels, "seed": seed}
    row |= {"best": top[False], "best step": best[False]}
    row |= {"best mean": top[True], "best mean step": best[True]}
    row |= {"end": psnr_at(whole, len(whole.loss) - 1, x)}
    row |= {"end mean": psnr_at(whole, len(whole.loss) - 1, x, mean=True)}
    for rule, (history, step) in rules(whole, part, y, holdout, grey_levels / 255).items():
        mean = "mean" in rule
        row[f"{rule} step"] = step
        row[f"{rule} loss"] = round(top[mean] - psnr_at(history, step, x, mean), 3)
    step = row["mean, held out step"]
    both = (at(history, step, mean=True) for history in (whole, part))
    row["mean of both loss"] = round(top[True] - metrics.psnr(sum(both) / 2, x), 3)
    return row


@table("07_stopping", key=("photo", "noise", "seed"))
def stopping_rules(table):
    """What each rule loses against the best step: photos, noise levels, seeds."""
    table.fill(product(PHOTOS, NOISE, SEEDS), stopping_row)


# ---- sudden drops


def falls(loss, after=20, back=20):
    """The steps at which the loss doubles; what follows within 2·back steps is the same jump."""
    found = []
    for k in range(after, len(loss)):
        if rise(loss, k) > 2 and (not found or k - found[-1] > 2 * back):
            found.append(k)
    return found


def depth(psnr, step, back=20):
    """How far the PSNR falls at a jump: the median before it minus the lowest value after it."""
    return float(np.median(psnr[step - back : step]) - psnr[step : step + back].min())


# ---- the same jump again, with one thing changed


#: the columns of the replays, in the order of the lesson's changes
REPLAYS = ("nothing", "weights nudged", "rate / 2", "v x 4", "v / 2", "m = 0")
REPLAYS += ("beta1 = 0.8", "beta1 = 0.95")


def changes(lr):
    """The lesson's changes for a fit with this learning rate, {column: function}."""
    names = lesson_code.run("07", "build-replay", "the-changes", ETA=lr)
    return dict(zip(REPLAYS, names["changes"].values(), strict=True))


def losses(fitting, steps):
    """Make steps; return the loss of each."""
    return watch(fitting, steps)[0]


def edge(seed, lr, after=200):
    """A Stepper a few steps before a jump to three times the loss, and the step of the jump."""
    fitting = half_hidden(seed, lr)
    loss = list(losses(fitting, after))
    while len(loss) == after or rise(np.array(loss), len(loss) - 1) < 3:
        loss.extend(losses(fitting, 1))
    again = half_hidden(seed, lr)  # repeats the first fit bit for bit
    watch(again, len(loss) - 1 - LEAD)
    return again, len(loss) - 1


def replay(start, change):
    """How far the loss rises in the steps around the jump, with one thing changed before it."""
    again = copy.deepcopy(start)
    change(again)
    loss = losses(again, 2 * LEAD)
    return round(float(max(rise(loss, k) for k in range(1, len(loss)))), 2)


def replays_row(lr, seed):
    """The rise of the loss in each replay, and what rollbacks of several kinds make of it."""
    torch.manual_seed(seed)
    start, fall = edge(seed, lr)
    row = {"lr": lr, "seed": seed, "jump": fall}
    row |= {name: replay(start, change) for name, change in changes(lr).items()}
    before = losses(copy.deepcopy(start), 5).mean()
    for name, undo in UNDO.items():
        loss, undone = DROP["guarded"](copy.deepcopy(start), undo, 4 * LEAD)
        row[f"undone: {name}"] = undone
        row[f"loss: {name}"] = round(float(np.mean(loss) / before), 2)
    return row


#: what is done after a jump
UNDO = {
    "nothing": lambda fitting, good: None,
    "weights, then the rejected step": DROP["weights_and_rejected_step"],
    "weights": DROP["weights"],
    "weights, Adam": DROP["weights_and_adam"],
    "weights, Adam, rate / 2": DROP["all_and_slower"],
}


@table("07_replays", key=("lr", "seed"))
def replays(table):
    """A drop replayed from just before, with one thing changed."""
    table.fill(product(RATES, SEEDS), replays_row)


@recording("07_drop", preset="overfit")
def drop(preset):
    """A sudden drop, step by step: half of the face's pixels, learning rate 0.03."""
    fitting, fall = edge(0, RATE)
    for _ in range(2 * LEAD):
        fitting.step()
        if (fall - fitting.k) % 5 == 0 or abs(fall - fitting.k) < LEAD // 2:
            fitting.snapshot()
    return fitting.history()


# ---- what prevents the jumps


class Clipped(torch.optim.Adam):
    """Adam that shortens gradients longer than ``longest``."""

    longest = 0.005

    def step(self):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], self.longest)
        super().step()


class Decaying(torch.optim.Adam):
    """Adam whose learning rate halves every 200 steps."""

    def step(self):
        super().step()
        for group in self.param_groups:
            group["lr"] *= 0.5 ** (1 / 200)


#: name → settings of the fit
CURES = {
    "none": {},
    "rollback": {"rollback": 2.0},
    "clipped gradient": {"optimizer": Clipped},
    "decaying rate": {"optimizer": Decaying},
    "larger epsilon": {"optimizer": partial(torch.optim.Adam, eps=1e-4)},
    "beta1 = 0.95": {"optimizer": partial(torch.optim.Adam, betas=(0.95, 0.999))},
    "beta2 = 0.99": {"optimizer": partial(torch.optim.Adam, betas=(0.9, 0.99))},
    "AMSGrad": {"optimizer": partial(torch.optim.Adam, amsgrad=True)},
    "jitter": {"jitter": 1 / 30},
}


def cures_row(lr, cure, seed):
    """The fit of half of the pixels, with the PSNR of the whole picture at every step."""
    x, start = DROP["face"], half_hidden(seed)
    record = {"frames": 2 * STEPS, "progress": False}  # so many that each step is kept
    settings = {"lr": lr, "steps": STEPS, "seed": seed} | record | CURES[cure]
    history = fit.fit(start.net, start.z, start.y, start.operator, **settings, **DROP["EXACT"])
    psnr = np.array([metrics.psnr(history.frame(i), x) for i in range(len(history))])
    where, hidden = falls(history.loss, after=100), 1 - start.operator.mask
    return {
        "lr": lr,
        "cure": cure,
        "seed": seed,
        "drops": len(where),
        "deepest": round(max((depth(psnr, k) for k in where), default=0.0), 2),
        "lowest loss": float(history.loss.min()),
        "best": round(float(psnr.max()), 2),
        "end": round(float(np.median(psnr[-50:])), 2),
        "hidden": round(metrics.psnr(history.frame(-1), x, hidden), 2),
        "hidden, mean": round(metrics.psnr(history.mean, x, hidden), 2),
    }


@table("07_cures", key=("lr", "cure", "seed"))
def cures(table):
    """What prevents the drops, and at what price."""
    cases = [(lr, "none") for lr in (0.001, *RATES)]
    cases += [(RATE, cure) for cure in CURES if cure != "none"]
    table.fill([(lr, cure, seed) for lr, cure in cases for seed in SEEDS], cures_row)


# ---- the curvature that Adam sees


def meter_row(lr, seed, first=100, last=460, every=6):
    """Curvature over limit along a fit; "frozen": with D as it was at the last full hundred."""
    fitting = half_hidden(seed, lr)
    row = {"lr": lr, "seed": seed, "step": [], "meter": [], "frozen": []}
    loss, psnr, directions = [], [], {}
    for k in range(last):
        if k >= first and k % 100 == 0:
            frozen = DROP["diagonal"](fitting)
        if k >= first and k % every == 0:
            row["step"].append(k)
            for name, D in (("meter", None), ("frozen", frozen)):
                turns = 4 if name in directions else 20
                before = directions.get(name, start_of_iteration(frozen))
                reading, directions[name] = DROP["meter"](fitting, before, turns, D)
                row[name].append(round(reading, 3))
        (step_loss,), _, _, (step_psnr,) = watch(fitting, 1)
        loss.append(step_loss)
        psnr.append(step_psnr)
    where = falls(np.array(loss), after=first)
    row["falls"] = where
    row["depths"] = [round(depth(np.array(psnr), k), 2) for k in where]
    row["loss"] = [float(f"{v:.3g}") for v in loss[first::every]]
    return row


def start_of_iteration(like):
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(0))


@table("07_meter", key=("lr", "seed"))
def meter(table):
    """The curvature that Adam sees, in units of its limit, along a fit."""
    table.fill(product(RATES, SEEDS), meter_row)
