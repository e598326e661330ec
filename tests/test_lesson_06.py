"""What lesson 06 builds and states."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dipcourse import baselines, degrade, fit, images, metrics, player, presets, recordings, show
from tools import lesson_code
from tools.measured.lesson06 import studies as study

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
    assert printed.count("✓") == 2
    assert "✗" not in printed
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
    A = names["A"]
    cat = images.load("chelsea", SIDE)
    fitted = names["project"](cat)
    assert names["gap"](fitted) < 0.01
    # its change is orthogonal to what A does not see: nothing nearer fits
    random = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    invisible = lesson("project", "build-right")["unseen"](random)
    assert A(invisible).abs().max() < 1e-4
    assert abs(float(((fitted - cat) * invisible).mean())) < 1e-5
    exec(lesson_code.source("06", "run-no-prior"), names)
    psnr = [metrics.psnr(x_hat, x) for x_hat in names["no_prior"].values()]
    assert psnr[0] > psnr[1] > psnr[2]


def test_the_share_that_is_right(lesson, x):
    names = lesson("project", "build-right")
    A, project = names["A"], names["project"]
    grey = project(torch.full_like(x, 0.5))
    assert A(names["unseen"](x)).abs().max() < 1e-4
    assert names["unseen"](torch.full_like(x, 0.5)).abs().max() < 1e-5
    assert names["right"](x) == pytest.approx(1, abs=1e-4)
    assert names["right"](grey) == pytest.approx(0, abs=1e-4)
    half = grey + 0.5 * (x - grey)
    assert names["right"](half) == pytest.approx(0.75, abs=1e-3)


def test_the_enlargements_without_a_network(x):
    """Each is better than the one before, here by factor 2, and only what fits y has no gap."""
    pictures = study.enlarged(x, 2)
    psnr = {name: metrics.psnr(x_hat, x) for name, x_hat in pictures.items()}
    assert psnr["nearest"] < psnr["bicubic"] < psnr["sharpened"] < psnr["TV"]
    gap = study.about(x, degrade.Downsample(2))["gap"]
    assert gap(pictures["no prior"]) < 0.01 < gap(pictures["bicubic"])


def test_skips_begin_at_the_scale_of_y(lesson, monkeypatch):
    monkeypatch.setenv("DIPCOURSE_SCALE", "laptop")
    with_skips = lesson("sweep-settings")["with_skips"]
    assert with_skips(2).net["skip"] == presets.get("superres").net["skip"] == (0, 0, 4, 4, 4)
    assert with_skips(0).net["skip"] == (4, 4, 4, 4, 4)
    assert with_skips(study.HOURGLASS).net["skip"] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(("factor", "scale"), [(2, 1), (3, 1), (4, 2), (6, 2), (8, 3)])
def test_other_factors_begin_their_skips_at_their_own_scale(factor, scale):
    x, begun = images.load("face", 96), []

    def plan_dip(y, B, preset, factor, seed):
        return SimpleNamespace(y=y, factor=factor)

    given = {"with_skips": begun.append, "plan_dip": plan_dip, "tv": lambda y, B, start: start}
    names = lesson_code.run("06", "build-enlarged", **study.LESSON | given)
    planned = names["plan_factor"](x, factor)
    assert begun == [scale]
    nearest = baselines.nearest(planned.y, planned.factor)
    gains = names["gains_over_bicubic"](x, factor, nearest)
    assert gains["TV"] == 0
    assert gains["DIP"] == gains["nearest"] < 0


def test_fits_side_by_side_are_those_that_the_claims_measure(lesson):
    """Some claims fit with ``dip``, one after the other."""
    small = replace(presets.get("superres", "smoke"), size=SIDE)
    names = lesson("build-dip")
    y, A = names["y"], names["A"]
    plans = {lr: names["plan_dip"](y, A, small, seed=1, steps=4, lr=lr) for lr in (0.01, 0.001)}
    for lr, history in fit.side_by_side(plans, progress=False).items():
        quiet = {"progress": False, "threads": 1}
        alone = names["dip"](y, A, small, seed=1, steps=4, lr=lr, **quiet)
        assert torch.equal(history.final, alone.final)


def test_the_published_convention(x):
    names = lesson_code.run("06", "build-luma")
    white, black = torch.ones(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    assert float(names["luma"](white).mean()) == pytest.approx(235 / 255, abs=1e-5)
    assert float(names["luma"](black).mean()) == pytest.approx(16 / 255, abs=1e-5)
    off = x.clone()
    off[..., :4, :], off[..., -4:, :], off[..., :4], off[..., -4:] = 0, 0, 0, 0
    assert names["published"](off, x) == np.inf
    near = (x + 0.02).clamp(0, 1)
    assert names["published"](near, x) > metrics.psnr(near, x)


def test_the_wrong_operators_are_those_that_the_text_names(lesson):
    small = replace(presets.get("superres", "smoke"), size=SIDE)
    names = lesson(
        "build-lanczos",
        "build-operators",
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


@pytest.mark.parametrize("grey", [False, True])
def test_a_photo_of_ones_own_is_enlarged_by_each_method(lesson, tmp_path, monkeypatch, grey):
    """A file that is not square, in colour or grey: the methods get a square of its own pixels."""
    path = tmp_path / "mine.png"
    levels = images.to_numpy(images.load("coffee", grey=grey))
    Image.fromarray(np.uint8(255 * levels + 0.5)).save(path)
    shown = {}
    monkeypatch.setattr(show, "images", lambda pictures, **_: shown.update(pictures))
    monkeypatch.setattr(player, "iterations", lambda *_, **__: None)
    cells = [lesson_code.source("06", id) for id in ("own-photo", "own-enlarged")]
    small = replace(presets.get("superres", "smoke"), size=SIDE)
    names = lesson("project", "build-tv", "build-dip", preset=small, STEPS=2)
    cells[0] = cells[0].replace("MY_PHOTO = None", f"MY_PHOTO = {str(path)!r}")
    for cell in cells:
        exec(cell, names)
    whole = images.load(path)
    top = (whole.shape[2] - SIDE // 4) // 2
    left = (whole.shape[3] - SIDE // 4) // 2
    middle = whole[:, :, top : top + SIDE // 4, left : left + SIDE // 4]
    assert torch.equal(names["own_y"], middle)
    assert {x_hat.shape for x_hat in shown.values()} == {(1, 1 if grey else 3, SIDE, SIDE)}
    gaps = {name: float(name.rpartition(" ")[2]) for name in shown}
    bicubic, tv = (next(g for name, g in gaps.items() if k in name) for k in ("bicubic", "TV"))
    assert tv < bicubic
    by_pillow = next(x_hat for name, x_hat in shown.items() if "Lanczos" in name)
    assert metrics.psnr(by_pillow, names["own_bicubic"]) > 30


def test_the_stored_table_and_the_figure_are_there():
    rows = recordings.table("06_photos")["rows"]
    assert {r["photo"] for r in rows} == set(study.PHOTOS)
    assert all(sum(r["photo"] == p for r in rows) >= 3 for p in study.PHOTOS)
    skips = recordings.table("06_skips")["rows"]
    assert len(skips) == 3 * 5 * 3
    assert len(show.reference("06_results", display=False).png) <= 150_000


def stored_leads(other, *photos):
    """What the network has over another method, for each seed of these photos."""
    rows = recordings.table("06_photos")["rows"]
    return [r["network"] - r[other] for r in rows if r["photo"] in photos]


def test_what_the_text_says_of_other_photos():
    assert min(stored_leads("bicubic", *set(study.PHOTOS) - {"brick"})) > 0.2
    assert min(stored_leads("TV", "face", "coffee", "rocket")) > 0.1
    assert max(map(abs, stored_leads("TV", "chelsea"))) < 0.2
    assert max(stored_leads("TV", "camera")) < -0.1
    brick = next(r for r in recordings.table("06_photos")["rows"] if r["photo"] == "brick")
    assert max(brick[name] - brick["bicubic"] for name in study.WITHOUT_NETWORK) < 0.2
    assert max(map(abs, stored_leads("bicubic", "brick"))) < 0.3


def test_the_long_run_has_a_plateau():
    history = recordings.load("06_long")
    x = images.load("face", history.frames.shape[-1])
    late = [i for i, step in enumerate(history.steps) if step >= 500]
    assert np.ptp([metrics.psnr(history.frame(i), x) for i in late]) < 0.3
