"""Lesson 05: its inline code against the package, and what it states that needs no long fit."""

import numpy as np
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
from tools import lesson_code
from tools.measured.lesson05 import studies as study_05

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


def test_the_masked_loss_is_the_loss_of_fit():
    mask, holes = half(), {"text": half(seed=1)}
    masked_loss = lesson("build-loss", holes=holes)["masked_loss"]
    y, net = degrade.Mask(mask)(X), nets.PixelImage(torch.rand_like(X))
    mine = masked_loss(net(None), y, mask).item()
    history = fit.fit(net, None, y, degrade.Mask(mask), steps=1, progress=False)
    assert mine == pytest.approx(history.loss[0], rel=1e-5)


def test_fits_side_by_side_are_those_that_the_claims_measure():
    """The claims fit with ``fill``, one after the other."""
    names, mask = lesson("build-fill"), half()
    y = degrade.Mask(mask)(X)
    plans = {seed: names["plan_fill"](y, mask, seed=seed, steps=4) for seed in range(3)}
    for seed, history in fit.side_by_side(plans, progress=False).items():
        alone = names["fill"](y, mask, seed=seed, steps=4, threads=1)
        assert torch.equal(history.mean, alone.mean)


def test_what_stands_behind_the_mask_changes_nothing():
    fill, mask = lesson("build-fill")["fill"], half()
    results = []
    for behind in (torch.zeros_like(X), torch.rand_like(X), X):
        history = fill(mask * X + (1 - mask) * behind, mask, steps=4)
        results.append((history.final, history.frames, torch.from_numpy(history.loss)))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_the_first_step_moves_hidden_pixels_only_with_a_network():
    holes = lesson("build-damages")["damages"](SIDE)
    hole = holes["a large hole"]
    names = lesson("build-loss", "build-step", holes=holes)
    hidden, y = (1 - hole).expand_as(X) == 1, degrade.Mask(hole)(X)
    pull, pixels = names["first_step"](nets.PixelImage(torch.full_like(X, 0.5)), None, y, hole)
    _, network = names["first_step"](*PRESET.make(3, SIDE, SIDE), y, hole)
    for still in (pull, pixels):
        assert not still[hidden].any()
        assert still[~hidden].any()
    assert (network[hidden] != 0).float().mean() > 0.9


def test_a_composite_keeps_the_known_pixels_of_every_filling():
    names, mask = lesson("build-classical", STEPS=5), half()
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
    ahead = study_05.table_of_seeds()["ahead"]
    wins = lesson_code.answer("05", "exercise-wins", ahead=ahead)["wins"]
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


def test_one_setting_matters_for_half_of_the_pixels_and_the_optimisers_for_the_hole():
    half, hole = (study_05.settings_of(damage) for damage in (study_05.HALF, study_05.HOLE))
    costs = {key: np.mean(half["as it is", ""]) - np.mean(values) for key, values in half.items()}
    assert costs.pop(("jitter", "0.1")) > 1.5 * max(costs.values())
    assert costs["learning rate", "÷ 10"] <= 0
    lowest = min(hole["as it is", ""])
    assert {key for key, values in hole.items() if max(values) < lowest} == {
        ("learning rate", "÷ 10"),
        ("optimiser", "RMSprop"),
        ("optimiser", "descent, η = 1"),
        ("optimiser", "descent, η = 10"),
    }


def test_the_photo_moves_the_gain_more_than_the_seed_does():
    found = study_05.table_of_seeds()
    gains, rows = found["gains"], found["rows"]
    assert max(gains, key=lambda photo: min(gains[photo])) == "brick"
    assert max(gains["grass"]) < -1
    spreads = [max(gain) - min(gain) for gain in gains.values()]
    assert sum(spread > 0.4 for spread in spreads) == 5
    assert np.median([row["high"] - row["low"] for row in rows]) > np.median(spreads)
    assert sum(row["mean"] > row["high"] for row in rows) > 0.9 * len(rows)


def after_500(name, damage):
    """PSNR of the hidden pixels in a recording, from about step 500 on, and of the known ones."""
    history, mask = recordings.load(name), study_05.damages(SIDE)[damage]
    kept = [history.frame(i) for i, step in enumerate(history.steps) if step > 450]
    return [[metrics.psnr(x_hat, X, pixels) for x_hat in kept] for pixels in (1 - mask, mask)]


def test_hidden_pixels_get_worse_after_500_steps_and_the_hole_wanders():
    falls = []
    for name, damage in (("05_text", "text"), ("05_half", study_05.HALF)):
        hidden, known = after_500(name, damage)
        falls.append(max(hidden) - hidden[-1])
        assert known[-1] > known[0] + 3
    hole, _ = after_500("05_hole", study_05.HOLE)
    assert min(falls) > 0.3
    assert max(hole) - min(hole) > 2 * max(falls)


def test_long_runs_show_the_steps_of_the_report():
    for name in ("05_text", "05_half", "05_hole"):
        history = recordings.load(name)
        for step in (0, 500, 1500, 2500, 8000):
            assert abs(history.steps[history.nearest(step)] - step) < 0.1 * max(step, 10)


def test_the_region_is_caught_by_biharmonic_at_step_500_and_falls_from_there():
    history, mask = recordings.load("05_region"), study_05.damages(SIDE)["a region"]
    assert set(study_05.REGION_STEPS) <= set(history.steps)
    filled = study_05.classical(X, mask)
    best = filled.pop("biharmonic")
    assert best > max(filled.values())
    hidden = [metrics.psnr(history.frame(i), X, 1 - mask) for i in range(len(history))]
    early = [psnr for step, psnr in zip(history.steps, hidden, strict=True) if step < 500]
    assert max(early) > best + 0.5
    shown = [hidden[history.nearest(step)] for step in study_05.REGION_STEPS]
    assert shown[1:] == sorted(shown[1:], reverse=True)
    assert best - 0.5 < shown[1] < best
    assert best - shown[3] == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("painted", [False, True])
def test_your_own_hole_is_filled_whether_you_paint_or_not(painted):
    names = lesson("build-damages", "build-fill", "build-classical")
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
