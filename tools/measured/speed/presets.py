"""Why the laptop presets are what they are: quality of candidates over the steps, and their pace.

    python -m tools.measured presets                         the stored tables
    python -m tools.measured presets denoise short 48         measure candidates, store the rows
    python -m tools.measured presets denoise preset --photos chelsea coffee --side 256 --seeds 0 1
    python -m tools.measured presets --pace                  time of a step, on a quiet machine

The result of a step is the running mean that a user gets there; no step is chosen with the clean
photo. Quality is that of the steps, so it may be measured beside other work; seconds are steps
times the pace, measured apart. The face is the photo that settings were chosen on, as it is; other
photos are made small. Baselines stand at their best strengths: non-local means (NLM), also told σ;
TV; linear interpolation; bicubic enlargement.
"""

import argparse
import json
import time
from dataclasses import replace
from functools import cache, partial
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from dipcourse import baselines, degrade, fit, images, metrics, nets, presets
from tools.measured.circumstances import processor
from tools.measured.damage import SIGMA, damaged
from tools.measured.tables import STORED, Table

EVERY = 25  # steps between two looks at the quality
MARKS = (125, 250, 375, 500, 750, 1000)
SIDE = 192

NOISE, SHORT = presets.NOISE, presets.DEEP_SHORT
FUNNEL, DEEP_FUNNEL = presets.FUNNEL, presets.DEEP_FUNNEL
THIN = {"channels": 8}
SLOW = {"steps": 1000, "lr": 0.01}
QUICK = {"steps": 750, "lr": 0.005, "optimizer": "quick adam", "jitter": 1 / 30}
QUIET = {"steps": 750, "lr": 0.005, "optimizer": "quick adam"}
INPAINT = {"steps": 750, "lr": 0.01, "optimizer": "quick adam"}


def adam(beta2):
    return partial(torch.optim.Adam, betas=(0.9, beta2), fused=True)


class Muon(torch.optim.Optimizer):
    """Momentum whose step for each filter bank is made orthogonal; Adam for all other parameters.

    torch.optim.Muon takes matrices only, no filters.

    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024.
    """

    def __init__(self, parameters, lr, momentum=0.95):
        parameters = list(parameters)
        super().__init__([p for p in parameters if p.ndim == 4], {"lr": lr, "momentum": momentum})
        for p in self.param_groups[0]["params"]:
            self.state[p] = torch.zeros_like(p)  # the running mean of its gradient
        self.others = adam(0.95)([p for p in parameters if p.ndim != 4], lr=QUICK["lr"])

    def zero_grad(self, set_to_none=True):
        super().zero_grad(set_to_none)
        self.others.zero_grad(set_to_none)

    @torch.no_grad()
    def step(self):
        self.others.step()
        (group,) = self.param_groups
        for p in group["params"]:
            running = self.state[p].lerp_(p.grad, 1 - group["momentum"])
            rows = p.grad.lerp(running, group["momentum"]).flatten(1)
            size = max(1, rows.shape[0] / rows.shape[1]) ** 0.5
            p.sub_(orthogonal(rows).view_as(p), alpha=group["lr"] * size)


def orthogonal(rows):
    """Near the orthogonal matrix next to this one: five steps of a Newton–Schulz iteration."""
    near = rows / (rows.norm() + 1e-7)
    for _ in range(5):
        square = near @ near.T
        near = 3.4445 * near + (-4.775 * square + 2.0315 * square @ square) @ near
    return near


RADAM = partial(torch.optim.RAdam, betas=(0.9, 0.95))
NADAM = partial(torch.optim.NAdam, betas=(0.9, 0.95))
RMSPROP = partial(torch.optim.RMSprop, alpha=0.95, momentum=0.9)
MOMENTUM = partial(torch.optim.SGD, momentum=0.9)


def candidate(net, z=THIN, **settings):
    return presets.Preset(SIDE, net, z, settings)


