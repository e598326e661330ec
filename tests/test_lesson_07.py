"""Lesson 07: its inline code against the package, and what it states that needs no long fit."""

import copy
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


@pytest.fixture(scope="module")
def drop():
    """The names of the second half, with a fit of a few steps on its way to no drop at all."""
    names = lesson(*study.DROP_CELLS, "the-changes")
    names["edge"] = names["half_hidden"]()
    names["watch"](names["edge"], 6)
    return names


# ---- the rules


@pytest.mark.parametrize("patience", [3, 10, 1000])
@pytest.mark.parametrize("warm_up", [0, 7, 30])
def test_the_rules_agree_with_the_package(patience, warm_up):
    rng, names = np.random.default_rng(patience + warm_up), lesson("build-rules")
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
    names = lesson("build-denoise", "build-decoder", "build-tv-prior", "run-without", **given)
    unet, _, small, with_tv = names["without"].values()
    assert unet is names["history"]
    alone = names["denoise"](Y, prior=names["tv_prior"], threads=1)
    assert torch.equal(with_tv.frames, alone.frames)
    assert np.array_equal(with_tv.held_out, alone.held_out)
    torch.manual_seed(0)
    net, z = names["decoder"](32), nets.fixed_input(32, 2, 2)
    alone = names["denoise"](Y, (net, z), steps=4 * PRESET.fit["steps"], threads=1)
    assert torch.equal(small.frames, alone.frames)


# ---- the drops


def test_a_fit_repeats_itself_bit_for_bit(drop):
    again = drop["half_hidden"]()
    drop["watch"](again, 6)
    assert np.array_equal(drop["watch"](again, 3), drop["watch"](copy.deepcopy(drop["edge"]), 3))


def test_half_the_rate_and_four_times_v_make_the_same_next_step(drop):
    def after(name):
        s = copy.deepcopy(drop["edge"])
        s.optimizer.param_groups[0]["eps"] = 0.0
        drop["changes"][name](s)
        drop["watch"](s, 1)
        return torch.cat([p.detach().flatten() for p in s.net.parameters()])

    start, half, four = (after(n) for n in ("nothing", "η / 2", "v × 4"))
    assert (half - four).norm() < 0.1 * (half - start).norm()


def test_the_meter_is_right_where_the_curvature_is_known(drop):
    half = degrade.Mask(degrade.random_mask(8, 8, 0.5, torch.Generator().manual_seed(0)))
    y = half(torch.rand(1, 3, 8, 8))
    s = fit.Stepper(nets.PixelImage(torch.rand(1, 3, 8, 8)), None, y, half, lr=0.2, **QUIET)
    for _ in range(5):
        s.step()
    v = s.optimizer.state[s.net.pixels]["exp_avg_sq"] / (1 - 0.999**5)
    curvature = 2 * half.mask / (3 * half.mask.sum())  # of each pixel
    want = 0.2 * (curvature / (v.sqrt() + 1e-8)).max().item() / 38
    reading, _ = drop["meter"](s, turns=1000)
    assert reading == pytest.approx(want, rel=0.02)
    frozen, _ = drop["meter"](s, turns=1000, D=4 * drop["diagonal"](s))
    assert frozen == pytest.approx(want / 4, rel=0.02)


def test_adams_limit_is_where_swings_begin_to_grow():
    grows = lesson_code.answer("07", "exercise-grows")["grows"]
    for beta1 in (0, 0.5, 0.8, 0.9, 0.95):
        limit = 2 * (1 + beta1) / (1 - beta1)
        assert not grows(0.99 * limit, beta1)
        assert grows(1.01 * limit, beta1)


def test_adam_itself_swings_beyond_the_limit():
    """As long as v stays the same: here it is held by hand, on a parabola of curvature 1."""

    def distance(lr):
        theta = torch.tensor([1e-3], requires_grad=True)
        adam = torch.optim.Adam([theta], lr=0.0, eps=0.0)
        for _ in range(200):
            adam.zero_grad()
            (theta**2 / 2).sum().backward()
            adam.step()
            state = adam.state[theta]
            state["step"].fill_(1e6)  # no correction of its first steps
            state["exp_avg_sq"].fill_(1.0)
            adam.param_groups[0]["lr"] = lr
        return theta.abs().item()

    assert distance(37.0) < 1e-3 < distance(39.0)


