"""Lesson 03: its inline code against the package, and what it states that needs no long fit."""

import re

import numpy as np
import pytest
import torch

from dipcourse import degrade, images, metrics, nets, presets, show
from tools import lesson_code
from tools.measured import quoting

PRESET = presets.get("curves", "smoke")
X = images.load("face", size=PRESET.size)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def lesson(*cells, **more):
    given = {"x": X, "preset": PRESET, "STEPS": 40, "SWEEP": 15}
    return lesson_code.run("03", *cells, **given | more)


def halves(targets, **settings):
    """{name: steps to half of the variance}, by the lesson's functions."""
    names = lesson("build-curve", "build-fits")
    histories = names["fit_each"](targets, **settings)
    return {k: names["half"](names["curve"](histories[k], y)) for k, y in targets.items()}


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 1, 9, 14)])
def test_shuffle_agrees_with_the_package(shape):
    x, shuffle = torch.rand(shape), lesson("build-shuffle")["shuffle"]
    assert torch.equal(shuffle(x, generator(7)), degrade.shuffle_pixels(x, "pixels", generator(7)))


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 1, 15, 18), (1, 3, 17, 9)])
def test_explained_energy_agrees_with_the_package(shape):
    x, x_hat = torch.rand(shape), torch.rand(shape)
    mine = lesson("build-bands")["explained"](x_hat, x)
    assert torch.allclose(mine, metrics.explained_energy(x_hat, x), atol=1e-4)


def test_ring_energies_add_up_to_the_variance():
    energy = lesson("build-bands")["ring_energy"](X)
    variance = lesson("build-curve")["variance"](X)
    assert energy.sum() / (3 * (32 * 32) ** 2) == pytest.approx(variance, rel=1e-4)


def test_variance_is_the_loss_of_the_best_flat_colour():
    variance = lesson("build-curve")["variance"](X)
    flat = X.mean((2, 3), keepdim=True).expand_as(X)
    assert metrics.mse(flat, X) == pytest.approx(variance, rel=1e-5)
    assert metrics.mse(flat + 0.01, X) > variance


def test_half_is_the_first_step_below_and_the_length_if_there_is_none():
    half = lesson("build-curve")["half"]
    assert half(np.array([2, 0.5, 0.4, 0.6, 0.1])) == 2
    assert half(np.array([0.4, 0.6])) == 0
    assert half(np.array([1, 0.9, 0.5])) == 3


def test_every_fit_starts_from_the_same_picture():
    targets = {"photo": X, "noise": torch.rand_like(X)}
    histories = lesson("build-fits")["fit_each"](targets, steps=2)
    assert torch.equal(histories["photo"].frames[0], histories["noise"].frames[0])


def test_the_photo_is_faster_than_its_shuffled_pixels_and_as_fast_as_its_swapped_channels():
    targets = {
        "photo": X,
        "noisy": degrade.add_noise(X, 25 / 255, generator=generator()),
        "channels": degrade.shuffle_pixels(X, "channels", generator()),
        "pixels": degrade.shuffle_pixels(X, "pixels", generator()),
    }
    steps = halves(targets)
    assert max(steps["photo"], steps["noisy"], steps["channels"]) <= steps["pixels"] / 2


