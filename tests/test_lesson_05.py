"""Lesson 05: its inline code against the package, and what it states that needs no long fit."""

import pytest
import torch

from dipcourse import (
    baselines,
    degrade,
    fit,
    images,
    live,
    metrics,
    nets,
    presets,
    recordings,
    show,
)
from dipcourse.live import mask as drawing
from tests import lesson_code
from tools import study_05

PRESET = presets.get("inpaint", "smoke")
SIDE = 64
X = images.load("face", size=SIDE)


def lesson(*cells, **more):
    given = {"preset": PRESET, "STEPS": 20, "SMALL": SIDE, "small": X}
    return lesson_code.run("05", *cells, **given | more)


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")


def half(seed=0):
    return degrade.random_mask(SIDE, SIDE, 0.5, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [64, 192])
def test_the_study_uses_the_masks_of_the_lesson(side):
    damages = lesson("build-damages")["damages"]
    mine, theirs = damages(side, seed=3), study_05.damages(side, seed=3)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_study_uses_the_fillings_of_the_lesson(channels, monkeypatch):
    names, mask = lesson("build-classical", "build-composite", STEPS=5), half()
    x = X[:, :channels]
    y = degrade.Mask(mask)(x)
    assert torch.equal(names["tv"](y, mask), study_05.tv(y, mask, steps=5))
    monkeypatch.setitem(study_05.CLASSICAL, "tv", names["tv"])
    filled = names["classical"](y, mask)
    found = {name: metrics.psnr(x_hat, x, 1 - mask) for name, x_hat in filled.items()}
    assert found == study_05.measure_classical(x, mask)


def test_the_study_fits_as_the_lesson_does():
    mask = half()
    y = degrade.Mask(mask)(X)
    mine = lesson("build-loss")["fill"](y, mask, seed=1, steps=3)
    theirs = study_05.fill(y, mask, PRESET, seed=1, steps=3)
    assert torch.equal(mine.final, theirs.final)
    assert not torch.equal(mine.final, study_05.fill(y, mask, PRESET, seed=2, steps=3).final)


def test_the_study_builds_the_networks_of_the_lesson():
    names, mask = lesson("build-networks", STEPS=3), half()
    y = degrade.Mask(mask)(X)
    for scales, skip in ((1, 0), (3, 4), (2, "identity")):
        assert names["network"](scales, skip) == study_05.network(PRESET, scales, skip, steps=3)
    mine, theirs = names["resnet"](y, mask), study_05.resnet(PRESET, y, mask, steps=3)
    assert torch.equal(mine.final, theirs.final)


def test_the_masked_loss_is_the_loss_of_fit():
    masked_loss, mask = lesson("build-loss")["masked_loss"], half()
    y, net = degrade.Mask(mask)(X), nets.PixelImage(torch.rand_like(X))
    mine = masked_loss(net(None), y, mask).item()
    history = fit.fit(net, None, y, degrade.Mask(mask), steps=1, progress=False)
    assert mine == pytest.approx(history.loss[0], rel=1e-5)


def test_what_stands_behind_the_mask_changes_nothing():
    fill, mask = lesson("build-loss")["fill"], half()
    results = []
    for behind in (torch.zeros_like(X), torch.rand_like(X), X):
        history = fill(mask * X + (1 - mask) * behind, mask, steps=4)
        results.append((history.final, history.frames, torch.from_numpy(history.loss)))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_the_first_step_moves_hidden_pixels_only_with_a_network():
    names = lesson("build-loss", "build-damages")
    hole = names["damages"](SIDE)["a large hole"]
    names |= lesson("build-step", **names)
    hidden, y = (1 - hole).expand_as(X) == 1, degrade.Mask(hole)(X)
    pull, pixels = names["first_step"](nets.PixelImage(torch.full_like(X, 0.5)), None, y, hole)
    _, network = names["first_step"](*PRESET.make(3, SIDE, SIDE), y, hole)
    for still in (pull, pixels):
        assert not still[hidden].any()
        assert still[~hidden].any()
    assert (network[hidden] != 0).float().mean() > 0.9