class Decoder(presets.Preset):
    """A network without encoder: a Deep Decoder, and a z as small as it needs."""

    def make(self, channels=3, height=None, width=None, seed=0):
        torch.manual_seed(seed)
        net = nets.DeepDecoder(self.z["channels"], channels, **self.net)
        small = ((side or self.size) >> self.net["scales"] for side in (height, width))
        return net, nets.fixed_input(self.z["channels"], *small, seed=seed)


#: task → name → Preset; one change after the other, so that neighbours can be compared
CANDIDATES = {
    "denoise": {
        "preset": presets.get("denoise", "laptop"),
        "mean of 3": presets.get("denoise", "laptop"),
        "plain": candidate(presets.SMALL, NOISE, steps=1000, lr=0.02, jitter=0.01),
        "short": candidate(SHORT, NOISE, **SLOW),
        "jitter .01": candidate(SHORT, NOISE, **SLOW, jitter=0.01),
        "jitter .033": candidate(SHORT, NOISE, **SLOW, jitter=1 / 30),
        "lr .005": candidate(SHORT, NOISE, steps=1000, lr=0.005, jitter=1 / 30),
        "funnel": candidate(FUNNEL, THIN, steps=1000, lr=0.005, jitter=1 / 30),
        "beta2 .99": candidate(FUNNEL, THIN, **QUICK | {"optimizer": adam(0.99)}),
        "beta2 .95": candidate(FUNNEL, THIN, **QUICK),
        "beta2 .9": candidate(FUNNEL, THIN, **QUICK | {"optimizer": adam(0.9)}),
        "bilinear": candidate(FUNNEL | {"upsample": "bilinear"}, THIN, **QUICK),
        "hourglass": candidate(FUNNEL | {"skip": 0}, THIN, **QUICK),
        "32": candidate(SHORT, THIN, **QUICK),
        "48": candidate(SHORT | {"widths": (48,) * 5}, THIN, **QUICK),
        "deep funnel": candidate(DEEP_FUNNEL, THIN, **QUICK),
        "z / 3": candidate(FUNNEL, THIN | {"scale": 0.1 / 3}, **QUICK | {"jitter": 1 / 90}),
        "z x 3": candidate(FUNNEL, THIN | {"scale": 0.3}, **QUICK | {"jitter": 0.1}),
        "lr decay": candidate(FUNNEL, THIN, **QUICK, decay=("lr",)),
        "jitter decay": candidate(FUNNEL, THIN, **QUICK, decay=("jitter",)),
        "both decay": candidate(FUNNEL, THIN, **QUICK, decay=("lr", "jitter")),
        "radam": candidate(FUNNEL, THIN, **QUICK | {"optimizer": RADAM}),
        "nadam": candidate(FUNNEL, THIN, **QUICK | {"optimizer": NADAM}),
        "rmsprop": candidate(FUNNEL, THIN, **QUICK | {"optimizer": RMSPROP, "lr": 0.0007}),
        "momentum": candidate(FUNNEL, THIN, **QUICK | {"optimizer": MOMENTUM, "lr": 1.0}),
        # a quarter fewer steps, but no higher a peak, and an optimiser of our own to explain
        "muon": candidate(FUNNEL, THIN, **QUICK | {"optimizer": Muon, "lr": 0.1}),
        "coarse first": candidate(FUNNEL, THIN, **QUICK, coarse=75),
        "decoder": Decoder(SIDE, {"width": 64, "scales": 5}, {"channels": 64}, SLOW),
    },
    "inpaint": {
        "preset": presets.get("inpaint", "laptop"),
        "plain": candidate(presets.SMALL, NOISE, steps=750, lr=0.02),
        "short": candidate(SHORT, THIN, **INPAINT),
        "jitter 0": candidate(DEEP_FUNNEL, THIN, **INPAINT),
        "jitter .01": candidate(DEEP_FUNNEL, THIN, **INPAINT, jitter=0.01),
        "jitter .02": candidate(DEEP_FUNNEL, THIN, **INPAINT, jitter=0.02),
    },
    "superres": {
        "preset": presets.get("superres", "laptop"),
        "plain": candidate(presets.SMALL, NOISE, steps=750, lr=0.02),
        "coarse skips": candidate(presets.COARSE_SKIPS, NOISE, steps=750, lr=0.01),
        "quick, lr .01": candidate(presets.COARSE_SKIPS, THIN, **INPAINT),
        "jitter .02": candidate(presets.COARSE_SKIPS, THIN, **INPAINT, jitter=0.02),
        "funnel": candidate(DEEP_FUNNEL | {"skip": (0, 0, 4, 4, 4)}, NOISE, **QUIET),
    },
}