@pytest.fixture(scope="module")
def reported():
    """The names of the cells that repeat the report's experiment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("images", "curves"):
            patch.setattr(show, name, lambda *_, **__: None)
        cells = ("build-curve", "build-fits", "show-curves")
        cells += ("report-settings", "report-targets", "run-report")
        return lesson(*cells, curves={"photo": np.ones(3)}, SIDE=64, SWEEP=40)


def test_the_reports_network_input_and_photo_are_those_of_the_report(reported):
    shapes = {tuple(y.shape) for y in reported["reported"].values()}
    assert shapes == {(1, 3, 64, 96)}
    net, z = reported["report"].make(3, 64, 96)
    assert [down[0][0].out_channels for down in net.down] == [8, 16, 32, 64, 128]
    assert [0 if skip is None else skip[0].out_channels for skip in net.skip] == [0, 0, 0, 4, 4]
    assert z.shape == (1, 3, 64, 96)
    assert 0 <= z.min() < 0.001 < 0.099 < z.max() <= 0.1
    assert z.std() == pytest.approx(1 / 30, rel=0.2)  # the jitter is as strong as z
    for fitted in reported["report_fits"].values():
        assert fitted.settings["jitter"] == pytest.approx(1 / 30)
        assert fitted.settings["lr"] == 0.01


def test_with_the_reports_settings_the_order_is_the_same(reported):
    photo, noisy, shuffled, noise = reported["report_curves"].values()
    assert max(photo[-1], noisy[-1]) < 0.6
    assert min(shuffled.min(), noise.min()) > 0.9


def test_the_parts_of_the_first_loss_add_up_and_are_the_targets_own(reported, capsys):
    names = {k: v for k, v in reported.items() if k != "__builtins__"}
    lesson_code.run("03", "start-heights", **names)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert sum("✓" in line for line in lines) == 4
    for line in lines[::2]:
        means, spread, first_spread, covariance = map(float, line.split(","))
        assert first_spread < 0.15 * (means + spread)
        assert 2 * abs(covariance) < 0.06 * (means + spread)


@pytest.mark.parametrize("part", ["means", "variance(y)", "variance(first)"])
def test_the_parts_do_not_add_up_without_one(reported, capsys, part):
    names = {k: v for k, v in reported.items() if k != "__builtins__"}
    before, total = lesson_code.source("03", "start-heights").split("total = ")
    exec(f"{before}total = {total.replace(part, '0', 1)}", names)
    assert "✗" in capsys.readouterr().out


def test_the_start_says_nothing_about_difficulty(reported):
    first = {name: fitted.loss[0] for name, fitted in reported["report_fits"].items()}
    shuffle = "rows and columns shuffled"
    assert first[shuffle] == pytest.approx(first["photo"], rel=0.1)
    photo, shuffled = (reported["reported"][name] for name in ("photo", shuffle))
    assert torch.allclose(shuffled.mean((2, 3)), photo.mean((2, 3)), atol=1e-5)
    assert torch.allclose(shuffled.var((2, 3)), photo.var((2, 3)), atol=1e-5)
    wild = degrade.add_noise(photo, 1.0, generator=generator(), clip=False)
    f_0 = reported["report_fits"]["photo"].frame(0)
    assert metrics.mse(f_0, wild) - first["photo"] == pytest.approx(1, abs=0.1)


def test_slow_targets_change_places():
    """As the text says: the order of two shuffles is not the same in all runs."""
    runs = quoting.stored()["lesson03-slow"]["values"]  # [seed][kind][photo]
    whole_pixels, rows_columns = (np.array(runs)[:, kind] for kind in (2, 4))
    assert (rows_columns > whole_pixels).any()
    assert (rows_columns < whole_pixels).any()


def test_free_pixels_learn_every_target_and_every_ring_at_one_speed():
    names = lesson("build-curve", "control", "build-bands", "build-rings", targets={})
    speeds, rings = [], []
    for y in (X, degrade.shuffle_pixels(X, generator=generator()), torch.rand_like(X)):
        history = names["fit_pixels"](y)
        speeds.append(names["half"](names["curve"](history, y)))
        rings += [values for _, values in names["rings"](history, y).values()]
    assert max(speeds) - min(speeds) <= 2
    steps = history.steps[history.steps > 4]
    want = lesson_code.answer("03", "exercise-pixels")["explained_by_pixels"](steps, 0.02)
    for values in rings:
        assert np.allclose(values, want, atol=0.02)


def test_swapping_channels_keeps_the_agreement_of_neighbours():
    def roughness(how):
        y = X if how is None else degrade.shuffle_pixels(X, how, generator())
        return (y.diff(dim=2) ** 2).mean().item() / lesson("build-curve")["variance"](y)

    assert roughness("channels") == pytest.approx(roughness(None), rel=1e-4)
    for how in ("rows_columns", "pixels", "values"):
        assert roughness(how) > 3 * roughness(None)


def test_shuffling_some_pixels_moves_about_that_share_and_loses_none():
    shuffle_some = lesson("build-ladder")["shuffle_some"]
    for share in (0, 0.25, 1):
        y = shuffle_some(X, share, generator(1))
        moved = (y != X).any(1).float().mean()
        assert share - 0.1 < moved <= share + 0.01
        assert torch.equal(y.flatten(2).sum(1).sort().values, X.flatten(2).sum(1).sort().values)


def test_the_photo_explains_what_the_answer_says_and_half_at_the_jump():
    names = lesson("build-curve", "build-ladder")
    explained_by_photo = lesson_code.answer("03", "exercise-jump")["explained_by_photo"]
    assert explained_by_photo(1 - 0.5**0.5) == pytest.approx(0.5)
    x = images.load("face", size=64)
    for s in (0.2, 0.5, 0.8):
        y = names["shuffle_some"](x, s, generator(2))
        paled = (1 - s) * x + s * x.mean((2, 3), keepdim=True)
        part = 1 - metrics.mse(paled, y) / names["variance"](y)
        assert explained_by_photo(s) == pytest.approx(part, abs=0.03)


def test_the_floor_is_the_loss_of_the_clipped_target():
    variance = lesson("build-curve")["variance"]
    floor = lesson_code.answer("03", "exercise-floor", variance=variance)["floor"]
    wild = degrade.add_noise(X, 1.0, generator=generator(), clip=False)
    assert floor(X) == 0
    assert floor(wild) == pytest.approx(metrics.mse(wild.clamp(0, 1), wild) / variance(wild))
    assert 0.4 < floor(wild) < 0.5  # as the lesson says: hardly below the half


def test_a_photo_is_low_and_noise_is_not():
    energy = lesson("build-bands")["ring_energy"]
    photo, noise = (
        energy(y)[0] / energy(y).sum() for y in (images.load("face", 64), torch.rand(1, 3, 64, 64))
    )
    assert photo > 0.8
    assert noise == pytest.approx(0.03, abs=0.01)


def test_noise_that_is_in_z_is_learnt_sooner_than_other_noise():
    known = 10 * PRESET.make(seed=0)[1][:, :3]
    steps = halves({"known": known, "other": torch.rand(X.shape, generator=generator(1))}, steps=60)
    assert 1.5 * steps["known"] < steps["other"]


@pytest.mark.parametrize("draw", [torch.rand, torch.randn])
def test_noise_drawn_with_the_seed_of_z_is_not_in_z(draw):
    z = nets.fixed_input(8, 32, 32, seed=5, kind="uniform" if draw is torch.rand else "normal")
    noise = draw(1, 3, 32, 32, generator=generator(5))
    together = torch.cat([z, noise], dim=1)[0].flatten(1)
    assert torch.corrcoef(together)[8:, :8].abs().max() < 0.2


def test_with_the_optimisers_swapped_the_network_still_prefers_the_photo(capsys):
    targets = {"photo": X, "shuffled": degrade.shuffle_pixels(X, "pixels", generator())}
    lesson("build-curve", "build-fits", "swap", targets=targets, STEPS=100)
    lines = capsys.readouterr().out.splitlines()
    told = [re.search(r"on pixels (\d+), .* on weights (\d+)", line) for line in lines]
    (adam, descent), (adam_shuffled, descent_shuffled) = (
        [int(n) for n in found.groups()] for found in told if found
    )
    assert abs(adam_shuffled - adam) <= 5  # no order
    assert descent_shuffled > 4 * descent