def test_a_composite_keeps_the_known_pixels_of_every_filling():
    names, mask = lesson("build-classical", "build-composite", STEPS=5), half()
    y = degrade.Mask(mask)(X)
    for name, filled in names["classical"](y, mask).items():
        assert torch.equal(filled * mask, y), name


def test_damages_hide_what_their_names_say():
    masks = lesson("build-damages")["damages"](192)
    hidden = {name: 1 - mask.mean().item() for name, mask in masks.items()}
    assert hidden["half of the pixels"] == pytest.approx(0.5, abs=0.01)
    assert hidden["98 % of the pixels"] == pytest.approx(0.98, abs=0.003)
    assert 0.1 < hidden["text"] < 0.4
    assert hidden["a large hole"] == 1 / 16
    assert 0.02 < hidden["a region"] < 0.04


def test_published_gap_between_hidden_and_whole_pixels():
    whole = lesson_code.answer("05", "exercise-whole")["whole_psnr"]
    x_hat = baselines.linear(degrade.Mask(half())(X), half())
    x_hat = half() * X + (1 - half()) * x_hat
    share = 1 - half().mean().item()
    measured = metrics.psnr(x_hat, X, 1 - half())
    assert whole(measured, share) == pytest.approx(metrics.psnr(x_hat, X), abs=1e-3)


def test_pixels_without_any_colour_under_a_mask_for_each_channel():
    blank = lesson_code.answer("05", "exercise-channels")["blank"]
    drawn = torch.rand(3, 200, 200, generator=torch.Generator().manual_seed(0)) < 0.3
    assert blank(0.3) == pytest.approx((~drawn).all(0).float().mean().item(), abs=0.01)


def test_wins_needs_every_seed():
    wins = lesson_code.answer("05", "exercise-wins")["wins"]
    base = {"linear": 20.0, "biharmonic": 22.0, "tv": 21.0}
    rows = [
        {"photo": "a", "seed": 0, "mean": 23.0, **base},
        {"photo": "a", "seed": 1, "mean": 22.5, **base},
        {"photo": "b", "seed": 0, "mean": 25.0, **base},
        {"photo": "b", "seed": 1, "mean": 21.5, **base},
    ]
    assert wins(rows) == ["a"]


def test_tables_hold_what_the_lesson_reads():
    settings = recordings.table("05_settings")["rows"]
    for damage in (study_05.HALF, study_05.HOLE):
        for setting, value in study_05.CHANGES:
            mine = {"damage": damage, "setting": setting, "value": value}
            found = [row for row in settings if mine.items() <= row.items()]
            assert sorted(row["seed"] for row in found) == [0, 1, 2], mine
    rows = recordings.table("05_seeds")["rows"]
    assert {row["photo"] for row in rows} == set(study_05.PHOTOS)
    assert len(rows) == 3 * len(study_05.PHOTOS)
    assert all(row["low"] <= row["high"] for row in rows)


def test_long_runs_show_the_steps_of_the_report():
    for name in ("05_text", "05_half", "05_hole"):
        history = recordings.load(name)
        for step in (0, 500, 1500, 2500, 8000):
            assert abs(history.steps[history.nearest(step)] - step) < 0.1 * max(step, 10)


@pytest.mark.parametrize("painted", [False, True])
def test_your_own_hole_is_filled_whether_you_paint_or_not(painted):
    names = lesson("build-damages", "build-loss", "build-classical", "build-composite")
    names = lesson("build-networks", **names)
    names["holes"] = names["damages"](SIDE)
    names = lesson("draw-hole", **names | {"live": live, "show": show})
    want = names["holes"]["a region"]
    if painted:
        want = degrade.hole_mask(SIDE, SIDE, 3, 5, 20, 30)
        names["drawn"].canvas.drawn = drawing.encode(want)  # what a stroke sends
    names = lesson("fill-hole", **names)
    assert torch.equal(names["mask"], want)
    for filled in names["mine"].values():
        assert torch.equal(filled * want, X * want)
        assert not torch.equal(filled, X * want)
