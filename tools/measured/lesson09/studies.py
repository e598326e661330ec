"""The studies of lesson 09: sudden drops, and what prevents them.

OMP_NUM_THREADS=1 python -m tools.measured tables 09_replays 09_cures 09_meter
OMP_NUM_THREADS=1 python -m tools.measured record 09_drop       one drop, step by step
"""

import copy
from functools import partial
from itertools import product

import numpy as np
import torch

from dipcourse import fit, metrics
from tools import lesson_code
from tools.measured.recordings import recording
from tools.measured.tables import table

RATES = (0.003, 0.01, 0.03)
RATE = 0.03  # of the lesson's fit, and of the cures
SEEDS = (0, 1, 2)
STEPS = 600  # of the fits of the cures

CELLS = ("build-half", "build-root", "build-watch", "build-diagonal", "build-meter")
CELLS += ("build-undo", "guarded")
#: the very code of the lesson
LESSON = lesson_code.run("09", *CELLS)
half_hidden = LESSON["half_hidden"]
watch = LESSON["watch"]
rise = LESSON["rise"]
LEAD = LESSON["LEAD"]  # steps between the start of a replay and the jump


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
REPLAYS = ("nothing", "weights nudged", "rate / 2", "v x 4", "v / 2", "mean gradient = 0")
REPLAYS += ("beta1 = 0.8", "beta1 = 0.95")


def changes(lr):
    """The lesson's changes for a fit with this learning rate, {column: function}."""
    names = lesson_code.run("09", "build-replay", "the-changes", ETA=lr)
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
        loss, undone = LESSON["guarded"](copy.deepcopy(start), undo, 4 * LEAD)
        row[f"undone: {name}"] = undone
        row[f"loss: {name}"] = round(float(np.mean(loss) / before), 2)
    return row


#: what is done after a jump
UNDO = {
    "nothing": LESSON["restore_nothing"],
    "weights, then the rejected step": LESSON["restore_weights_but_step"],
    "weights": LESSON["restore_weights"],
    "weights, Adam": LESSON["restore_weights_and_adam"],
    "weights, Adam, rate / 2": LESSON["restore_all_and_slow_down"],
}


@table("09_replays", key=("lr", "seed"))
def replays(table):
    """A drop replayed from just before, with one thing changed."""
    table.fill(product(RATES, SEEDS), replays_row)


@recording("09_drop", preset="overfit")
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
    x, start = LESSON["x"], half_hidden(seed)
    record = {"frames": 2 * STEPS, "progress": False}  # so many that each step is kept
    settings = {"lr": lr, "steps": STEPS, "seed": seed} | record | CURES[cure]
    history = fit.fit(start.net, start.z, start.y, start.operator, **settings, **LESSON["EXACT"])
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


@table("09_cures", key=("lr", "cure", "seed"))
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
            frozen = LESSON["diagonal"](fitting)
        if k >= first and k % every == 0:
            row["step"].append(k)
            for name, D in (("meter", None), ("frozen", frozen)):
                turns = 4 if name in directions else 20
                before = directions.get(name, start_of_iteration(frozen))
                reading, directions[name] = LESSON["meter"](fitting, before, turns, D)
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


@table("09_meter", key=("lr", "seed"))
def meter(table):
    """The curvature that Adam sees, in units of its limit, along a fit."""
    table.fill(product(RATES, SEEDS), meter_row)
