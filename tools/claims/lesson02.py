"""What lesson 02 says about untrained networks, optimisers, z and warm starts."""

import copy
from functools import cache

import numpy as np
import torch

from dipcourse import degrade, fit, images, metrics, nets, presets
from tools.claims import claim, spread

SIDE, STEPS, WIDTHS = 64, 200, (32,) * 4
FIVE = (0, 1, 2, 3, 4)


def photo():
    return images.load("face", size=SIDE)


def noise(seed, **settings):
    return nets.fixed_input(32, SIDE, SIDE, seed, **settings)


def fresh(seed, channels=32, widths=WIDTHS, skip=4):
    torch.manual_seed(seed)
    return nets.UNet(channels, 3, widths, skip)


def fit_to(target, net, z, **settings):
    quiet = {"steps": STEPS, "precision": "float32", "progress": False}
    return fit.fit(net, z, target, degrade.Identity(), **quiet, **settings)


@cache
def cold(seed):
    """The photo from fresh weights, the curve that most others are compared with."""
    return fit_to(photo(), fresh(seed), noise(seed)).loss


def late(loss):
    """The level at the end: the lowest of 50 steps, because Adam's curves have spikes."""
    return float(loss[-50:].min())


def steps_below(loss, level):
    below = np.flatnonzero(loss < level)
    return int(below[0]) if len(below) else len(loss)


# ---- untrained networks


def rough(seed, **settings):
    """Squared difference of neighbours against twice the variance: 1 if they are independent."""
    torch.manual_seed(seed)
    x = nets.UNet(32, 3, **settings)(nets.fixed_input(32, 128, 128, seed)).detach()
    return float(((x[:, :, 1:] - x[:, :, :-1]) ** 2).mean() / (2 * x.var()))


@claim("lesson02-rough-hourglass1", lambda v: min(v) > 0.15, digits=2, seeds=FIVE)
def rough_hourglass1(seed):
    return rough(seed, widths=(32,), skip=0)


@claim("lesson02-rough-hourglass3", lambda v: 0.015 < min(v) <= max(v) < 0.1, digits=2, seeds=FIVE)
def rough_hourglass3(seed):
    return rough(seed, widths=(32,) * 3, skip=0)


@claim("lesson02-rough-hourglass5", lambda v: max(v) < 0.015, digits=3, seeds=FIVE)
def rough_hourglass5(seed):
    return rough(seed, widths=(32,) * 5, skip=0)


@claim("lesson02-rough-skips", lambda v: 0.1 < min(v) <= max(v) < 0.4, digits=2, seeds=FIVE)
def rough_skips(seed):
    return rough(seed, widths=(32,) * 5, skip=4)


@claim("lesson02-rough-nearest", lambda v: 0.05 < min(v) <= max(v) < 0.4, digits=2, seeds=FIVE)
def rough_nearest(seed):
    return rough(seed, widths=(32,) * 5, skip=0, upsample="nearest")


@claim("lesson02-rough-transposed", lambda v: min(v) > 0.6, digits=2, seeds=FIVE)
def rough_transposed(seed):
    return rough(seed, widths=(32,) * 5, skip=0, upsample="transposed")


# ---- a clean photo


@claim("lesson02-psnr", lambda v: min(v) > 32, unit="dB")
def psnr(seed):
    """PSNR after the last step of the shown fit."""
    settings = presets.get("overfit")
    x = images.load("face", size=settings.size)
    net, z = settings.make(seed=seed)
    run = fit.fit(net, z, x, degrade.Identity(), **settings.fit, progress=False)
    return metrics.psnr(run.final, x)


def drawn(seed, widths, skip):
    """PSNR after the lesson's number of steps for another architecture."""
    final = fit_to(photo(), fresh(seed, widths=widths, skip=skip), noise(seed)).final
    return metrics.psnr(final, photo())


@claim("lesson02-shallow", lambda v: min(v) > 32, unit="dB")
def shallow(seed):
    return drawn(seed, (32,), 0)


@claim("lesson02-deep", lambda v: max(v) < 26, unit="dB")
def deep(seed):
    return drawn(seed, (32,) * 5, 0)


@claim("lesson02-small", lambda v: 27 < min(v) <= max(v) < 32, unit="dB")
def small(seed):
    return drawn(seed, (8,) * 5, 4)


