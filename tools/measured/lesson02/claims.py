"""What lesson 02 says about architectures, optimisers, z and warm starts."""

import copy
from functools import cache, partial

import numpy as np
import torch

from dipcourse import degrade, images, metrics, nets
from tools import lesson_code
from tools.measured.claims import claim, spread

SIDE = 64


def noise(seed, **settings):
    return nets.fixed_input(32, SIDE, SIDE, seed, **settings)


#: the very code of the lesson: fresh(channels, widths, skip, seed), fit_to(target, net, z)
LESSON = lesson_code.run("02", "fit-to", WIDTHS=(32,) * 4, STEPS=200, z=noise(0))
fresh, fit_to = LESSON["fresh"], LESSON["fit_to"]


def photo():
    return images.load("face", size=SIDE)


@cache
def cold(seed):
    """The photo from fresh weights, the curve that most others are compared with."""
    return fit_to(photo(), fresh(seed=seed), noise(seed)).loss


def late(loss):
    """The level at the end: the lowest of 50 steps, because Adam's curves have spikes."""
    return float(loss[-50:].min())


def steps_below(loss, level):
    below = np.flatnonzero(loss < level)
    return int(below[0]) if len(below) else len(loss)


# ---- architectures


@cache
def drawn(seed, widths, skip):
    """PSNR after the lesson's number of steps for another architecture."""
    final = fit_to(photo(), fresh(widths=widths, skip=skip, seed=seed), noise(seed)).final
    return metrics.psnr(final, photo())


shallow = partial(drawn, widths=(32,), skip=0)


@claim("lesson02-deep", lambda v: max(v) < 26, unit="dB")
def deep(seed):
    """The hourglass of 5 scales, which has the most parameters of the three."""
    return drawn(seed, (32,) * 5, 0)


@claim(
    "lesson02-small",
    lambda v: all(deep(seed) + 3 < psnr < shallow(seed) - 3 for seed, psnr in enumerate(v)),
    unit="dB",
)
def small(seed):
    """The U-Net with 8 channels: ahead of the deep hourglass, behind that of one scale."""
    return drawn(seed, (8,) * 5, 4)


@claim("lesson02-descent", lambda v: min(v) > 1.5)
def descent(seed):
    """The loss of the best of four gradient descents over Adam's."""
    runs = [
        fit_to(photo(), fresh(seed=seed), noise(seed), lr=eta, optimizer="gradient descent")
        for eta in (0.1, 1.0, 10.0, 100.0)
    ]
    return min(late(run.loss) for run in runs) / late(cold(seed))


# ---- the input z


@claim("lesson02-grid", lambda v: min(v) > 2.5)
def grid(seed):
    """The loss with a grid over the loss with U(0, 0.1), at the end."""
    z = nets.fixed_input(2, SIDE, SIDE, kind="grid", scale=1)
    return late(fit_to(photo(), fresh(channels=2, seed=seed), z).loss) / late(cold(seed))


def all_of(pairs):
    return spread([value for pair in pairs for value in pair])


@claim("lesson02-z-kinds", lambda v: 0.67 < min(map(min, v)) <= max(map(max, v)) < 1.5, text=all_of)
def z_kinds(seed):
    """The losses with U(−1, 1) and with normal z over that with U(0, 0.1), at the end."""
    others = 2 * noise(seed, scale=1) - 1, noise(seed, kind="normal")
    return [late(fit_to(photo(), fresh(seed=seed), z).loss) / late(cold(seed)) for z in others]


# ---- warm starts


@cache
def after_cat(seed):
    net = fresh(seed=seed)
    fit_to(images.load("chelsea", size=SIDE), net, noise(seed))
    return fit_to(photo(), net, noise(seed)).loss


@claim("lesson02-warm-steps", lambda v: max(v) < 29, digits=0)
def warm_steps(seed):
    """Steps to a loss of 0.005: no lead at first, then ahead of fresh weights."""
    assert after_cat(seed)[0] > cold(seed)[0]
    warm, fresh = steps_below(after_cat(seed), 0.005), cold_steps(seed)
    assert warm < fresh, f"the warm start is not ahead: {warm} against {fresh}"
    return warm


@claim("lesson02-cold-steps", lambda v: min(v) > 24, digits=0)
def cold_steps(seed):
    """Steps of fresh weights to the same loss."""
    return steps_below(cold(seed), 0.005)


@claim("lesson02-warm-end", lambda v: 0.4 < min(v) <= max(v) < 1.1, digits=2)
def warm_end(seed):
    return late(after_cat(seed)) / late(cold(seed))


@cache
def on_other_noise(seed):
    """Losses on y2 from fresh weights, from those of y1, and from those of y1 with another z."""
    generator = torch.Generator().manual_seed(seed)
    y1, y2 = (degrade.add_noise(photo(), 25 / 255, generator=generator) for _ in range(2))
    z, net = noise(seed), fresh(seed=seed)
    fit_to(y1, net, z)
    moved = fit_to(y2, copy.deepcopy(net), noise(seed + 1)).loss
    return fit_to(y2, fresh(seed=seed), z).loss, fit_to(y2, net, z).loss, moved


@claim("lesson02-noise-steps", lambda v: min(v) > 25, digits=0)
def noise_steps(seed):
    """Steps that fresh weights need to reach the loss where the warm start begins."""
    start, warm, _ = on_other_noise(seed)
    return steps_below(start, warm[0])


@claim("lesson02-noise-jump", lambda v: min(v) > 2, digits=0)
def noise_jump(seed):
    """The highest loss of the warm start over its first, which takes many steps to win back."""
    _, warm, _ = on_other_noise(seed)
    assert 20 < steps_below(warm, warm[0]) < 60
    return float(warm.max() / warm[0])


@claim("lesson02-noise-other-z", lambda v: min(v) > 0.7)
def noise_other_z(seed):
    """First loss with the same weights and another z over that of fresh weights."""
    start, _, moved = on_other_noise(seed)
    return float(moved[0] / start[0])
