"""The numbers of lesson 01: pixels with a total variation prior, and its baselines."""

from functools import cache, partial

import numpy as np
import torch
from torch import nn

from dipcourse import baselines, degrade, fit, images, metrics, nets, priors
from tools.claims import claim, spread

SIDE, STEPS, SIGMA, GOOD = 192, 200, 25 / 255, 0.16
WEIGHTS = [0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.26, 0.34, 0.45, 0.6, 0.8]


@cache
def clean():
    return images.load("face", SIDE)


@cache
def raw(seed):
    """The noisy values of this seed, not clipped."""
    generator = torch.Generator().manual_seed(seed)
    return degrade.add_noise(clean(), SIGMA, generator=generator, clip=False)


@cache
def file(seed):
    return raw(seed).clamp(0, 1)


def psnr(x_hat, mask=None):
    return metrics.psnr(x_hat, clean(), mask)


def grey(like):
    return torch.full_like(like, 0.5)


def tv_prior(weight):
    return lambda x_hat: weight * priors.total_variation(x_hat) / x_hat.numel()


def restore(y, operator, weight, start, steps=STEPS, lr=0.02):
    options = {"steps": steps, "lr": lr, "prior": tv_prior(weight), "progress": False, "frames": 2}
    return fit.fit(nets.PixelImage(start), None, y, operator, **options).final


@cache
def denoised(data, seed, weight):
    y = data(seed)
    return restore(y, degrade.Identity(), weight, grey(y))


def best(seed):
    """The best PSNR of the lesson's values of λ."""
    return max(psnr(denoised(raw, seed, weight)) for weight in WEIGHTS)


@claim("lesson01-tv-ratio", text=lambda v: f"{spread(v)} times", holds=lambda v: min(v) > 3)
def tv_ratio(seed):
    """TV of y in units of the TV of x."""
    return float(priors.total_variation(raw(seed)) / priors.total_variation(clean()))


@claim("lesson01-gain", unit="dB", holds=lambda gains: min(gains) > 7)
def gain(seed):
    """PSNR gained over y with λ = 0.16."""
    return psnr(denoised(raw, seed, GOOD)) - psnr(raw(seed))


@claim("lesson01-oversmooth", unit="dB", holds=lambda losses: min(losses) > 3)
def oversmooth(seed):
    """PSNR lost with λ = 0.8; the best λ must be one of 0.12, 0.16, 0.2."""
    found = max(WEIGHTS, key=lambda weight: psnr(denoised(raw, seed, weight)))
    return best(seed) - psnr(denoised(raw, seed, 0.8)) if found in (0.12, 0.16, 0.2) else -np.inf


def rule(data, seed, level):
    """The λ at which the mean squared residual is level·σ²."""
    weights = WEIGHTS if data is raw else WEIGHTS[3:9]
    y = data(seed)
    errors = [metrics.mse(denoised(data, seed, w), y) / SIGMA**2 for w in weights]
    return round(float(np.interp(level, errors, weights)), 2)


def file_level(seed):
    return metrics.mse(clean(), file(seed)) / SIGMA**2


@claim("lesson01-rule-weight", digits=2, holds=lambda v: min(v) > 0.23 and max(v) < 0.3)
def rule_weight(seed):
    """λ of the discrepancy rule on raw data."""
    return rule(raw, seed, 1)


@claim("lesson01-rule-loss", unit="dB", holds=lambda v: min(v) > 0.5 and max(v) < 1.5)
def rule_loss(seed):
    """PSNR lost by the rule on raw data, against the best λ of the lesson's values."""
    return best(seed) - psnr(denoised(raw, seed, rule_weight(seed)))


@claim("lesson01-file-level", digits=2, holds=lambda v: min(v) > 0.88 and max(v) < 0.93)
def level(seed):
    """The true error of the clipped file, in units of σ²."""
    return file_level(seed)


@claim("lesson01-file-loss", unit="dB", holds=lambda v: min(v) > 0.6)
def file_loss(seed):
    """PSNR lost on the clipped file by asking for σ² in place of the true level."""
    right, wrong = (rule(file, seed, level) for level in (file_level(seed), 1))
    return psnr(denoised(file, seed, right)) - psnr(denoised(file, seed, wrong))


@claim(
    "lesson01-chambolle",
    text=lambda gaps: f"{max(map(abs, gaps)):.2f} dB",
    holds=lambda gaps: max(map(abs, gaps)) < 0.3,
)
def chambolle(seed):
    """PSNR of scikit-image's TV at its best weight, less that of our best."""
    tv = partial(baselines.tv, eps=1e-5, steps=500)
    return psnr(baselines.best_of(tv, raw(seed), np.arange(5, 12) / 100, clean())) - best(seed)


@claim("lesson01-nlm", unit="dB", holds=lambda leads: min(leads) > 1)
def non_local_means(seed):
    """PSNR of non-local means at its best of three h, less that of our best."""
    nlm = partial(baselines.nlm, sigma=SIGMA)
    strengths = SIGMA * np.array([0.6, 0.8, 1])
    return psnr(baselines.best_of(nlm, raw(seed), strengths, clean())) - best(seed)


