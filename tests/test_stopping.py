import numpy as np
import pytest
import torch

from dipcourse import degrade, fit, nets, stopping
from dipcourse.history import History


def history(loss=(0.3, 0.2), held_out=None, variance=None, pictures=None, means=None):
    """A History with these scalars, and with a frame at every fourth step."""
    steps = np.arange(0, len(loss), 4)
    if pictures is None:
        pictures = torch.zeros(len(steps), 3, 8, 8, dtype=torch.uint8)
    means = pictures if means is None else means
    last = torch.zeros(1, 3, 8, 8)
    arrays = (None if a is None else np.array(a, dtype="float32") for a in (held_out, variance))
    return History(np.array(loss), steps, pictures, means, last, last, 1.0, {}, *arrays)


def dip(depth, bottom, count=400, edge=0.0):
    """Values that fall to their smallest at ``bottom`` and rise again, with a wave on top."""
    k = np.arange(count)
    return 1 - depth * np.exp(-(((k - bottom) / 60) ** 2)) + edge * np.sin(k)


def test_discrepancy_takes_the_first_step_that_is_not_above():
    run = history(loss=[0.5, 0.05, 0.0101, 0.0099, 0.02, 0.001])
    assert stopping.discrepancy(run, 0.1) == 3
    assert stopping.discrepancy(history(loss=[0.5, 0.25, 0.2]), 0.5) == 1  # equal is enough
    assert stopping.discrepancy(run, 0.01) == 5  # never reached: the last step
    assert isinstance(stopping.discrepancy(run, 0.1), int)


def test_held_out_takes_the_lowest_error():
    assert stopping.held_out(history(held_out=dip(0.5, 150)), smooth=1) == 150
    # a mean over the steps k − smooth + 1 … k is lowest half a window later
    assert stopping.held_out(history(held_out=dip(0.5, 150)), smooth=21) == 160


def test_smoothing_passes_over_a_lucky_step():
    error = dip(0.5, 200)
    error[120] = 0.3
    assert stopping.held_out(history(held_out=error), smooth=1) == 120
    assert abs(stopping.held_out(history(held_out=error), smooth=20) - 200) <= 12


def test_patience_ends_the_search_and_only_then():
    error = np.minimum(dip(0.3, 100), dip(0.5, 300))  # a second, deeper dip
    run = history(held_out=error, variance=error)
    assert stopping.held_out(run, patience=50, smooth=1) == 100
    assert stopping.held_out(run, patience=200, smooth=1) == 300
    assert stopping.windowed_variance(run, patience=50, warm_up=0) == 100
    assert stopping.windowed_variance(run, patience=200, warm_up=0) == 300
    late = [0.5, 0.4, 0.6, 0.6, 0.3]  # lower again 3 steps after the lowest
    assert stopping.held_out(history(held_out=late), patience=2, smooth=1) == 1
    assert stopping.held_out(history(held_out=late), patience=3, smooth=1) == 4


def test_no_rule_looks_ahead():
    error = dip(0.5, 100)
    cut = error[:251]
    for rule, key in ((stopping.held_out, "held_out"), (stopping.windowed_variance, "variance")):
        whole = rule(history(**{key: error}), 100)
        assert rule(history(**{key: cut}), 100) == whole
        changed = np.concatenate([cut, np.zeros(50)])
        assert rule(history(**{key: changed}), 100) == whole


def test_the_lowest_of_equal_values_is_the_first():
    values = np.array([np.nan, 0.1, 0.4, 0.2, 0.2, 0.3])
    assert stopping.lowest(values, patience=9) == 1
    assert stopping.lowest(values, patience=9, warm_up=2) == 3
    assert isinstance(stopping.lowest(values, patience=9), int)


def test_windowed_variance_passes_over_the_window_and_the_warm_up():
    variance = dip(0.5, 200)
    variance[:30] = np.nan
    variance[30:60] = 0.01  # an untrained network changes little
    run = history(variance=variance)
    assert stopping.windowed_variance(run, warm_up=0) == 30
    assert stopping.windowed_variance(run, warm_up=60) == 200


@pytest.mark.parametrize("mean", [False, True])
def test_oracle_takes_the_kept_step_with_the_best_psnr(mean):
    greys = torch.tensor([0, 90, 140, 255], dtype=torch.uint8)
    pictures = greys.view(4, 1, 1, 1).expand(-1, 3, 8, 8)
    run = history(loss=np.ones(16), pictures=pictures, means=pictures.flip(0))
    x = torch.full((1, 3, 8, 8), 0.4)
    assert stopping.oracle(run, x, mean) == (8 if mean else 4)
    x[..., 4:] = 1
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    assert stopping.oracle(run, x, mean, mask) == (0 if mean else 12)


def test_the_rules_read_what_a_fit_writes():
    y = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    holdout = degrade.random_mask(16, 16, 0.1, torch.Generator().manual_seed(1))
    net = nets.PixelImage(torch.zeros_like(y))
    settings = {"steps": 40, "lr": 0.05, "holdout": holdout, "window": 5, "progress": False}
    run = fit.fit(net, None, y, degrade.Identity(), **settings)
    assert stopping.held_out(run, smooth=1) == 0  # pixels learn nothing about held-out ones
    quietest = stopping.windowed_variance(run, warm_up=10)
    assert run.variance[quietest] == run.variance[10:].min()
    reached = stopping.discrepancy(run, 0.1)
    assert run.loss[reached] <= 0.01 < run.loss[reached - 1]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda run: stopping.discrepancy(run, 25), "25/255"),
        (lambda run: stopping.discrepancy(run, 0), "25/255"),
        (lambda run: stopping.held_out(run), "holdout=mask"),
        (lambda run: stopping.windowed_variance(run), "window="),
        (lambda run: stopping.held_out(history(held_out=[0.1] * 5), smooth=6), "has 5 steps"),
        (lambda run: stopping.held_out(history(held_out=[0.1] * 5), smooth=0), "smooth=0"),
        (lambda run: stopping.held_out(history(held_out=[0.1] * 5), 0, 1), "patience=0"),
        (lambda run: stopping.windowed_variance(history(variance=[0.1] * 5)), r"warm-up \(100\)"),
        (lambda run: stopping.oracle(run, torch.zeros(1, 1, 8, 8)), "one size"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong(history())
