"""Lesson 07: its inline code against the package, and what it states that needs no long fit."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dipcourse import degrade, fit, images, metrics, nets, presets, recordings, stopping
from tools import lesson_code
from tools.measured.lesson07 import studies as study

PRESET = presets.get("overfit", "smoke")
X = images.load("face", size=PRESET.size)
Y = degrade.add_noise(X, 25 / 255, generator=torch.Generator().manual_seed(0))
LEFT_OUT = degrade.random_mask(*X.shape[2:], 0.05, torch.Generator().manual_seed(1))
QUIET = {"precision": "float32", "device": "cpu"}


def history(**settings):
    net, z = PRESET.make(seed=0)
    record = {"holdout": LEFT_OUT, "window": 4, "progress": False}
    return fit.fit(net, z, Y, degrade.Identity(), **PRESET.fit | record | QUIET | settings)


def lesson(*cells, **more):
    return lesson_code.run("07", *cells, **{"preset": PRESET, "x": X} | more)


@pytest.fixture(scope="module", autouse=True)
def smoke():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIPCOURSE_SCALE", "smoke")
        yield


# ---- the rules


@pytest.mark.parametrize("patience", [3, 10, 1000])
@pytest.mark.parametrize("warm_up", [0, 7, 30])
def test_the_rules_agree_with_the_package(patience, warm_up):
    rng, names = np.random.default_rng(patience + warm_up), lesson("build-window", "build-rules")
    values = np.cumsum(rng.normal(size=80)) ** 2 + 0.01
    variance = np.concatenate([np.full(5, np.nan), values])
    fake = SimpleNamespace(loss=values / values.max(), held_out=values, variance=variance)
    lowest, smooth = names["lowest"], names["mean_of_last"]
    assert lowest(variance, patience, warm_up) == stopping.windowed_variance(
        fake, patience, warm_up
    )
    assert lowest(smooth(values, 10), patience) == stopping.held_out(fake, patience, 10)
    for sigma in (0.01, 0.3, 0.9):
        assert names["discrepancy"](fake.loss, sigma) == stopping.discrepancy(fake, sigma)


def test_patience_ends_exactly_then():
    lowest, values = lesson("build-rules")["lowest"], np.array([3.0, 2.0, 4.0, 4.0, 4.0, 1.0])
    assert lowest(values, patience=3) == 1  # three steps without anything lower
    assert lowest(values, patience=4) == 5


def test_left_out_pixels_have_no_say_in_the_fit():
    other = torch.where(LEFT_OUT > 0, 1 - Y, Y)
    net, z = PRESET.make(seed=0)
    settings = PRESET.fit | QUIET | {"holdout": LEFT_OUT, "progress": False}
    changed = fit.fit(net, z, other, degrade.Identity(), **settings)
    assert torch.equal(changed.frames, history().frames)


def test_clipping_lowers_the_level_and_the_result_shows_by_how_much():
    x = images.load("face", size=96)
    rng, sigma = torch.Generator().manual_seed(0), 25 / 255
    y = degrade.add_noise(x, sigma, generator=rng)
    true = metrics.mse(y, x) ** 0.5
    assert true < 0.97 * sigma
    x_hat = degrade.Blur(1.0)(x)  # as smooth as a result
    level = metrics.mse(degrade.add_noise(x_hat, sigma, generator=rng), x_hat) ** 0.5
    assert abs(level - true) < 0.3 * (sigma - true)


def test_the_mean_has_a_rule_of_its_own():
    fitted = history()
    fitted.means = fitted.means.flip(0)  # the mean is best at first, the single picture at last
    own = study.held_out_mean(fitted, Y, LEFT_OUT)
    errors = [metrics.mse(fitted.frame(i, mean=True), Y, LEFT_OUT) for i in range(len(fitted))]
    assert own == fitted.steps[int(np.argmin(errors))]


@pytest.mark.parametrize("width", [4, 8, 24])
def test_the_decoder_agrees_with_the_package(width):
    decoder = lesson("build-decoder")["decoder"]
    packaged = nets.DeepDecoder(width, 3, width=width, scales=3)
    ours, z = decoder(width, scales=3), nets.fixed_input(width, 4, 6)
    ours.load_state_dict(dict(zip(ours.state_dict(), packaged.state_dict().values(), strict=True)))
    assert torch.allclose(ours(z), packaged(z), atol=1e-6)


def test_fits_side_by_side_are_those_that_the_claims_measure():
    """The claims fit with ``denoise``, one after the other."""
    given = {"y": Y, "left_out": LEFT_OUT, "WINDOW": 4, "history": history()}
    names = lesson("build-denoise", "build-decoder", "run-without", **given)
    unet, _, small, with_tv = names["without"].values()
    assert unet is names["history"]
    alone = names["denoise"](Y, prior=names["tv_prior"], threads=1)
    assert torch.equal(with_tv.frames, alone.frames)
    assert np.array_equal(with_tv.held_out, alone.held_out)
    torch.manual_seed(0)
    net, z = names["decoder"](32), nets.fixed_input(32, 2, 2)
    alone = names["denoise"](Y, (net, z), steps=4 * PRESET.fit["steps"], threads=1)
    assert torch.equal(small.frames, alone.frames)


# ---- exercises and stored tables


def test_stopping_without_x_and_sigma():
    discrepancy = lesson("build-rules")["discrepancy"]
    stop = lesson_code.answer("07", "exercise-sigma", discrepancy=discrepancy)["stop"]
    rng, falling = torch.Generator().manual_seed(0), np.linspace(0.02, 0, 2001)
    for sigma in (0.02, 0.1):
        y = 0.5 + sigma * torch.randn(1, 3, 64, 64, generator=rng)
        assert falling[stop(falling, y)] ** 0.5 == pytest.approx(sigma, rel=0.05)
    assert stop(falling, torch.linspace(0, 1, 64).expand(1, 1, 64, 64)) == 2000


def test_the_standard_deviation_does_not_pass_for_the_median(capsys):
    discrepancy = lesson("build-rules")["discrepancy"]

    def stop(loss, y):
        d = (y[:, :, :-1, :-1] - y[:, :, :-1, 1:] - y[:, :, 1:, :-1] + y[:, :, 1:, 1:]) / 2
        return discrepancy(loss, d.std().item())

    given = {"stop": stop, "sigma": 25 / 255}
    lesson("check-sigma", history=history(), y=Y, **given)
    assert "✗ a disc" in capsys.readouterr().out


def test_the_table_is_complete():
    assert {(r["photo"], r["noise"], r["seed"]) for r in rows("07_stopping")} == {
        (p, n, s) for p in study.PHOTOS for n in study.NOISE for s in study.SEEDS
    }


def rows(name, **where):
    stored = recordings.table(name)["rows"]
    return [r for r in stored if all(r[k] == v for k, v in where.items())]


def test_what_the_text_says_of_rules_elsewhere():
    def losses(rule, **where):
        return np.array([r[f"{rule} loss"] for r in rows("07_stopping", **where)])

    assert np.mean(losses("sigma") <= 1) < 0.5
    assert min(losses("sigma", noise=50)) > 1
    for rule in ("level", "variance"):
        assert np.mean(losses(rule) <= 1) > 0.75
        assert max(losses(rule)) > 1.5
    assert max(losses("held out, again")) < 1
    mean, both = losses("mean, held out, again"), losses("mean of both")
    assert 0.5 < np.mean(mean <= 0.3) < 0.8 < np.mean(both <= 0.3)
    assert np.mean(both < 0) > 0.5