@claim("lesson02-descent", lambda v: min(v) > 1.5)
def descent(seed):
    """The loss of the best of four gradient descents over Adam's."""
    runs = [
        fit_to(photo(), fresh(seed), noise(seed), lr=alpha, optimizer="gradient descent")
        for alpha in (0.1, 1.0, 10.0, 100.0)
    ]
    return min(late(run.loss) for run in runs) / late(cold(seed))


# ---- the input z


@claim("lesson02-z-scale", lambda v: max(v) < 3)
def z_scale(seed):
    """The largest change of an untrained output, in grey levels, from z to 20z − 1."""
    z = noise(seed)
    with torch.no_grad():
        change = fresh(seed)(z) - fresh(seed)(20 * z - 1)
    return 255 * float(change.abs().max())


@claim("lesson02-grid", lambda v: min(v) > 2.5)
def grid(seed):
    """The loss with a grid over the loss with U(0, 0.1), at the end."""
    z = nets.fixed_input(2, SIDE, SIDE, kind="grid", scale=1)
    return late(fit_to(photo(), fresh(seed, channels=2), z).loss) / late(cold(seed))


def all_of(pairs):
    return spread([value for pair in pairs for value in pair])


@claim("lesson02-z-kinds", lambda v: 0.67 < min(map(min, v)) <= max(map(max, v)) < 1.5, text=all_of)
def z_kinds(seed):
    """The losses with U(−1, 1) and with normal z over that with U(0, 0.1), at the end."""
    others = 2 * noise(seed, scale=1) - 1, noise(seed, kind="normal")
    return [late(fit_to(photo(), fresh(seed), z).loss) / late(cold(seed)) for z in others]


# ---- warm starts


@cache
def after_cat(seed):
    net = fresh(seed)
    fit_to(images.load("chelsea", size=SIDE), net, noise(seed))
    return fit_to(photo(), net, noise(seed)).loss


@claim("lesson02-warm-start", lambda v: 0.8 < min(v) <= max(v) < 1.5)
def warm_start(seed):
    """First loss on the face: the cat's weights over fresh ones."""
    return float(after_cat(seed)[0] / cold(seed)[0])


@claim("lesson02-warm-steps", lambda v: max(v) < 29, digits=0)
def warm_steps(seed):
    ratio = steps_below(after_cat(seed), 0.005) / steps_below(cold(seed), 0.005)
    assert ratio < 0.9, f"the warm start is not ahead: {ratio}"
    return steps_below(after_cat(seed), 0.005)


@claim("lesson02-fresh-steps", lambda v: min(v) > 29, digits=0)
def fresh_steps(seed):
    return steps_below(cold(seed), 0.005)


@claim("lesson02-warm-end", lambda v: 0.4 < min(v) <= max(v) < 1.1, digits=2)
def warm_end(seed):
    return late(after_cat(seed)) / late(cold(seed))


@cache
def on_other_noise(seed):
    """Losses on y2 from fresh weights, from those of y1, and from those of y1 with another z."""
    generator = torch.Generator().manual_seed(seed)
    y1, y2 = (degrade.add_noise(photo(), 25 / 255, generator=generator) for _ in range(2))
    z, net = noise(seed), fresh(seed)
    fit_to(y1, net, z)
    moved = fit_to(y2, copy.deepcopy(net), noise(seed + 1)).loss
    return fit_to(y2, fresh(seed), z).loss, fit_to(y2, net, z).loss, moved


@claim("lesson02-noise-steps", lambda v: min(v) > 25, digits=0)
def noise_steps(seed):
    """Steps that fresh weights need to reach the loss where the warm start begins."""
    start, warm, _ = on_other_noise(seed)
    return steps_below(start, warm[0])


@claim("lesson02-noise-jump", lambda v: min(v) > 2, digits=0)
def noise_jump(seed):
    """The highest loss of the warm start over its first."""
    _, warm, _ = on_other_noise(seed)
    return float(warm.max() / warm[0])


@claim("lesson02-noise-back", lambda v: max(v) < 60, digits=0)
def noise_back(seed):
    """Steps until the warm start is below its first loss again."""
    _, warm, _ = on_other_noise(seed)
    return steps_below(warm, warm[0])


@claim("lesson02-noise-other-z", lambda v: min(v) > 0.7)
def noise_other_z(seed):
    """First loss with the same weights and another z over that of fresh weights."""
    start, _, moved = on_other_noise(seed)
    return float(moved[0] / start[0])