RUNS = {"mean of 3": 3}  # fits from different seeds, whose running means are averaged


@cache
def case(task, photo, side, seed):
    """A photo, its measurement y, the operator, the pixels that count, PSNR of the baselines."""
    x = images.load(photo, side)
    y, operator = damaged(task, x, seed)
    if task == "denoise":
        return x, y, operator, None, denoised_classically(y, x)
    if task == "inpaint":
        hidden = 1 - operator.mask
        linear = metrics.psnr(baselines.linear(y, operator.mask), x, hidden)
        return x, y, operator, hidden, {"linear": round(linear, 2)}
    bicubic = metrics.psnr(baselines.bicubic(y, 4), x)
    return x, y, operator, None, {"bicubic": round(bicubic, 2)}


def denoised_classically(y, x):
    """PSNR of TV and of non-local means, not told σ and told, each at its best strength."""
    told = partial(baselines.nlm, sigma=SIGMA)
    best = {
        "NLM": baselines.best_of(baselines.nlm, y, SIGMA * np.arange(0.8, 1.35, 0.1), x),
        "NLM told": baselines.best_of(told, y, SIGMA * np.arange(0.5, 1.05, 0.1), x),
        "TV": baselines.best_of(baselines.tv, y, np.arange(0.04, 0.2, 0.02), x),
    }
    return {name: round(metrics.psnr(x_hat, x), 2) for name, x_hat in best.items()}


def steppers(task, name, photo, side, seed):
    """The fits of a candidate, ready to go: one, or several whose results are averaged."""
    x, y, operator, _, _ = case(task, photo, side, seed)
    preset = replace(CANDIDATES[task][name], size=side)
    settings = {k: v for k, v in preset.fit.items() if k not in ("steps", "decay", "coarse")}
    fits = []
    for i in range(RUNS.get(name, 1)):
        settings["seed"] = seed + 100 * i
        net, z = preset.make(x.shape[1], seed=settings["seed"])
        if "coarse" in preset.fit:
            z = fit_halved(net, z, y, preset.fit["coarse"], settings)
        fits.append(fit.Stepper(net, z, y, operator, **settings))
    return fits, preset.fit


def fit_halved(net, z, y, steps, settings):
    """Coarse to fine: fit net to a noisy photo of half the size; returns z for the whole size."""
    small = z[:, :, ::2, ::2].contiguous()
    halved = fit.Stepper(net, small, F.avg_pool2d(y, 2), degrade.Identity(), **settings)
    for _ in range(steps):
        halved.step()
    return F.interpolate(small, size=y.shape[2:])


def decay(running, names, steps):
    """Let learning rate or jitter fall a little: to a tenth after so many calls."""
    factor = 0.1 ** (1 / steps)
    if "jitter" in names:
        running.jitter *= factor
    if "lr" in names:
        for group in running.optimizer.param_groups:
            group["lr"] *= factor


