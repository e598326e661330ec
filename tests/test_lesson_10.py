"""What lesson 10 builds: operators against independent references, and what its tables hold."""

import numpy as np
import pytest
import torch
from skimage import transform
from torch import nn

from dipcourse import degrade, images, metrics, presets, recordings
from tools import lesson_code

SIDE, ODD = 32, 33


@pytest.fixture(scope="module")
def lesson():
    cells = ("build-phantom", "build-rows", "build-scanner", "build-adjoint", "build-measure")
    cells += ("build-radon", "build-fbp", "build-deblur", "build-rivals", "build-phase")
    return lesson_code.run("10", *cells, "build-hio", SIDE=SIDE)


@pytest.fixture(scope="module")
def scanner(lesson):
    return lesson["Scanner"](rows(lesson))


def rows(lesson, side=SIDE, seed=0):
    return lesson["choose_rows"](side, 1 / 3, torch.Generator().manual_seed(seed))


def face(side=SIDE):
    return images.load("face", side, grey=True)


# ---- the scanner


def test_a_third_of_the_rows_the_middle_always_and_denser_near_it(lesson):
    drawn = [rows(lesson, 96, seed) for seed in range(40)]
    assert {int(kept.sum()) for kept in drawn} == {32}
    often = torch.stack(drawn).float().mean(0)  # (96,), in the order of fftfreq
    assert (often[:4] == 1).all()
    assert often[5:20].mean() > 2 * often[28:68].mean()


def test_the_scanner_measures_the_rows_of_numpys_transform(lesson, scanner):
    want = np.fft.fft2(face()[0, 0].numpy(), norm="ortho")
    want[~rows(lesson).numpy()] = 0
    got = scanner(face())[0].numpy()
    assert np.abs(got[0] + 1j * got[1] - want).max() < 1e-5


def test_the_adjoint_test_passes_what_is_linear_and_finds_what_is_not(lesson, scanner):
    class Offset(nn.Module):
        def forward(self, x):
            return scanner(x) + 0.1

    gap = lesson["adjoint_gap"]
    assert gap(scanner, SIDE) < 1e-6
    assert gap(lesson["Radon"](ODD, torch.arange(0.0, 180, 20)), ODD) < 1e-6
    assert gap(Offset(), SIDE) > 1e-4
    assert gap(lesson["FourierSize"](), SIDE) > 1e-3


def test_noise_is_drawn_where_something_is_measured(lesson, scanner):
    measure = lesson["measure"]
    y = measure(scanner, face(), 0.1)
    assert torch.equal(y, measure(scanner, face(), 0.1))
    off = (y - scanner(face()))[scanner.mask.expand_as(y) == 1]
    assert (y[scanner.mask.expand_as(y) == 0] == 0).all()
    assert off.std().item() == pytest.approx(0.1, rel=0.1)
    assert measure(degrade.Blur(1), face(), 0.1).shape == face().shape  # its mask is None


# ---- shadows


def test_the_shadows_are_those_of_scikit_image(lesson):
    radon = lesson["Radon"](ODD, lesson["DEGREES"])
    x = radon.disc * face(ODD)
    got = radon(x)[0, 0].T.numpy()
    want = transform.radon(x[0, 0].numpy(), lesson["DEGREES"].numpy(), circle=True)
    assert np.abs(got - want).mean() < 0.02 * np.abs(want).mean()


def test_what_lies_outside_the_disc_is_not_measured(lesson):
    radon = lesson["Radon"](ODD, lesson["DEGREES"])
    x = face(ODD)
    assert torch.equal(radon(x), radon(x * radon.disc + 5 * (1 - radon.disc)))


def test_the_best_filter_brings_clean_shadows_back(lesson):
    radon = lesson["Radon"](65, lesson["DEGREES"])
    x = radon.disc * lesson["phantom"](65)
    best = metrics.psnr(lesson["best_fbp"](radon, radon(x), x), x)
    each = [radon.disc * lesson["fbp"](radon(x), name) for name in lesson["FILTERS"]]
    assert best == max(metrics.psnr(picture, x) for picture in each)
    assert best > 20