@claim("lesson01-stairs", text=lambda v: spread(v, "%", digits=0), holds=lambda v: min(v) > 40)
def stairs(seed):
    """Share of the ramp's steps that are less than a quarter of its slope."""
    ramp = torch.linspace(0.2, 0.8, 64)
    line = torch.cat([ramp, torch.full((32,), 0.2)])
    line = line + 0.05 * torch.randn(96, generator=torch.Generator().manual_seed(seed))
    line = line.expand(1, 1, 8, 96).contiguous()
    x_hat = restore(line, degrade.Identity(), 0.2, grey(line), steps=3 * STEPS, lr=0.005)
    slopes = x_hat[0, 0, 2, :64].diff().abs()
    return 100 * (slopes < (ramp[1] - ramp[0]) / 4).float().mean().item()


@cache
def holes(seed):
    """PSNR on hidden pixels: no prior, TV, linear interpolation."""
    x = clean()
    mask = degrade.random_mask(SIDE, SIDE, keep=0.5, generator=torch.Generator().manual_seed(seed))
    operator = degrade.Mask(mask)
    y = operator(x)
    pictures = [restore(y, operator, w, grey(x), 3 * STEPS // 2) for w in (0, 0.01)]
    pictures.append(baselines.linear(y, mask))
    return [psnr(picture, 1 - mask) for picture in pictures]


@claim(
    "lesson01-holes-tv",
    unit="dB",
    holds=lambda values: all(v > holes(seed)[2] + 0.15 for seed, v in enumerate(values)),
)
def holes_tv(seed):
    """TV on the hidden pixels: a little above linear interpolation for each seed."""
    return holes(seed)[1]


@claim("lesson01-holes-linear", unit="dB", holds=lambda values: max(values) < 30)
def holes_linear(seed):
    """Linear interpolation on the hidden pixels."""
    return holes(seed)[2]


@cache
def superres():
    """PSNR of ×4: no prior, TV, bicubic. There is no chance in it: seeds do not change it."""
    operator = degrade.Downsample(4)
    y = operator(clean())
    start = baselines.nearest(y, 4)
    none, tv = (restore(y, operator, w, start, 3 * STEPS // 2) for w in (0, 0.01))
    return [psnr(x_hat) for x_hat in (none, tv, baselines.bicubic(y, 4))]


@claim("lesson01-superres-none", unit="dB", holds=lambda v: max(v) < superres()[2] - 1)
def superres_none(seed):
    """×4 without a prior, from blocks."""
    return superres()[0]


@claim("lesson01-superres-tv", unit="dB", holds=lambda v: min(v) > superres()[2] + 1)
def superres_tv(seed):
    """×4 with TV."""
    return superres()[1]


@claim("lesson01-superres-bicubic", unit="dB", holds=lambda v: max(v) < 27)
def superres_bicubic(seed):
    """×4 by bicubic enlargement."""
    return superres()[2]


class Blurred(nn.Module):
    """The lesson's other way to write a picture: a blur that can be undone."""

    def __init__(self, start, width=4):
        super().__init__()
        rows = torch.fft.fftfreq(start.shape[2])[:, None]
        columns = torch.fft.rfftfreq(start.shape[3])
        self.register_buffer("gain", 1 / (1 + width**2 * (rows**2 + columns**2)))
        self.theta = nn.Parameter(start.clone())

    def forward(self, z):
        return torch.fft.irfft2(self.gain * torch.fft.rfft2(self.theta), s=self.theta.shape[2:])


@cache
def search(seed, parametrise):
    """The fit without a prior, by gradient descent."""
    y = raw(seed)
    options = {"optimizer": "gradient descent", "lr": 0.2 * y.numel(), "steps": 3 * STEPS}
    net = parametrise(grey(y))
    return fit.fit(net, None, y, degrade.Identity(), progress=False, **options)


def peak(history):
    return max(psnr(history.frame(i)) for i in range(len(history)))


@claim("lesson01-same-minimum", unit="dB", digits=0, holds=lambda v: min(v) > 45)
def same_minimum(seed):
    """PSNR between the results of the two searches, both with the TV prior."""
    y = raw(seed)
    options = {"steps": 2 * STEPS, "lr": 0.02, "prior": tv_prior(GOOD), "progress": False}
    one, other = (
        fit.fit(parametrise(grey(y)), None, y, degrade.Identity(), **options).final
        for parametrise in (nets.PixelImage, Blurred)
    )
    return metrics.psnr(one.clamp(0, 1), other.clamp(0, 1))


@claim("lesson01-path-pixels", unit="dB", holds=lambda v: max(v) < 21.5)
def path_pixels(seed):
    """Best PSNR on the way, pixels."""
    return peak(search(seed, nets.PixelImage))


@claim("lesson01-path-blurred", unit="dB", holds=lambda v: min(v) > 25.5)
def path_blurred(seed):
    """Best PSNR on the way, blurred pixels."""
    return peak(search(seed, Blurred))


@claim("lesson01-path-end", unit="dB", holds=lambda v: max(v) < 21)
def path_end(seed):
    """PSNR of the last step, blurred pixels."""
    return psnr(search(seed, Blurred).final)
