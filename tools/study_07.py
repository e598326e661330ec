"""The studies of lesson 07: rules that stop a fit, sudden drops, and what prevents them.

    OMP_NUM_THREADS=1 python -m tools.study_07 replays stopping cures meter
    OMP_NUM_THREADS=1 python -m tools.record 07_drop       one drop, step by step

Each row is stored at once; rows that are there already are passed over.
"""

import argparse
import copy
from functools import partial
from itertools import product

import numpy as np
import torch

from dipcourse import degrade, fit, images, metrics, presets, stopping
from tools.studies import Table, recording

PHOTOS = ("face", "chelsea", "coffee", "rocket")
NOISE = (25, 50)  # grey levels
SEEDS = (0, 1, 2)
SHARE = 0.05  # of the pixels are held out
WINDOW, PATIENCE, WARM_UP = 20, 60, 30  # steps; ES-WMV's 100 and 1000 are for long fits

SIDE, STEPS = 64, 600  # of the fits that drop
RATES = (0.003, 0.01, 0.03)
RATE = 0.03  # of the lesson's fit, and of the cures
EXACT = {"precision": "float32", "device": "cpu"}
LEAD = 25  # steps between the start of a replay and the jump


# ---- when to stop


def noisy(photo, grey_levels, seed, side=None):
    """The clean photo, its noisy version and the mask of the pixels that are held out."""
    side = side or presets.get("overfit").size
    generator = torch.Generator().manual_seed(seed)
    x = images.load(photo, size=side)
    y = degrade.add_noise(x, grey_levels / 255, generator=generator)
    return x, y, degrade.random_mask(side, side, SHARE, generator)


def denoise(y, seed, holdout=None, model=None, **settings):
    """A fit with the lesson's settings; model: (network, z) in place of the preset's."""
    preset = presets.get("overfit")
    net, z = model or preset.make(*y.shape[1:], seed=seed)
    record = {"holdout": holdout, "window": WINDOW, "frames": 150, "progress": False}
    return fit.fit(net, z, y, degrade.Identity(), **preset.fit | record | settings, seed=seed)


def level(history, sigma, seed=0):
    """The standard deviation of clipped noise, estimated on the fit's own picture."""
    x_hat = history.frame(history.nearest(stopping.discrepancy(history, sigma)))
    again = degrade.add_noise(x_hat, sigma, generator=torch.Generator().manual_seed(seed))
    return metrics.mse(again, x_hat) ** 0.5


def held_out_mean(history, y, holdout):
    """The kept step whose running mean has the smallest error on the held-out pixels."""
    errors = [metrics.mse(history.frame(i, mean=True), y, holdout) for i in range(len(history))]
    return int(history.steps[np.argmin(errors)])


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


def psnr_at(history, step, x, mean=False):
    return metrics.psnr(history.frame(history.nearest(step), mean), x)


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
    both = (h.frame(h.nearest(step), mean=True) for h in (whole, part))
    row["mean of both loss"] = round(top[True] - metrics.psnr(sum(both) / 2, x), 3)
    return row


def study_stopping():
    cases = product(PHOTOS, NOISE, SEEDS)
    fill("07_stopping", ("photo", "noise", "seed"), cases, stopping_row)


# ---- sudden drops


def half_hidden(seed):
    """The clean face, the operator that hides every second pixel, a network and its input."""
    x = images.load("face", size=SIDE)
    generator = torch.Generator().manual_seed(seed)
    operator = degrade.Mask(degrade.random_mask(SIDE, SIDE, 0.5, generator))
    net, z = presets.get("overfit").make(3, SIDE, SIDE, seed)
    return x, operator, net, z


def stepper(seed, lr):
    """A fit of half of the face's pixels, ready to be stepped, and the clean face."""
    x, operator, net, z = half_hidden(seed)
    return fit.Stepper(net, z, operator(x), operator, lr=lr, **EXACT), x


def watch(fitting, steps):
    """Make steps; return the loss of each."""
    loss = []
    for _ in range(steps):
        fitting.step()
        loss.append(fitting.look())
    return np.array(loss)


def rise(loss, k, back=20):
    """The loss at step k in units of its smallest value of the last steps."""
    return loss[k] / loss[max(k - back, 0) : k].min()


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


