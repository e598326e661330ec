"""Lesson 04: its inline code against the package, and what it states that needs no long fit."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from dipcourse import baselines, degrade, fit, images, metrics, presets, recordings
from tools import lesson_code

PRESET = presets.get("overfit", "smoke")
SIGMA = 25 / 255
X = images.load("face", 96)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


Y = degrade.add_noise(X, SIGMA, generator=generator())


def lesson(*cells, **more):
    return lesson_code.run("04", *cells, **{"x": X, "y": Y} | more)


@pytest.mark.parametrize("jitter", [0.0, 1 / 30])
def test_restore_agrees_with_the_package(jitter):
    def one_layer():  # deep: rounding errors grow; more channels: drawn in another order
        torch.manual_seed(3)
        return torch.nn.Conv2d(1, 3, 3, padding=1), torch.rand(1, 1, 32, 32)

    y, steps = Y[..., :32, :32], 15
    mine = lesson("build-tricks")["restore"](*one_layer(), y, steps, jitter)
    settings = {"precision": "float32", "device": "cpu", "progress": False, "jitter": jitter}
    theirs = fit.fit(*one_layer(), y, degrade.Identity(), steps=steps, **settings).mean
    assert torch.allclose(mine, theirs, atol=1e-4)


def test_the_running_mean_of_one_step_is_the_first_output():
    net, z = PRESET.make(seed=0)
    first = net(z).detach()
    assert torch.allclose(lesson("build-tricks")["restore"](net, z, X[..., :32, :32], 1, 0), first)


def wavelets():
    cells = ("build-wavelets", "build-colours")
    return lesson(*cells, baselines=baselines, sigma=SIGMA)["wavelets"]


@pytest.mark.parametrize("shape", [(1, 3, 33, 40), (1, 1, 16, 16)])
def test_wavelets_without_a_threshold_return_the_picture(shape):
    picture = torch.rand(shape)
    assert torch.allclose(wavelets()(picture, 0), picture, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("threshold", [0.01, 3.5 * SIGMA])
def test_wavelets_agree_with_the_package(channels, threshold):
    y = Y[:, :channels, :40, :33]
    mine = wavelets()(y, threshold)
    assert torch.equal(mine, baselines.wavelets(y, threshold))


def test_wavelets_remove_most_of_the_noise_of_a_flat_picture():
    grey = torch.full((1, 3, 64, 64), 0.5)
    noisy = degrade.add_noise(grey, 0.1, generator=generator(), clip=False)
    left = wavelets()(noisy, 0.35)
    assert metrics.mse(left, grey) < 0.02 * metrics.mse(noisy, grey)


def test_each_level_of_the_wavelets_halves_the_noise():
    noise = torch.randn(1, 1, 128, 128, generator=generator())
    split = lesson("build-wavelets")["split"]
    for s in (1, 2, 4):
        parts = [half for part in split(noise, 2, s) for half in split(part, 3, s)]
        for part in parts:
            assert part.std().item() == pytest.approx(noise.std().item() / 2, rel=0.1)
        noise = parts[0]


def test_the_strengths_tried_enclose_the_best_one():
    best = lesson("build-classical")["classical"](Y, X, SIGMA)
    psnr = {name: metrics.psnr(picture, X) for name, picture in best.items()}
    assert set(psnr) == {"TV", "NLM", "wavelets"}
    for w in (0.2, 0.3, 1.6, 2.0):
        assert metrics.psnr(baselines.tv(Y, w * SIGMA), X) < psnr["TV"]
    for h in (0.4, 1.1):
        assert metrics.psnr(baselines.nlm(Y, h * SIGMA, SIGMA), X) < psnr["NLM"]


def test_free_pixels_hardly_come_nearer_than_the_noisy_picture():
    names = lesson("build-path", "show-path", plain=fit_history())
    to_y, to_x = names["path"](names["free_pixels"])
    noise = names["distance"](X, Y)
    assert to_y[0] > 2 * noise
    assert to_y[-1] < 0.05 * noise
    assert 0.9 * noise < min(to_x)
    assert to_x[-1] == pytest.approx(noise, rel=0.02)


def fit_history():
    net, z = PRESET.make(3, 96, 96)
    return fit.fit(net, z, Y, degrade.Identity(), steps=3, progress=False)


def test_fits_side_by_side_are_those_that_the_claims_measure():
    """The claims fit with ``denoise``, one after the other."""
    y, preset = Y[..., :32, :32], replace(PRESET, fit={"steps": 4, "jitter": 1 / 30})
    cells = ("build-denoise", "three-runs", "build-medians")
    names = lesson(*cells, y=y, preset=preset)
    alone = partial(names["denoise"], progress=False, threads=1)
    for seed, history in enumerate(names["runs"]):
        assert torch.equal(history.mean, alone(y, seed=seed).mean)
    files = {"noisy": y, "clean": X[..., :32, :32]}
    for name, history in names["denoise_each"](files, preset).items():
        assert torch.equal(history.mean, alone(files[name]).mean)


def test_distance_is_psnr_on_another_scale():
    distance = lesson("build-path")["distance"](Y, X)
    assert -20 * np.log10(distance / 255) == pytest.approx(metrics.psnr(Y, X), abs=1e-3)


@pytest.mark.parametrize("name", ["face", "coffee", "camera"])
@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_the_noise_level_is_found_without_the_clean_picture(name, sigma):
    x = images.load(name, 192)
    y = degrade.add_noise(x, sigma, generator=generator(), clip=False)
    noise_level = lesson_code.answer("04", "exercise-level")["noise_level"]
    assert noise_level(y) == pytest.approx(sigma, rel=0.25)


def test_the_standard_deviation_does_not_pass_for_the_median(capsys):
    def noise_level(y):
        rows = y[:, :, :-1] - y[:, :, 1:]
        return (rows[..., :-1] - rows[..., 1:]).std().item() / 2

    lesson("check-level", noise_level=noise_level, sigma=SIGMA)
    printed = capsys.readouterr().out
    assert printed.count("✓") >= 2
    assert "✗ a disc" in printed


def test_a_ramp_has_no_noise():
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    noise_level = lesson_code.answer("04", "exercise-level")["noise_level"]
    assert noise_level(ramp + ramp.mT) == pytest.approx(0, abs=1e-6)


def test_the_error_of_the_mean_of_two():
    one, two, x = torch.rand(3, 1, 3, 16, 16).unbind()
    errors = metrics.mse(one, x), metrics.mse(two, x), metrics.mse(one, two)
    got = lesson_code.answer("04", "exercise-two")["error_of_mean"](*errors)
    assert got == pytest.approx(metrics.mse((one + two) / 2, x), rel=1e-5)


def test_clean_pixels_of_salt_and_pepper_stay_as_they_are():
    y = degrade.add_noise(X, 50 / 255, "salt_pepper", generator())
    untouched = (y == X).all(1).float().mean().item()
    assert 0.7 < untouched < 0.95


def test_a_jpeg_has_its_errors_along_the_blocks():
    x = images.load("face", 192)
    y = degrade.jpeg(x, 10)
    error = (y - x).mean(1)[0]
    jumps = (error[:, 1:] - error[:, :-1]).abs().mean(0)  # (191,)
    across = (torch.arange(1, 192) % 8) == 0
    assert jumps[across].mean() > 1.3 * jumps[~across].mean()


def test_the_long_fit_falls_as_well_only_later():
    history = recordings.load("04_long")
    x = images.load("face", history.frames.shape[3])
    psnr = lesson("build-path")["psnrs"](history, reference=x)
    best = int(np.argmax(psnr))
    assert history.steps[best] > 250
    assert psnr[best:] == sorted(psnr[best:], reverse=True)
    assert psnr[-1] < psnr[best] - 3


def test_the_sketch_touches_x_and_the_network_does_not(capsys):
    plain = recordings.load("00_overfit")  # of this very x and y
    names = lesson("build-path", "show-path", plain=plain)
    to_y, to_x = names["paths"]["the poster's sketch"]
    assert to_y == [names["distance"](plain.frame(0), Y), names["distance"](X, Y), 0]
    assert to_x == [names["distance"](plain.frame(0), X), 0, names["distance"](X, Y)]
    passed, y = capsys.readouterr().out.splitlines()
    best = max(metrics.psnr(plain.frame(i), X) for i in range(len(plain)))
    assert f"({best:.1f} dB)" in passed
    assert f"({metrics.psnr(Y, X):.1f} dB)" in y


def noisy_copy(x, kind="gaussian"):
    return degrade.add_noise(x, SIGMA, kind, generator())


def test_uniform_noise_comes_back_at_the_steps_at_which_gaussian_noise_does():
    gaussian, uniform = recordings.load("04_long"), recordings.load("04_uniform")
    x, steps = images.load("face", 192), [500, 1500, 2500, 10_000]
    assert {0, *steps} <= set(uniform.steps)
    curves = [[metrics.psnr(h.frame(h.nearest(k)), x) for k in steps] for h in (gaussian, uniform)]
    assert np.abs(np.subtract(*curves)).max() < 0.45
    assert curves[1] == sorted(curves[1], reverse=True)
    assert curves[1][0] - curves[1][-1] == pytest.approx(5.2, abs=0.4)
    rivals = lesson("build-classical")["classical"]
    others = {k: metrics.psnr(v, x) for k, v in rivals(noisy_copy(x, "uniform"), x, SIGMA).items()}
    assert others["TV"] + 0.1 < curves[1][0]
    assert curves[1][0] + 0.9 < min(others["NLM"], others["wavelets"]) < curves[1][0] + 1.4


@pytest.fixture(scope="module")
def held():
    """What the lesson's table says of the recorded fits: {name: row}."""
    resistance = lesson("build-path", "build-share")["resistance"]
    found = {}
    for name, photo in (("00_overfit", "face"), ("04_long", "face"), ("04_paper", "astronaut")):
        history = recordings.load(name)
        x = images.load(photo, history.frames.shape[3])
        found[name] = resistance(name, history, x, noisy_copy(x))
    return found


