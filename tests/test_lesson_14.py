"""What lesson 14 builds and states: a judge without the clean photo, and a flash photo as z."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from dipcourse import degrade, images, metrics, recordings
from tools import lesson_code
from tools.measured.lesson14 import studies

LESSON = studies.LESSON
X = images.load("face", 32)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def hidden_pixels(share=0.2, size=32, seed=1):
    rng = torch.Generator().manual_seed(seed)
    return 1 - degrade.random_mask(size, size, 1 - share, rng)


@pytest.mark.parametrize("shape", [(60, 30), (31, 97), (200, 200)])
def test_a_photo_keeps_its_shape_and_is_never_enlarged(shape):
    photo = torch.rand(1, 3, *shape)
    small = LESSON["manageable"](photo, 900)
    assert small.shape[2] * small.shape[3] <= 900
    assert small.shape[2] / small.shape[3] == pytest.approx(shape[0] / shape[1], rel=0.06)
    assert torch.allclose(LESSON["manageable"](photo, 10**6), photo, atol=1e-6)


def test_hidden_pixels_become_the_weighted_mean_of_the_seen_ones_around_them():
    hidden = hidden_pixels(0.6)
    found = LESSON["filled"](X, hidden)
    assert torch.equal(found * (1 - hidden), X * (1 - hidden))
    seen = 1 - hidden[0, 0].double().numpy()
    blur = partial(ndimage.gaussian_filter, sigma=0.5, mode="nearest", truncate=5)
    for channel in range(3):
        want = blur(X[0, channel].double().numpy() * seen) / blur(seen)
        where = slice(4, -4), slice(4, -4)
        assert np.allclose(
            found[0, channel].numpy()[where], np.where(seen, X[0, channel], want)[where], atol=2e-3
        )
    grey = torch.full((1, 3, 32, 32), 0.5)
    block = 1 - degrade.hole_mask(32, 32, 10, 10, 13, 13)  # its middle has no seen neighbour
    assert torch.allclose(LESSON["filled"](grey, block), grey)


def test_what_is_hidden_is_seen_by_no_method():
    hidden = hidden_pixels()
    other = torch.where(hidden.bool(), 1 - X, X)
    assert torch.equal(LESSON["filled"](X, hidden), LESSON["filled"](other, hidden))
    plan = LESSON["plan_network"](X, hidden)
    assert torch.equal(plan.settings["holdout"], hidden)


def test_the_judge_sees_the_true_error_plus_the_noise():
    clean = torch.full((1, 1, 300, 300), 0.5)
    y = clean + 0.1 * noise(1, 1, 300, 300)
    found = LESSON["errors"](clean + 0.05, y, torch.ones_like(clean))
    assert found.mean().item() == pytest.approx(255**2 * (0.05**2 + 0.1**2), rel=0.02)


def test_the_margin_is_twice_the_standard_error_of_the_paired_difference():
    hidden = hidden_pixels()
    first, second = (X + scale * noise(1, 3, 32, 32, seed=2) for scale in (0.1, 0.12))
    difference, margin = LESSON["compare"](first, second, X, hidden)
    pairs = [LESSON["errors"](picture, X, hidden).numpy() for picture in (first, second)]
    assert difference < 0
    assert difference / (margin / 2) == pytest.approx(stats.ttest_rel(*pairs).statistic, rel=1e-4)


def test_the_judge_chooses_the_strength_that_the_clean_photo_would_choose():
    x = images.load("face", 96)
    sigma = 25 / 255
    y = degrade.add_noise(x, sigma, generator=torch.Generator().manual_seed(0))
    picture, strength = LESSON["nlm_by_judge"](y, hidden_pixels(size=96))
    assert 0.4 < strength / LESSON["estimated_sigma"](y) < 1.1
    assert metrics.psnr(picture, x) > metrics.psnr(y, x) + 5


@pytest.mark.parametrize("place", [(9, 12), (16, 20)])
def test_the_guided_filter_fits_a_line_in_each_window(place):
    """Once by least squares, window by window, and then the mean over all windows of a pixel."""
    y, guide = X[:, :1], X[:, 1:2] ** 2
    row, column = place
    values = []
    for i in range(row - 2, row + 3):
        for j in range(column - 2, column + 3):
            window = slice(i - 2, i + 3), slice(j - 2, j + 3)
            g, t = (p[0, 0][window].numpy().ravel().astype(float) for p in (guide, y))
            a = np.mean((g - g.mean()) * (t - t.mean())) / (g.var() + 1e-3)
            values.append(a * guide[0, 0, row, column].item() + t.mean() - a * g.mean())
    found = LESSON["guided"](y, guide, 2, 1e-3)[0, 0, row, column].item()
    assert found == pytest.approx(np.mean(values), abs=1e-5)


def test_with_one_colour_both_guided_filters_are_the_same():
    one = LESSON["guided"](X[:, :1], X[:, 1:2], 2, 1e-3)
    all_colours = studies.guided_by_colour(X[:, :1], X[:, 1:2], 2, 1e-3)
    assert torch.allclose(one, all_colours, atol=1e-5)


def test_three_colours_follow_a_mixture_that_one_cannot():
    mixture = X.mean(1, keepdim=True).expand(-1, 3, -1, -1) * 0.5 + 0.1
    three = metrics.mse(studies.guided_by_colour(mixture, X, 2, 1e-6), mixture)
    assert three < 1e-5 < metrics.mse(LESSON["guided"](mixture, X, 2, 1e-6), mixture)


def test_only_the_flash_throws_the_shadow():
    grey = torch.full((1, 3, 48, 60), 0.8)
    evening, dark, flash = LESSON["flash_pair"](grey)
    inside, outside = flash[0, 1, 24, 42], flash[0, 1, 24, 18]  # as far from the middle
    assert inside < 0.4 * outside
    assert evening[0, 1, 24, 42] < evening[0, 1, 24, 41]  # the lamp alone, from the left
    assert metrics.mse(dark, evening) ** 0.5 == pytest.approx(studies.SIGMA, rel=0.15)


def test_tables_say_what_the_lesson_says_of_the_flash():
    for row in recordings.table("14_flash")["rows"]:
        without = max(row["NLM"], row["network, z is noise"])
        assert row["network, z is the flash"] > without + 1


def test_the_judge_is_seldom_sure_and_not_wrong_when_it_is():
    rows = recordings.table("14_judge")["rows"]
    for row in rows:
        sure = abs(row["judge's difference"]) >= row["margin"]
        assert (row["verdict"] == "level") == (not sure)
    assert sum(row["verdict"] == "level" for row in rows) > len(rows) / 2


def test_a_second_scratch_lies_where_the_photo_is_known():
    names = lesson_code.run("14", "build-judge", "scratched", **scratch())
    assert (names["second"] * (1 - names["known"])).sum() == 0
    assert names["second"].sum() > 0.4 * (1 - names["known"]).sum()
    assert (names["strewn"] * (1 - names["known"])).sum() == 0


def scratch():
    class Drawn:
        mask = degrade.scribble_mask(32, 32)

    rng = torch.Generator().manual_seed(0)
    return {"drawn": Drawn, "x": X, "rng": rng, "HEIGHT": 32, "WIDTH": 32}
