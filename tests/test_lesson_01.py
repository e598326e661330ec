"""Lesson 01: what its code and its text say about total variation, in small."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dipcourse import baselines, degrade, fit, images, metrics, nets, priors
from tools import lesson_code

SIGMA = 25 / 255


def no_pictures(*arguments, **options):
    """Stands for the functions of ``show``: here nobody looks."""


@pytest.fixture(scope="module")
def x():
    return images.load("face", 64)


@pytest.fixture(scope="module")
def y(x):
    return degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(0), clip=False)


@pytest.fixture(scope="module")
def lesson(x, y):
    """The names that the lesson's own cells define, run on a small photo."""
    given = {"x": x, "y": y, "STEPS": 200, "priors": priors}
    given["show"] = SimpleNamespace(images=no_pictures)
    cells = ["build-tv", "small-pictures", "build-loop", "restore", "same-fit", "build-blurred"]
    return lesson_code.run("01", *cells, **given)


def restored(lesson, y, operator, weight, start, **options):
    return lesson["restore"](y, operator, [weight], start, **options)[weight].final


def test_tv_of_the_lesson_is_the_package_s(lesson, y):
    assert torch.isclose(lesson["tv"](y), priors.total_variation(y))
    ours, theirs = (y.clone().requires_grad_() for _ in range(2))
    lesson["tv"](ours).backward()
    priors.total_variation(theirs).backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)


def test_tv_by_hand(lesson):
    """Six steps of 1, 36 of 1/6, 1 + 1 + √2; the noise nearly doubles the jump's TV."""
    tv, exact = lesson["tv"], {"eps": 1e-6}
    assert tv(lesson["jump"], **exact).item() == pytest.approx(6, abs=1e-3)
    assert tv(lesson["ramp"], **exact).item() == pytest.approx(6, abs=1e-3)
    assert tv(lesson["speck"], **exact).item() == pytest.approx(2 + 2**0.5, abs=1e-3)
    assert 1.6 < tv(lesson["noisy"]) / tv(lesson["jump"]) < 2


def test_noise_multiplies_the_tv_of_the_photo(lesson, x, y):
    assert lesson["tv"](y) > 2 * lesson["tv"](x)


def test_without_eps_the_gradient_at_flat_pixels_is_nan(lesson):
    flat = torch.full((1, 1, 7, 7), 0.5)
    for eps, broken in ((0, True), (1e-3, False)):
        picture = flat.clone().requires_grad_()
        lesson["tv"](picture, eps=eps).backward()
        assert picture.grad.isnan().any().item() is broken


def test_the_loop_by_hand_and_fit_agree(lesson):
    """Pixels of flat areas swing around the minimum, so the last digits differ."""
    assert (lesson["history"].final - lesson["by_hand"]["λ = 0.16"]).abs().max() < 0.02
    assert metrics.psnr(lesson["history"].final, lesson["by_hand"]["λ = 0.16"].clamp(0, 1)) > 55


def test_without_a_prior_the_noise_comes_back(lesson, y):
    assert (lesson["by_hand"]["no prior, λ = 0"] - y).abs().max() < 1e-2
    x_hat = restored(lesson, y, degrade.Identity(), 0, lesson["grey"])
    assert (x_hat - y).abs().max() < 1e-2


def test_as_good_as_chambolle(lesson, x, y):
    """Within half a decibel of scikit-image's TV, each at its best weight."""
    chambolle = partial(baselines.tv, eps=1e-5, steps=500)
    theirs = metrics.psnr(baselines.best_of(chambolle, y, np.arange(2, 12) / 100, x), x)
    ours = max(
        metrics.psnr(restored(lesson, y, degrade.Identity(), w, lesson["grey"]), x)
        for w in (0.08, 0.12, 0.16, 0.2)
    )
    assert abs(ours - theirs) < 0.5
    assert ours > metrics.psnr(y, x) + 4


def test_weight_means_the_same_for_every_size(lesson, y):
    """A picture beside its mirror image is restored as it is alone, but for the seam."""
    alone = restored(lesson, y, degrade.Identity(), 0.16, lesson["grey"])
    twice = torch.cat([y, y.flip(3)], dim=3)
    both = restored(lesson, twice, degrade.Identity(), 0.16, torch.full_like(twice, 0.5))
    assert (both[..., :48] - alone[..., :48]).abs().mean() < 2e-3


def test_more_weight_means_a_larger_residual(lesson, y):
    errors = [
        metrics.mse(restored(lesson, y, degrade.Identity(), w, lesson["grey"]), y)
        for w in (0.08, 0.16, 0.34)
    ]
    assert errors[0] < 0.8 * errors[1] < 0.8 * 0.9 * errors[2]


def test_clipping_lowers_the_level(x, y):
    assert metrics.mse(y, x) / SIGMA**2 == pytest.approx(1, abs=0.05)
    assert 0.8 < metrics.mse(y.clamp(0, 1), x) / SIGMA**2 < 0.95


def test_hidden_pixels_stay_where_they_were_without_a_prior(lesson, x):
    mask = degrade.random_mask(64, 64, keep=0.5, generator=torch.Generator().manual_seed(0))
    holes, hidden = degrade.Mask(mask), (mask == 0).expand_as(x)
    none, filled = (restored(lesson, holes(x), holes, w, lesson["grey"]) for w in (0, 0.01))
    assert (none[hidden] == 0.5).all()
    assert (none - x)[~hidden].abs().max() < 1e-2
    assert metrics.psnr(filled, x, 1 - mask) > metrics.psnr(none, x, 1 - mask) + 8


def test_only_the_prior_enlarges_better_than_bicubic(lesson, x):
    given = {"SIDE": 64, "zoom": None, "baselines": baselines}
    names = lesson_code.run("01", "superres", **lesson | given)
    none, tv = (metrics.psnr(x_hat, x) for x_hat in names["larger"].values())
    assert none + 0.5 < metrics.psnr(names["bicubic"], x) < tv - 0.5


def test_every_picture_is_a_blurred_one(lesson, y):
    """g is surjective: θ = blur⁻¹(y) gives y; and a flat start is a flat picture."""
    net = lesson["Blurred"](lesson["grey"])
    assert torch.allclose(net(None), lesson["grey"], atol=1e-5)
    spectrum = torch.fft.rfft2(y) / net.gain
    net.theta.data = torch.fft.irfft2(spectrum, s=y.shape[2:])
    assert torch.allclose(net(None), y, atol=1e-4)


def test_same_minimum_by_another_search(lesson, y):
    options = {"steps": 400, "lr": 0.02, "prior": lesson["tv_prior"](0.16), "progress": False}
    one, other = (
        fit.fit(g(lesson["grey"]), None, y, degrade.Identity(), **options).final.clamp(0, 1)
        for g in (nets.PixelImage, lesson["Blurred"])
    )
    assert metrics.psnr(one, other) > 42


def test_the_search_alone_passes_through_something_better(lesson, x, y):
    options = {"optimizer": "gradient descent", "lr": 0.2 * y.numel(), "steps": 300}
    peaks, ends = [], []
    for g in (nets.PixelImage, lesson["Blurred"]):
        h = fit.fit(g(lesson["grey"]), None, y, degrade.Identity(), progress=False, **options)
        peaks.append(max(metrics.psnr(h.frame(i), x) for i in range(len(h))))
        ends.append(metrics.psnr(h.final, x))
    assert max(peaks[0], *ends) < metrics.psnr(y, x) + 1 < peaks[1] - 1