def quality(task, name, photo, side, seed, steps=None):
    """One row: PSNR of output and running mean, every 25 steps."""
    x, _, _, counted, baselines = case(task, photo, side, seed)
    fits, settings = steppers(task, name, photo, side, seed)
    psnr = {"mean": [], "single": []}
    for k in range(steps or settings["steps"]):
        for running in fits:
            running.step()
            decay(running, settings.get("decay", ()), settings["steps"])
        if k % EVERY == EVERY - 1:
            averaged = sum(running.mean for running in fits) / len(fits)
            psnr["mean"].append(round(metrics.psnr(averaged, x, counted), 2))
            psnr["single"].append(round(metrics.psnr(fits[0].output, x, counted), 2))
    key = {"task": task, "candidate": name, "photo": photo, "side": side, "seed": seed}
    return key | baselines | {"precision": fits[0].precision} | psnr


def pace(task, name, side):
    """One row: milliseconds a step (of all fits of the candidate), the median of some tens."""
    fits, _ = steppers(task, name, "face" if side == SIDE else "astronaut", side, 0)
    seconds = []
    for _ in range(30):
        began = time.perf_counter()
        for running in fits:
            running.step()
        seconds.append(time.perf_counter() - began)
    ms = round(1e3 * median(seconds[5:]), 1)
    key = {"task": task, "candidate": name, "side": side}
    return key | {"precision": fits[0].precision, "ms a step": ms}


def table(kind):
    """The stored table "quality" or "pace" of processors like this one, to add rows to."""
    key = ("task", "candidate", "side")
    return Table(name(kind), (*key, "photo", "seed") if kind == "quality" else key, STORED)


def name(kind):
    return f"presets_{processor()}_{kind}"


def stored(kind):
    path = STORED / f"{name(kind)}.json"
    return json.loads(path.read_text("utf-8"))["rows"] if path.exists() else []


def show(rows, paces):
    marks = "".join(f"{m:7}" for m in MARKS)
    print(f"{'':43}{'baseline':16}running mean after so many steps{'':12}passes it")
    print(f"{'task':9}{'candidate':14}{'photo':10}{'side':5}seed{'':18}{marks}  step      s")
    ms = {(p["task"], p["candidate"], p["side"]): p["ms a step"] for p in paces}
    for row in rows:
        task, name, side, mean = row["task"], row["candidate"], row["side"], row["mean"]
        known = {k: row[k] for k in ("NLM", "linear", "bicubic", "TV") if k in row}
        bar, value = next(iter(known.items()))
        at = [mean[m // EVERY - 1] if m <= len(mean) * EVERY else None for m in MARKS]
        values = "".join(f"{'' if v is None else format(v, '.2f'):>7}" for v in at)
        passed = next((EVERY * (i + 1) for i, v in enumerate(mean) if v >= value), None)
        step_ms = ms.get((task, name, side))
        seconds = f"{passed * step_ms / 1e3:.1f}" if passed and step_ms else "–"
        where = f"{task:9}{name:14}{row['photo']:10}{side:4}{row['seed']:5}"
        print(f"{where}  {bar:7} {value:6.2f}  {values}{passed or '–':>6}{seconds:>7}")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured presets", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("task", nargs="?", choices=CANDIDATES)
    parser.add_argument("candidates", nargs="*", help="names; none: all of the task")
    parser.add_argument("--photos", nargs="+", default=["face"])
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--steps", type=int, help="other than the preset's")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--pace", action="store_true", help="measure the pace")
    options = parser.parse_args(arguments)
    tasks = {options.task: options.candidates} if options.task else CANDIDATES
    if options.pace:
        paces = table("pace")
        for task, names in tasks.items():
            for chosen in names or CANDIDATES[task]:
                paces.add(pace(task, chosen, options.side))
    elif options.task:
        rows = table("quality")
        for chosen in options.candidates or CANDIDATES[options.task]:
            for photo in options.photos:
                for seed in options.seeds:
                    settings = chosen, photo, options.side, seed, options.steps
                    rows.add(quality(options.task, *settings))
    show(stored("quality"), stored("pace"))
