"""What lesson 06 builds and states."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dipcourse import baselines, degrade, images, metrics, presets, recordings, show
from tests import lesson_code
from tools import study_06 as study

SIDE = 48


@pytest.fixture(scope="module")
def x():
    return images.load("face", SIDE)


@pytest.fixture
def lesson(x, monkeypatch):
    """A function that runs cells of the lesson, with figures switched off."""
    for name in ("images", "curves"):
        monkeypatch.setattr(show, name, lambda *_, **__: None)
    A = degrade.Downsample(4)
    given = {"x": x, "A": A, "y": A(x), "SIDE": SIDE, "FACTOR": 4}
    return lambda *cells, **more: lesson_code.run("06", *cells, **given | more)


@pytest.mark.parametrize("factor", [2, 3, 4, 6, 8])
def test_the_operator_built_inline_agrees_with_the_package(lesson, x, factor):
    built = lesson("build-lanczos")
    assert torch.allclose(built["lanczos"](factor), degrade.lanczos_weights(factor), atol=1e-6)
    assert torch.allclose(built["shrink"](x, factor), degrade.Downsample(factor)(x), atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_width_3_is_pillows_filter_inside_the_border(lesson, x, factor):
    grey, inside = x[:, :1], np.s_[..., 3:-3, 3:-3]
    size = (SIDE // factor,) * 2
    want = np.asarray(Image.fromarray(images.to_numpy(grey)).resize(size, Image.LANCZOS))
    shrink = lesson("build-lanczos")["shrink"]
    assert np.abs(shrink(grey, factor, 3)[0, 0].numpy()[inside] - want[inside]).max() < 1e-5
    assert np.abs(shrink(grey, factor, 2)[0, 0].numpy()[inside] - want[inside]).max() > 1e-3


def test_the_lessons_own_checks_of_the_operator_pass_and_it_overshoots(lesson, capsys):
    names = lesson("build-lanczos", "check-lanczos")
    printed = capsys.readouterr().out
    assert printed.count("✅") == 2
    assert "❌" not in printed
    row = names["shrink"](names["jump"], 4)
    assert row.min() < -0.005
    assert row.max() > 1.005


def test_lanczos_turns_fine_rings_grey_and_every_fourth_pixel_does_not(lesson):
    names = lesson("build-lanczos", "rings", SIDE=96)
    # in the corner the rings are finer than the small picture can hold
    corner = np.s_[..., -5:, -5:]
    assert names["every_fourth"][corner].std() > 0.2
    assert names["shrink"](names["rings"], 4)[corner].std() < 0.05


def test_thirty_steps_give_the_nearest_picture_that_fits(lesson, x):
    names = lesson("build-lanczos", "project")
    A, y = names["A"], names["y"]
    cat = images.load("chelsea", SIDE)
    fitted = names["project"](cat)
    assert names["gap"](fitted) < 0.01
    # its change is orthogonal to what A does not see: nothing nearer fits
    invisible = study.unseen(torch.rand(x.shape, generator=torch.Generator().manual_seed(0)), A)
    assert A(invisible).abs().max() < 1e-4
    assert abs(float(((fitted - cat) * invisible).mean())) < 1e-5
    assert torch.allclose(fitted, study.project(cat, y, A))
    exec(lesson_code.source("06", "run-no-prior"), names)
    psnr = [metrics.psnr(x_hat, x) for x_hat in names["no_prior"].values()]
    assert psnr[0] > psnr[1] > psnr[2]


def test_the_share_that_is_right(lesson, x):
    names = lesson("project", "build-right")
    A, y, project = names["A"], names["y"], names["project"]
    grey = project(torch.full_like(x, 0.5))
    assert A(names["unseen"](x)).abs().max() < 1e-4
    assert names["unseen"](torch.full_like(x, 0.5)).abs().max() < 1e-5
    assert names["right"](x) == pytest.approx(1, abs=1e-4)
    assert names["right"](grey) == pytest.approx(0, abs=1e-4)
    half = grey + 0.5 * (x - grey)
    assert names["right"](half) == pytest.approx(0.75, abs=1e-3)
    for x_hat in (baselines.bicubic(y, 4), images.load("chelsea", SIDE)):
        assert names["right"](x_hat) == pytest.approx(study.right(x_hat, x, A), abs=1e-6)


def test_the_study_measures_what_the_lesson_does(lesson, x, monkeypatch):
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")
    names = lesson("project", "run-no-prior", "baselines")
    A, y, results = names["A"], names["y"], names["classical"]
    found = study.classical(x, 4)
    for mine, theirs in {"nearest": "nearest", "bicubic": "bicubic", "TV": "TV"}.items():
        assert metrics.psnr(results[mine], x) == pytest.approx(found[theirs], abs=1e-3)
    assert metrics.psnr(results["sharpened"], x) == pytest.approx(found["sharpened"], abs=1e-3)
    exec(lesson_code.source("06", "run-dip").split("\n\nhistory =")[0], names)
    preset = replace(presets.get("superres", "smoke"), size=SIDE)
    quiet = {"progress": False, "steps": 3, "precision": "float32"}
    mine = names["dip"](y, A, preset, **quiet).final
    assert torch.equal(mine, study.dip(y, A, preset, 4, **quiet).final)


def test_the_networks_of_the_sweep_are_those_of_the_study(lesson, monkeypatch):
    monkeypatch.setenv("DIPCOURSE_SCALE", "laptop")
    names = lesson("sweep-settings")
    assert names["small"] == study.small()
    for mine, first in {0: 0, 2: 2, 5: None}.items():
        assert names["with_skips"](mine) == study.with_skips(study.small(), first)
    for factor in (2, 3, 4, 6, 8):
        assert study.own_scale(factor) == int(np.log2(factor))


def test_the_published_convention(x):
    source = lesson_code.source("06", "build-luma").split("\nfor name")[0]
    names = lesson_code.imports("06")
    exec(source, names)
    white, black = torch.ones(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    assert float(names["luma"](white).mean()) == pytest.approx(235 / 255, abs=1e-5)
    assert float(names["luma"](black).mean()) == pytest.approx(16 / 255, abs=1e-5)
    off = x.clone()
    off[..., :4, :], off[..., -4:, :], off[..., :4], off[..., -4:] = 0, 0, 0, 0
    assert names["published"](off, x) == np.inf
    near = (x + 0.02).clamp(0, 1)
    assert names["published"](near, x) == study.published(near, x) > metrics.psnr(near, x)


def test_the_wrong_operators_are_those_that_the_text_names(lesson):
    small = replace(presets.get("superres", "smoke"), size=SIDE)
    names = lesson(
        "build-lanczos",
        "wrong-operator",
        small=small,
        small_x=images.load("face", SIDE),
        small_y=degrade.Downsample(4)(images.load("face", SIDE)),
    )
    made, lanczos3, x = names["made"], names["lanczos3"], names["small_x"]
    assert {y.shape for y in made.values()} == {(1, 3, 12, 12)}
    inside = np.s_[..., 3:-3, 3:-3]
    wrong = (made["Pillow"] - degrade.Downsample(4)(x))[inside].abs().mean()
    assert (made["Pillow"] - lanczos3(x))[inside].abs().mean() < 0.002 < wrong / 3
    assert torch.equal(names["fourth"](x), made["every 4th pixel"])


def test_the_stored_table_and_the_figure_are_there():
    rows = recordings.table("06_photos")["rows"]
    assert {r["photo"] for r in rows} == set(study.PHOTOS)
    assert all(sum(r["photo"] == p for r in rows) >= 3 for p in study.PHOTOS)
    skips = recordings.table("06_skips")["rows"]
    assert len(skips) == 3 * 5 * 3
    assert len(show.reference("06_results", display=False).png) <= 150_000
