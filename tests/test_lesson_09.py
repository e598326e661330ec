"""Lesson 09: what it states, with fits of a few steps and from the stored tables."""

import copy

import numpy as np
import pytest
import torch

from dipcourse import baselines, degrade, fit, images, metrics, nets, presets, recordings
from tools import lesson_code
from tools.measured.damage import damaged
from tools.measured.delft import studies as delft
from tools.measured.lesson09 import studies as study

QUIET = {"precision": "float32", "device": "cpu"}


def lesson(*cells, **more):
    return lesson_code.run("09", *cells, **more)


@pytest.fixture(scope="module", autouse=True)
def smoke():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIPCOURSE_SCALE", "smoke")
        yield


@pytest.fixture(scope="module")
def drop():
    """The names of the lesson, with a fit of a few steps on its way to no drop at all."""
    names = lesson(*study.CELLS, "build-replay", "the-changes")
    names["edge"] = names["half_hidden"]()
    names["watch"](names["edge"], 6)
    return names


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
    grows = lesson_code.answer("09", "exercise-grows")["grows"]
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

    first, second = repeated("restore_weights_and_adam")
    assert np.array_equal(first, second)
    first, second = repeated("restore_weights")
    assert first[0] == second[0]
    assert not np.array_equal(first, second)
    first, second = repeated("restore_weights_but_step")
    assert first[0] != second[0]
    rate = drop["edge"].optimizer.param_groups[0]["lr"]
    assert rate == drop["ETA"]  # no copy shares its settings


def test_the_answers_checkpoint_works_twice(drop):
    checkpoint = lesson_code.answer("09", "exercise-checkpoint")["checkpoint"]
    s = copy.deepcopy(drop["edge"])
    back = checkpoint(s)
    runs = [drop["watch"](s, 3)[0]]
    for _ in range(2):
        back()
        runs.append(drop["watch"](s, 3)[0])
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])


def test_the_authors_guard_brings_the_weights_back_and_makes_the_step_all_the_same():
    y = torch.full((1, 1, 8, 8), 0.5)
    s = fit.Stepper(nets.PixelImage(y + 0.1), None, y, degrade.Identity(), optimizer=delft.Guarded)
    s.rollback = s.optimizer
    s.step()
    s.step()
    before = s.optimizer.saved[0].clone()  # of the last step that was no jump
    with torch.no_grad():
        s.net.pixels += 1
    s.step()
    assert s.optimizer.used == 1
    assert not torch.equal(s.net.pixels, before)
    assert (s.net.pixels - before).abs().max() < 0.01  # one step of Adam away
    s.step()
    assert s.optimizer.used == 1


def test_delfts_fit_has_the_settings_of_the_published_code():
    s = delft.begin(presets.get("inpaint", "paper"), side=32)
    assert (s.given.lr, s.given.jitter, s.given.precision) == (0.001, 0.03, "float32")
    assert 0.4 < s.operator.mask.mean() < 0.6
    assert sum(p.numel() for p in s.net.parameters()) > 2e6


# ---- the stored tables


def rows(name, **where):
    stored = recordings.table(name)["rows"]
    return [r for r in stored if all(r[k] == v for k, v in where.items())]


def test_the_tables_are_complete():
    for name in ("09_meter", "09_replays"):
        assert {(r["lr"], r["seed"]) for r in rows(name)} == {
            (lr, s) for lr in study.RATES for s in study.SEEDS
        }
    assert {r["cure"] for r in rows("09_cures", lr=study.RATE)} == set(study.CURES)


def test_what_the_text_says_of_remedies():
    def cured(column, cure="none", lr=study.RATE):
        return np.array([r[column] for r in rows("09_cures", cure=cure, lr=lr)])

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


# ---- Delft's own experiment


def one_step_falls(name):
    """How far the PSNR on the known pixels falls from one step to the next, from step 100 on."""
    known = -10 * np.log10(recordings.load(name).loss)
    return -np.diff(known)[delft.BEGIN :]


def hidden_pixels(name):
    """PSNR of the running mean where pixels were hidden, at step 3,000."""
    history, wall = recordings.load(name), images.load("brick", size=delft.SIDE)
    _, operator = damaged("inpaint", wall)
    mean = history.frame(history.nearest(2999), mean=True)
    return metrics.psnr(mean, wall, 1 - operator.mask)


def test_the_recorded_fits_are_those_of_the_text():
    for name, steps, jitter in (
        ("09_delft", 11_000, 0.03),
        ("09_delft_still", 3000, 0.0),
        ("09_delft_guard", 1500, 0.0),
        ("09_delft_large", 1000, 0.03),
    ):
        told = recordings.load(name).settings
        assert (told["steps"], told["jitter"], told["lr"]) == (steps, jitter, 0.001)
        assert told["precision"] == "float32"


def test_with_the_published_settings_the_guard_never_acts_and_without_jitter_it_would():
    assert max(one_step_falls("09_delft")) < 3
    assert max(one_step_falls("09_delft_large")) < 2
    assert sum(one_step_falls("09_delft_still") > delft.FALL) > 10


def test_the_whole_picture_hardly_notices():
    for name in ("09_delft", "09_delft_still"):
        lows = np.array(recordings.load(name).settings["lowest PSNR"])[5:]
        before = [np.median(lows[max(i - 5, 0) : i]) for i in range(1, len(lows))]
        assert max(before - lows[1:]) < 1


def test_jitter_helps_the_hidden_pixels_by_decibels_and_both_beat_the_best_filling():
    wall = images.load("brick", size=delft.SIDE)
    y, operator = damaged("inpaint", wall)
    filling = metrics.psnr(baselines.biharmonic(y, operator.mask), wall, 1 - operator.mask)
    jittered, still = hidden_pixels("09_delft"), hidden_pixels("09_delft_still")
    assert jittered > still + 4
    assert still > filling + 1


def test_the_authors_guard_turns_a_harmless_fall_into_a_lasting_one():
    behind, alone = (recordings.load(f"09_delft_{name}") for name in ("guard", "still"))
    fall = int(np.argmax(one_step_falls("09_delft_guard") > delft.FALL)) + delft.BEGIN + 1
    assert 900 < fall < 930
    assert behind.settings["guard used"] == len(behind.loss) - fall  # each step from there on
    lost = np.log10(behind.loss[1200:1500]) - np.log10(alone.loss[1200:1500])
    assert 10 * np.median(lost) > 20  # dB, of the known pixels
    whole = np.array(behind.settings["lowest PSNR"])
    where = fall // delft.SPAN
    assert whole[where - 5 : where].min() - whole[where : where + 3].min() > 9.5
    assert max(whole[where + 20 :]) < whole[where - 5 : where].min() - 1


def test_the_large_network_passes_the_limit_before_it_falls():
    meter = {row["from the drop"]: row["meter"] for row in rows("09_delft_meter")}
    assert meter[-24] < 0.95
    assert max(meter[k] for k in (-12, -8, -4)) > 1
    assert meter[4] < 0.8