def test_the_best_frames_hold_a_tenth_of_the_noise(held):
    assert all(0.07 < row["share there"] < 0.14 for row in held.values())


def test_jitter_delays_the_noise_and_does_not_keep_it_out(held):
    assert held["00_overfit"]["half at step"] == 499
    assert held["04_long"]["half at step"] == 8000
    assert held["04_paper"]["half at step"] == "later"
    assert 0.15 < held["04_paper"]["share at the end"] < 0.2


def test_the_blocks_come_back_within_50_000_steps_and_most_of_their_error_was_never_out():
    history = recordings.load("04_jpeg_long")
    x = images.load("face", history.frames.shape[3])
    y = degrade.jpeg(x, 10)
    names = lesson("build-path", "build-classical", "build-share")
    psnr = dict(zip(history.steps, names["psnrs"](history, reference=x), strict=True))
    gains = {k: value - metrics.psnr(y, x) for k, value in psnr.items()}
    assert max(gains.values()) == pytest.approx(0.6, abs=0.05)
    assert gains[2400] == pytest.approx(0.4, abs=0.05)
    assert abs(gains[49_999]) < 0.15
    flat = [gain for k, gain in gains.items() if 3000 < k < 10_000]
    assert max(flat) == max(gains.values())
    assert np.ptp(flat) < 0.15
    means = names["psnrs"](history, True, x)
    assert max(means) - metrics.psnr(y, x) == pytest.approx(0.8, abs=0.05)
    assert 2400 < history.steps[np.argmax(means)] < 4000
    row = names["resistance"]("JPEG", history, x, y)
    assert row["share there"] == pytest.approx(0.8, abs=0.04)
    assert row["share at the end"] > 0.93
    others = names["classical"](y, x, metrics.mse(y, x) ** 0.5)
    assert metrics.psnr(others["NLM"], x) > max(*means, *psnr.values()) + 0.1


def test_a_share_of_the_error_counts_what_points_along_it():
    share = lesson("build-path", "build-share")["error_share"]
    assert share(Y, X, Y) == pytest.approx(1)
    assert share(X + 0.3 * (Y - X), X, Y) == pytest.approx(0.3)
    elsewhere = degrade.add_noise(X, 0.2, generator=generator(9), clip=False)
    assert abs(share(elsewhere, X, Y)) < 0.05


def test_on_other_photos_one_run_is_behind_and_the_mean_of_two_loses_on_the_coffee_alone():
    ahead = {}
    for row in recordings.table("04_tricks")["rows"]:
        rivals = {name: row[name] for name in ("TV", "NLM", "wavelets")}
        ahead[row["photo"]] = [row[k] - max(rivals.values()) for k in ("its mean, last", "of two")]
        if row["photo"] == "coffee":
            assert max(rivals, key=rivals.get) == "NLM"
    assert [photo for photo, (one, _) in ahead.items() if one > 0] == ["face"]
    assert ahead["face"][0] < 0.1
    assert [photo for photo, (_, two) in ahead.items() if two < 0] == ["coffee"]
    assert ahead["coffee"][0] < -0.5