def nudge(fitting):
    with torch.no_grad():
        for p in fitting.net.parameters():
            p *= 1 + 1e-4 * torch.randn_like(p)


def scale(name, factor):
    def change(fitting):
        for state in fitting.optimizer.state.values():
            state[name] *= factor

    return change


def choose(**new):
    return lambda fitting: fitting.optimizer.param_groups[0].update(new)


def slower(fitting):
    fitting.optimizer.param_groups[0]["lr"] /= 2


CHANGES = {
    "nothing": lambda fitting: None,
    "weights nudged": nudge,
    "rate / 2": slower,
    "v x 4": scale("exp_avg_sq", 4),
    "v / 2": scale("exp_avg_sq", 0.5),
    "m = 0": scale("exp_avg", 0),
    "beta1 = 0.8": choose(betas=(0.8, 0.999)),
    "beta1 = 0.95": choose(betas=(0.95, 0.999)),
}


def edge(seed, lr, after=200):
    """A Stepper a few steps before a jump to three times the loss, and the step of the jump."""
    fitting, _ = stepper(seed, lr)
    loss = list(watch(fitting, after))
    while len(loss) == after or rise(np.array(loss), len(loss) - 1) < 3:
        loss.extend(watch(fitting, 1))
    again, _ = stepper(seed, lr)  # repeats the first fit bit for bit
    watch(again, len(loss) - 1 - LEAD)
    return again, len(loss) - 1


def replay(start, change):
    """How far the loss rises in the steps around the jump, with one thing changed before it."""
    again = copy.deepcopy(start)
    change(again)
    loss = watch(again, 2 * LEAD)
    return round(float(max(rise(loss, k) for k in range(1, len(loss)))), 2)


def replays_row(seed, lr):
    """The rise of the loss in each replay, and what rollbacks of several kinds make of it."""
    torch.manual_seed(seed)
    start, fall = edge(seed, lr)
    row = {"lr": lr, "seed": seed, "jump": fall}
    row |= {name: replay(start, change) for name, change in CHANGES.items()}
    before = watch(copy.deepcopy(start), 5).mean()
    for name, undo in UNDO.items():
        loss, undone = guarded(start, undo)
        row |= {f"undone: {name}": undone, f"loss: {name}": round(float(loss.mean() / before), 2)}
    return row


def weights_only(fitting, good):
    fitting.net.load_state_dict(good["net"])


def weights_and_rejected_step(fitting, good):
    weights_only(fitting, good)
    fitting.optimizer.step()  # the gradient of the step that was rejected is still there


def everything(fitting, good):
    weights_only(fitting, good)
    fitting.optimizer.load_state_dict(copy.deepcopy(good["adam"]))


def everything_and_slower(fitting, good):
    rate = fitting.optimizer.param_groups[0]["lr"]
    everything(fitting, good)
    fitting.optimizer.param_groups[0]["lr"] = rate / 2


#: what is done after a jump
UNDO = {
    "nothing": lambda fitting, good: None,
    "weights, then the rejected step": weights_and_rejected_step,
    "weights": weights_only,
    "weights, Adam": everything,
    "weights, Adam, rate / 2": everything_and_slower,
}


def guarded(start, undo, steps=4 * LEAD):
    """Go on with a rollback; return the losses and how often it was used."""
    fitting, good, undone, losses = copy.deepcopy(start), None, 0, []
    for k in range(steps):
        fitting.step()
        losses.append(fitting.look())
        if good and losses[-1] > 2 * good["loss"]:
            undo(fitting, good)
            undone += 1
        elif k % 10 == 0:
            net, adam = fitting.net.state_dict(), fitting.optimizer.state_dict()
            good = {"net": copy.deepcopy(net), "adam": copy.deepcopy(adam), "loss": losses[-1]}
    return np.array(losses), undone


def study_replays():
    fill(
        "07_replays", ("lr", "seed"), product(RATES, SEEDS), lambda lr, seed: replays_row(seed, lr)
    )


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


def cures_row(seed, lr, cure):
    """The fit of half of the pixels, with the PSNR of the whole picture at every step."""
    x, operator, net, z = half_hidden(seed)
    record = {"frames": 2 * STEPS, "progress": False}  # so many that each step is kept
    settings = {"lr": lr, "steps": STEPS, "seed": seed} | CURES[cure]
    history = fit.fit(net, z, operator(x), operator, **settings, **record, **EXACT)
    psnr = np.array([metrics.psnr(history.frame(i), x) for i in range(len(history))])
    where, hidden = falls(history.loss, after=100), 1 - operator.mask
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


