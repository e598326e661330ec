"""What lesson 00 builds and states."""

from importlib.metadata import version

import numpy as np
import pytest
import torch

import dipcourse
from dipcourse import baselines, degrade, images, live, metrics, presets, show
from tools import lesson_code, notebooks

SIGMA = 25 / 255


@pytest.fixture(scope="module")
def photo():
    x = images.load("face", size=48)
    return x, degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(0))


def answer(name):
    """The function that an exercise's answer defines."""
    return lesson_code.answer("00", f"exercise-{name}", np=np)[name.replace("-", "_")]


def test_the_package_says_its_version_and_names_every_symbol_of_the_lessons_table():
    assert dipcourse.__version__ == version("dipcourse")
    for symbol in ("x  ", "A  ", "σ", "y  ", "z  ", "θ, f_θ", "x_hat", "λ", "N, k"):
        assert f"\n    {symbol}" in dipcourse.__doc__


def test_psnr_agrees_with_the_package(photo):
    x, y = photo
    psnr = lesson_code.run("00", "build-psnr")["psnr"]
    for x_hat in (y, x + 0.3, y - 0.5):  # also values outside [0, 1]
        assert psnr(x_hat, x) == pytest.approx(metrics.psnr(x_hat, x), abs=1e-3)


def test_an_error_of_a_tenth_is_20_db_and_half_of_it_6_db_more():
    psnr = lesson_code.run("00", "build-psnr")["psnr"]
    x = torch.full((1, 3, 8, 8), 0.5)
    assert psnr(x + 0.1, x) == pytest.approx(20, abs=1e-3)
    assert psnr(x + 0.05, x) - 20 == pytest.approx(6, abs=0.03)


@pytest.mark.parametrize(("name", "settings"), [("tv", [0.001, 0.07, 1]), ("nlm", [0.01, 0.05, 1])])
def test_the_best_setting_is_taken_as_the_package_takes_it(photo, name, settings):
    x, y = photo
    names = lesson_code.run("00", "build-psnr", "classical", sigma=SIGMA, np=np)
    method = {"tv": baselines.tv, "nlm": names["nlm"]}[name]
    found = names["best_of"](method, y, settings, x)
    assert torch.equal(found, method(y, settings[1]))
    assert torch.equal(found, baselines.best_of(method, y, settings, x))
    assert metrics.psnr(found, x) > metrics.psnr(y, x) + 3


def test_clipping_lowers_the_noise_as_the_answer_says(photo):
    x, y = photo
    assert answer("noise-psnr")(SIGMA) < metrics.psnr(y, x) < answer("noise-psnr")(SIGMA) + 1


def test_the_share_of_the_noise_ignores_an_error_unrelated_to_it(photo):
    x, y = photo
    share = answer("noise-share")
    other = degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(1), clip=False)
    assert share(y, x, y) == pytest.approx(1)
    assert share(x + 0.3 * (y - x), x, y) == pytest.approx(0.3, abs=1e-4)
    assert abs(share(other, x, y)) < 0.05


def test_the_fit_that_overfits_in_sight_is_small_long_and_without_jitter():
    preset = presets.get("overfit", "laptop")
    assert (preset.size, preset.fit.get("jitter", 0), set(preset.net["widths"])) == (96, 0, {32})
    assert preset.fit["steps"] >= 500
    assert preset.net["skip"][0] == 0  # a skip at full size lets the noise in early


def test_the_row_shows_every_damage_of_the_panel():
    names = lesson_code.run("00", "damage", "damages")
    assert tuple(names["kinds"]) == tuple(live.DAMAGE) == names["damaged"].controls["kind"].options
    for kind, strength in names["kinds"].items():
        assert strength in live.DAMAGE[kind][1]


def test_the_network_sees_nothing_of_what_is_under_the_pen(monkeypatch):
    """Two photos that differ only there are mended alike, bit for bit."""
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")
    heal = lesson_code.run("00", "heal")
    x, mask = heal["x"], heal["scribble"]
    first = heal["healed"].final
    heal["x"] = torch.where(mask == 1, x, torch.rand(x.shape))
    assert torch.equal(heal["heal"](mask).final, first)


def test_what_pytorch_is_needed_is_shown_and_found():
    """The readme promises that no PyTorch is asked for; lesson 01 sends its readers here, too."""
    names = lesson_code.run("00", "pytorch-tensor", "pytorch-fit")
    assert names["difference"].shape == (1, 3, 2, 4)
    assert names["guess"].item() == pytest.approx(3, abs=0.1)
    heading = "If you have never seen PyTorch"
    assert f"## {heading}\n" in lesson_code.source("00", "pytorch")
    assert heading in lesson_code.source("01", "title")
    assert "No PyTorch: the lines" in (notebooks.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_reference_figure_marks_no_step_of_the_readers():
    alt = show.reference("00_curves", display=False).alt
    assert "best step" in alt
    assert "my step" not in alt