def test_tv_stands_at_its_best_weight(lesson):
    x = lesson["phantom"](SIDE)
    y = degrade.add_noise(x, 0.1, generator=torch.Generator().manual_seed(0))
    tv_at_best = lesson_code.run("10", "build-tv")["tv_at_best"]
    found, weight = tv_at_best(degrade.Identity(), y, y, x, [1e-4, 0.1, 30.0])
    assert weight == 0.1
    assert metrics.psnr(found, x) > metrics.psnr(y, x)


def test_tv_is_judged_where_something_is_measured(lesson):
    disc = lesson["Radon"](ODD, lesson["DEGREES"]).disc
    x, rng = disc * lesson["phantom"](ODD), torch.Generator().manual_seed(0)
    y = disc * degrade.add_noise(x, 0.1, generator=rng)
    start = y + (1 - disc) * torch.rand(y.shape, generator=rng)  # outside, nothing holds it back
    tv_at_best = lesson_code.run("10", "build-tv")["tv_at_best"]
    operator = degrade.Mask(disc)
    found, weight = tv_at_best(operator, y, start, x, [1e-4, 0.1, 30.0], where=disc)
    assert weight == 0.1
    assert (found[disc == 0] == 0).all()


# ---- the blur and the phase


@pytest.mark.parametrize(("method", "settings"), [("wiener", 1e-3), ("richardson_lucy", 30)])
def test_a_deconvolution_sharpens(lesson, method, settings):
    x, blur = face(64), degrade.Blur(1.5)
    y = blur(x)
    sharp = lesson[method](y, blur, settings)
    assert metrics.psnr(sharp, x) > metrics.psnr(y, x) + 1


def test_the_sizes_do_not_see_a_turn_and_the_aligned_picture_is_turned_back(lesson):
    x, sizes = face(), lesson["FourierSize"]()
    turned = x.flip(2, 3)
    assert torch.allclose(sizes(turned), sizes(x), atol=1e-4)
    assert torch.equal(lesson["aligned"](turned, x), x)
    assert torch.equal(lesson["aligned"](x.roll((3, -5), (2, 3)), x), x)
    assert torch.equal(lesson["aligned"](turned.roll((3, -5), (2, 3)), x), x)


def test_hio_finds_a_picture_that_has_the_sizes(lesson):
    x, sizes = face(), lesson["FourierSize"]()
    y = sizes(x)
    found = lesson["hio"](y, SIDE, 600, seed=0)
    errors = [((sizes(x_hat) - y) ** 2).mean() for x_hat in (found, torch.rand_like(x))]
    assert errors[0] < 0.05 * errors[1]
    assert metrics.psnr(lesson["aligned"](found, x), x) > 18


# ---- an operator from elsewhere


def test_an_operator_of_deepinv_goes_in_unchanged(lesson):
    pytest.importorskip("deepinv")
    given = {"SIDE": SIDE, "x": face(), "preset": presets.get("inpaint", "smoke")}
    assert np.isfinite(lesson_code.run("10", "deepinv", **given)["from_deepinv"]().loss).all()


# ---- what the lesson says of its tables


def gains(name, method, **where):
    rows = recordings.table(name)["rows"]
    chosen = [row for row in rows if where.items() <= row.items()]
    assert len(chosen) == 3
    return [row[method] - row["TV"] for row in chosen]


def test_the_network_wins_on_the_phantom_in_the_scanner_and_both_are_never_far_behind_tv():
    assert min(gains("10_scanner", "network", picture="phantom")) > 1
    for picture in ("phantom", "coins", "face"):
        assert min(gains("10_scanner", "network + TV", picture=picture)) > -0.5


def test_the_network_does_not_win_behind_shadows_and_loses_behind_a_blur_and_lost_phases():
    behind_shadows = [
        gain
        for picture in ("phantom", "face")
        for gain in gains("10_others", "network", measured="shadows", picture=picture)
    ]
    assert sum(gain < 0 for gain in behind_shadows) == 5  # of six, as the lesson says
    assert max(gains("10_others", "network", measured="blur")) < -1
    assert all(row["network"] < row["HIO"] - 5 for row in recordings.table("10_phase")["rows"])