# ---- the rollback


def test_the_well_known_guard_keeps_no_copy(drop):
    net = copy.deepcopy(drop["edge"].net)
    guard = lesson("well-known")
    guard["guard"](net, 30.0)
    with torch.no_grad():
        for p in net.parameters():
            p += 1
    spoilt = copy.deepcopy(net.state_dict())
    guard["guard"](net, 20.0)  # should go back
    assert all(torch.equal(p, spoilt[name]) for name, p in net.named_parameters())


def test_only_weights_and_adam_together_bring_a_fit_back(drop):
    def repeated(undo):
        s = copy.deepcopy(drop["edge"])
        states = {"net": s.net.state_dict(), "adam": s.optimizer.state_dict()}
        good = copy.deepcopy(states)
        first = drop["watch"](s, 4)[0]
        drop[undo](s, good)
        return first, drop["watch"](s, 4)[0]

    first, second = repeated("weights_and_adam")
    assert np.array_equal(first, second)
    first, second = repeated("weights")
    assert first[0] == second[0]
    assert not np.array_equal(first, second)
    first, second = repeated("weights_and_rejected_step")
    assert first[0] != second[0]
    rate = drop["edge"].optimizer.param_groups[0]["lr"]
    assert rate == drop["ETA"]  # no copy shares its settings


def test_the_answers_checkpoint_works_twice(drop):
    checkpoint = lesson_code.answer("07", "exercise-checkpoint")["checkpoint"]
    s = copy.deepcopy(drop["edge"])
    back = checkpoint(s)
    runs = [drop["watch"](s, 3)[0]]
    for _ in range(2):
        back()
        runs.append(drop["watch"](s, 3)[0])
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])


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
    assert "❌ a disc" in capsys.readouterr().out


# ---- the stored tables


def test_the_tables_are_complete():
    stopping_rows = recordings.table("07_stopping")["rows"]
    assert {(r["photo"], r["noise"], r["seed"]) for r in stopping_rows} == {
        (p, n, s) for p in study.PHOTOS for n in study.NOISE for s in study.SEEDS
    }
    for name in ("07_meter", "07_replays"):
        rows = recordings.table(name)["rows"]
        assert {(r["lr"], r["seed"]) for r in rows} == {
            (lr, s) for lr in study.RATES for s in study.SEEDS
        }
    cured = {r["cure"] for r in recordings.table("07_cures")["rows"] if r["lr"] == study.RATE}
    assert cured == set(study.CURES)


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


def test_what_the_text_says_of_remedies():
    def cured(column, cure="none", lr=study.RATE):
        return np.array([r[column] for r in rows("07_cures", cure=cure, lr=lr)])

    drops, deepest = cured("drops"), cured("deepest")
    assert min(cured("drops", lr=0.001)) >= 2
    assert max(cured("deepest", lr=0.001)) < min(deepest)
    for cure in ("decaying rate", "jitter"):
        assert max(cured("drops", cure)) == 0
    hidden = {cure: cured("hidden, mean", cure) for cure in study.CURES}
    jitter = hidden.pop("jitter")
    assert all(min(jitter) > max(others) for others in hidden.values())
    for cure in ("larger epsilon", "beta1 = 0.95", "rollback"):
        assert 0 < min(cured("drops", cure)) <= max(cured("drops", cure)) < min(drops)
    assert np.mean(cured("drops", "clipped gradient")) >= np.mean(drops)
    assert max(cured("deepest", "clipped gradient")) < min(deepest)
    assert min(cured("drops", "beta2 = 0.99") - drops) > 0
    assert min(cured("drops", "AMSGrad") - drops) >= 0