def study_cures():
    cases = [(lr, "none") for lr in (0.001, *RATES)]
    cases += [(RATE, cure) for cure in CURES if cure != "none"]
    cases = [(lr, cure, seed) for lr, cure in cases for seed in SEEDS]
    fill(
        "07_cures", ("lr", "cure", "seed"), cases, lambda lr, cure, seed: cures_row(seed, lr, cure)
    )


# ---- the curvature that Adam sees


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def typical_size(optimizer, theta):
    """What Adam divides the gradient of each weight by: √v̂ + ε."""
    group, states = optimizer.param_groups[0], [optimizer.state[p] for p in theta]
    share = 1 - group["betas"][1] ** int(states[0]["step"])
    return flat([s["exp_avg_sq"] for s in states]).div(share).sqrt() + group["eps"]


def data_term(fitting):
    """The loss of the weights as they are now, with its graph."""
    error = (fitting.operator(fitting.net(fitting.z)) - fitting.y) ** 2
    return (fitting.known * error).sum() / (fitting.known.sum() * error.shape[1])


def curvature(fitting, turns=5, start=None, size=None):
    """The largest eigenvalue of D^(−1/2) H D^(−1/2), by the power iteration.

    Args:
        fitting: Stepper after at least one step.
        turns: products with the Hessian H.
        start: vector to begin with, such as the one returned by the last call.
        size: D; by default what Adam divides by now.

    Returns:
        (eigenvalue, vector).
    """
    theta = list(fitting.net.parameters())
    d = (typical_size(fitting.optimizer, theta) if size is None else size).rsqrt()
    gradient = flat(torch.autograd.grad(data_term(fitting), theta, create_graph=True))
    v = torch.randn(d.shape, generator=torch.Generator().manual_seed(0)) if start is None else start
    for _ in range(turns):
        v = v / v.norm()
        turned = d * flat(torch.autograd.grad(gradient @ (d * v), theta, retain_graph=True))
        top, v = float(v @ turned), turned
    return top, v


def limit(lr, beta1=0.9):
    """The curvature at which Adam's steps on a parabola begin to grow."""
    return 2 * (1 + beta1) / (1 - beta1) / lr


def meter_row(seed, lr, first=100, last=460, every=6):
    """Curvature over limit along a fit; "frozen": with D as it was at the last full hundred."""
    fitting, x = stepper(seed, lr)
    row = {"lr": lr, "seed": seed, "step": [], "meter": [], "frozen": []}
    loss, psnr, directions = [], [], {}
    for k in range(last):
        if k >= first and k % 100 == 0:
            size = typical_size(fitting.optimizer, list(fitting.net.parameters())).clone()
        if k >= first and k % every == 0:
            row["step"].append(k)
            for name, d in (("meter", None), ("frozen", size)):
                before = directions.get(name)
                top, after = curvature(fitting, 20 if before is None else 4, before, d)
                row[name].append(round(top / limit(lr), 3))
                directions[name] = after
        loss.extend(watch(fitting, 1))
        psnr.append(metrics.psnr(fitting.output, x))
    where = falls(np.array(loss), after=first)
    row["falls"] = where
    row["depths"] = [round(depth(np.array(psnr), k), 2) for k in where]
    row["loss"] = [float(f"{v:.3g}") for v in loss[first::every]]
    return row


def study_meter():
    fill("07_meter", ("lr", "seed"), product(RATES, SEEDS), lambda lr, seed: meter_row(seed, lr))


# ---- the command line


def fill(name, key, cases, measure):
    """Measure and store the rows that a table does not have yet."""
    table = Table(name, key)
    for case in cases:
        if not table.has(**dict(zip(key, case, strict=True))):
            table.add(measure(*case))
            print({k: v for k, v in table.rows[-1].items() if not isinstance(v, list)}, flush=True)


STUDIES = {
    "stopping": study_stopping,
    "meter": study_meter,
    "replays": study_replays,
    "cures": study_cures,
}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.study_07", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("studies", nargs="+", choices=STUDIES)
    for name in parser.parse_args(arguments).studies:
        STUDIES[name]()


if __name__ == "__main__":
    main()
