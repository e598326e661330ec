"""The numbers of lesson 01: pixels with a total variation prior, and its baselines."""

from functools import cache

import torch

from dipcourse import baselines, degrade, fit, images, metrics, nets
from tools import lesson_code
from tools.measured.claims import claim, spread
from tools.measured.lesson01.studies import LESSON, noisy

SIDE, STEPS, SIGMA = 192, LESSON["STEPS"], 25 / 255


@cache
def clean():
    return images.load("face", SIDE)


def grey(like):
    return torch.full_like(like, 0.5)


def restored(y, operator, weight, start, **options):
    return LESSON["restore"](y, operator, [weight], start, **options)[weight].final


def psnr(x_hat, mask=None):
    return metrics.psnr(x_hat, clean(), mask)


@cache
def denoised(seed):
    """The names of the lesson's cells on denoising, run on the noise of this seed."""
    x = clean()
    given = {"x": x, "y": noisy(x, seed), "grey": grey(x), "SIDE": SIDE, "sigma": SIGMA}
    cells = "panel", "rule", "rule-pictures", "baselines"
    return lesson_code.run("01", *cells, **LESSON | given)


def best(seed):
    """The best PSNR of the lesson's values of λ."""
    names = denoised(seed)
    return psnr(names["by_weight"][names["best"]])


def by_rule(seed):
    """PSNR of the discrepancy rule: raw data, clipped file with σ², file with its true level."""
    return [psnr(x_hat) for x_hat in denoised(seed)["by_rule"].values()]


@claim("lesson01-gain", unit="dB", holds=lambda gains: min(gains) > 7)
def gain(seed):
    """PSNR gained over y with λ = 0.16."""
    names = denoised(seed)
    return psnr(names["by_weight"][0.16]) - psnr(names["y"])


@claim("lesson01-oversmooth", unit="dB", holds=lambda losses: min(losses) > 3)
def oversmooth(seed):
    """PSNR lost with λ = 0.8; the best λ must be one of 0.12, 0.16, 0.2."""
    names = denoised(seed)
    assert names["best"] in (0.12, 0.16, 0.2)
    return best(seed) - psnr(names["by_weight"][0.8])


@claim("lesson01-rule-loss", unit="dB", holds=lambda v: min(v) > 0.5 and max(v) < 1.5)
def rule_loss(seed):
    """PSNR lost by the rule on raw data, whose λ is too large, against the best of the grid."""
    names = denoised(seed)
    assert names["rule"]["raw, σ²"] > names["best"] + 0.03
    return best(seed) - by_rule(seed)[0]


@claim("lesson01-file-loss", unit="dB", holds=lambda v: min(v) > 0.6)
def file_loss(seed):
    """PSNR lost on the clipped file by asking for σ² in place of the true level."""
    assert 0.88 < denoised(seed)["level"] < 0.93
    _, wrong, right = by_rule(seed)
    return right - wrong


@claim("lesson01-nlm", unit="dB", holds=lambda leads: min(leads) > 1)
def non_local_means(seed):
    """PSNR of non-local means less that of our best; Chambolle's TV is level with it."""
    chambolle, nlm = (psnr(x_hat) for x_hat in denoised(seed)["oracle"].values())
    assert abs(chambolle - best(seed)) < 0.1
    return nlm - best(seed)


@claim("lesson01-stairs", text=lambda v: spread(v, "%", digits=0), holds=lambda v: min(v) > 40)
def stairs(seed):
    """Share of the ramp's steps that are less than a quarter of its slope."""
    ramp = torch.linspace(0.2, 0.8, 64)
    line = torch.cat([ramp, torch.full((32,), 0.2)])
    line = line + 0.05 * torch.randn(96, generator=torch.Generator().manual_seed(seed))
    line = line.expand(1, 1, 8, 96).contiguous()
    options = {"steps": 3 * STEPS, "lr": 0.005}
    x_hat = restored(line, degrade.Identity(), 0.2, grey(line), **options)
    slopes = x_hat[0, 0, 2, :64].diff().abs()
    return 100 * (slopes < (ramp[1] - ramp[0]) / 4).float().mean().item()


@cache
def holes(seed):
    """PSNR on hidden pixels: TV, linear interpolation."""
    x = clean()
    mask = degrade.random_mask(SIDE, SIDE, keep=0.5, generator=torch.Generator().manual_seed(seed))
    operator = degrade.Mask(mask)
    y = operator(x)
    tv = restored(y, operator, 0.01, grey(x), steps=3 * STEPS // 2)
    return [psnr(x_hat, 1 - mask) for x_hat in (tv, baselines.linear(y, mask))]


@claim(
    "lesson01-holes-tv",
    unit="dB",
    holds=lambda values: all(v > holes(seed)[1] + 0.15 for seed, v in enumerate(values)),
)
def holes_tv(seed):
    """TV on the hidden pixels: a little above linear interpolation for each seed."""
    return holes(seed)[0]


@cache
def path(seed, g):
    """PSNR on the way of the fit without a prior, by gradient descent."""
    y = noisy(clean(), seed)
    options = {"optimizer": "gradient descent", "lr": 0.2 * y.numel(), "steps": 3 * STEPS}
    history = fit.fit(g(grey(y)), None, y, degrade.Identity(), progress=False, **options)
    return [psnr(history.frame(i)) for i in range(len(history))]


def nothing_better(seed):
    """Whether pixels, and the end of the blurred ones, are as good as y and no better."""
    y = psnr(noisy(clean(), seed))
    return max(path(seed, nets.PixelImage)) < y + 1 and path(seed, LESSON["Blurred"])[-1] < y + 1


@claim(
    "lesson01-path-blurred",
    unit="dB",
    holds=lambda v: min(v) > 25.5 and all(nothing_better(seed) for seed in range(len(v))),
)
def path_blurred(seed):
    """Best PSNR on the way, blurred pixels; pixels never get there, and in the end none does."""
    return max(path(seed, LESSON["Blurred"]))
