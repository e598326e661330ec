"""What lesson 12 builds: losses without the clean picture; and what its tables hold."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dipcourse import baselines, degrade, images, metrics, recordings
from tools import lesson_code

SIDE = 32
SIGMA = 25 / 255


@pytest.fixture(scope="module")
def lesson():
    cells = ("photo", "build-layers", "build-loop", "build-report", "build-pairs", "build-n2n")
    cells += ("build-sure", "build-by-sure", "build-photos", "build-trained", "build-incumbents")
    return lesson_code.run("12", *cells, "build-smooth")


def face(side=SIDE):
    return images.load("face", side)


def noise(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---- the loop


def test_the_loop_keeps_each_tenth_picture_from_the_start_and_minimises(lesson):
    net = torch.nn.Conv2d(1, 1, 1)
    y, z = torch.full((1, 1, 8, 8), 0.7), torch.ones(1, 1, 8, 8)
    first = net(z).detach()
    drawn = lesson["minimise"](
        net, lambda: ((net(z) - y) ** 2).mean(), lambda: net(z), 200, lr=0.02
    )
    assert len(drawn) == 21
    assert torch.equal(drawn[0], first)
    assert (drawn[-1] - y).abs().max() < 0.02
    assert not any(picture.requires_grad for picture in drawn)


def test_a_fit_is_judged_by_the_mean_of_its_last_ten_pictures(lesson, capsys):
    x = face()
    drawn = [x + 0.2 * noise(x.shape, seed) for seed in range(15)]
    found = lesson["course"](drawn, x)
    assert found[0] == metrics.psnr(drawn[0], x)
    assert found[14] == pytest.approx(metrics.psnr(sum(drawn[5:]) / 10, x), abs=1e-4)
    away = [x + 0.2, x, x + 0.4]  # the mean of the first two is best
    lesson["report"]("me", away, x)
    said = capsys.readouterr().out
    best = metrics.psnr(x + 0.1, x)
    assert f"best {best:.2f} dB at step 10, last {metrics.psnr(x + 0.2, x):.2f} dB" in said


def test_the_stack_draws_the_noise_and_sees_so_far_and_no_farther(lesson):
    for depth, reach in ((3, 2), (6, 5)):
        net = lesson["layers"](depth)
        photo = torch.rand(1, 3, 21, 21, requires_grad=True)
        lesson["denoised"](net, photo)[0, :, 10, 10].sum().backward()
        seen = photo.grad.abs().sum((0, 1)) > 0
        assert seen[10 - reach : 11 + reach, 10 - reach : 11 + reach].all()
        assert seen.sum() == (2 * reach + 1) ** 2
    silent = lesson["layers"](3)
    for parameter in silent.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(lesson["denoised"](silent, photo), photo)


# ---- pairs


def test_each_pixel_goes_to_one_of_the_two_smaller_photos(lesson):
    photo = torch.rand(2, 3, 6, 8)
    one, two = lesson["two_smaller"](photo)
    assert one.shape == (2, 3, 3, 4)
    assert torch.allclose((one + two) / 2, F.avg_pool2d(photo, 2))
    photo[:, :, 0, 1] += 1  # the other diagonal
    assert torch.equal(lesson["two_smaller"](photo)[0], one)


def test_pairs_of_white_noise_are_not_alike_and_those_of_smooth_noise_are(lesson):
    white = noise((1, 3, 96, 96))
    assert abs(lesson["alike"](*lesson["two_smaller"](white))) < 0.05
    assert lesson["alike"](white, 3 * white + 1) == pytest.approx(1, abs=1e-3)
    assert lesson["alike"](white, -white) == pytest.approx(-1, abs=1e-3)
    smooth = lesson["smooth_noise"](0) - lesson["x"]
    assert smooth.std().item() == pytest.approx(SIGMA, rel=0.01)
    assert lesson["alike"](*lesson["two_smaller"](smooth)) > 0.4


def test_pairs_take_noise_away_and_leave_shared_noise(lesson):
    flat = torch.full((1, 1, SIDE, SIDE), 0.5)
    white = 0.1 * noise(flat.shape)
    shared = degrade.Blur(2.0)(white)
    shared = 0.1 * shared / shared.std()
    left = {}
    for name, added in {"white": white, "shared": shared}.items():
        drawn = lesson["by_pairs"](flat + added, 150)
        left[name] = metrics.mse(drawn[-1], flat) / metrics.mse(flat + added, flat)
    assert left["white"] < 0.4
    assert left["shared"] > 2 * left["white"]


# ---- SURE


def test_a_probe_finds_how_far_the_output_follows(lesson):
    blur, y = degrade.Blur(0.8), torch.rand(1, 1, 8, 8)
    jacobian = torch.autograd.functional.jacobian(lambda flat: blur(flat.view_as(y)), y)
    exact = jacobian.reshape(64, 64).diagonal().mean().item()
    rng = torch.Generator().manual_seed(0)
    found = [lesson["follows"](blur, y, blur(y), rng).item() for _ in range(400)]
    assert np.mean(found) == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_sure_is_the_risk_on_average_if_sigma_is_right(lesson, strength):
    blur, x = degrade.Blur(strength), face()
    rng = torch.Generator().manual_seed(1)
    risks, right, wrong = [], [], []
    for seed in range(60):
        y = x + SIGMA * noise(x.shape, seed)
        risks.append(metrics.mse(blur(y), x))
        right.append(lesson["sure"](blur, y, SIGMA, rng).item())
        wrong.append(lesson["sure"](blur, y, 2 * SIGMA, rng).item())
    assert np.mean(right) == pytest.approx(np.mean(risks), rel=0.02)
    assert abs(np.mean(wrong) - np.mean(risks)) > 0.2 * np.mean(risks)


def test_copying_has_the_risk_of_the_noise(lesson):
    y = torch.rand(1, 3, SIDE, SIDE)
    rng = torch.Generator().manual_seed(0)
    found = [lesson["sure"](lambda p: p, y, 0.1, rng).item() for _ in range(50)]
    assert np.mean(found) == pytest.approx(0.01, rel=0.02)


def test_a_fit_by_sure_hears_sigma_and_never_the_clean_picture(lesson):
    y = face() + SIGMA * noise((1, 3, SIDE, SIDE))
    small = lesson["by_sure"](y, SIGMA, 10)
    assert torch.equal(small[-1], lesson["by_sure"](y, SIGMA, 10)[-1])
    assert not torch.equal(small[0], lesson["by_sure"](y, SIGMA, 10, seed=1)[0])
    assert not torch.equal(small[-1], lesson["by_sure"](y, 2 * SIGMA, 10)[-1])


# ---- other photos


def test_patches_are_cut_from_all_photos_at_all_places(lesson):
    photos = [torch.rand(1, 3, 12, 12) + 10 * k for k in range(3)]
    rng = torch.Generator().manual_seed(0)
    cut = lesson["patches"](photos, 600, 8, rng)
    assert cut.shape == (600, 3, 8, 8)
    found = set()
    for patch in cut:
        k = int(patch.mean() // 10)
        places = itertools.product(range(5), range(5))
        found |= {
            (k, t, left)
            for t, left in places
            if torch.equal(photos[k][0, :, t : t + 8, left : left + 8], patch)
        }
    assert len(found) == 75


def test_the_library_does_not_hold_the_face(lesson):
    assert not {"face", "astronaut"} & set(lesson["LIBRARY"])


def test_training_sees_the_photos_and_not_the_watched_one(lesson, monkeypatch):
    net, drawn = lesson["by_photos"](SIGMA, 10, face())
    other, _ = lesson["by_photos"](SIGMA, 10, torch.rand(1, 3, SIDE, SIDE))
    assert torch.equal(net[0].weight, other[0].weight)
    assert torch.equal(lesson["denoised"](net, face()), lesson["denoised"](other, face()))
    assert len(drawn) == 2
    seen = []
    watched = lesson["denoised"]

    def denoised(net, photo):
        seen.append(photo)
        return watched(net, photo)

    monkeypatch.setitem(lesson, "denoised", denoised)
    lesson["by_photos"](0.3, 1, face())
    batch = next(photo for photo in seen if len(photo) > 1)
    assert batch.min() == 0  # noise of a file: cut off
    assert batch.max() == 1


# ---- the incumbents


def test_non_local_means_stands_at_its_best(lesson):
    x = face()
    y = degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(0))
    best = metrics.psnr(lesson["nlm_at_best"](y, x), x)
    for strength in (0.5, 0.8, 1.1):
        assert best >= metrics.psnr(baselines.nlm(y, strength * SIGMA, SIGMA), x)
    assert best > metrics.psnr(y, x) + 2


# ---- what the lesson says of its tables

FILE, RAW = "non-local means", "non-local means, raw"
ON_RAW = ("SURE, raw", "deep image prior, raw")


def gains(method, column, beside=FILE):
    rows = recordings.table("12_rivals")["rows"]
    found = {(row["method"], row["seed"]): row for row in rows}
    return [found[method, k][column] - found[beside, k]["best"] for k in range(3)]


def test_four_are_above_non_local_means_at_their_best_and_two_at_the_end():
    methods = {row["method"] for row in recordings.table("12_rivals")["rows"]}
    methods -= {FILE, RAW, *ON_RAW}
    ahead = {method for method in methods if min(gains(method, "best")) > 0}
    left = {method for method in methods if min(gains(method, "last")) > 0}
    assert left == {"three other photos, long", "self-guided"}
    assert ahead == left | {"SURE", "deep image prior"}
    behind = {method for method in methods if max(gains(method, "best")) < -0.2}
    assert behind == {"zero-shot Noise2Noise", "coordinate network", "deep decoder", "TV"}


def test_sure_leads_on_raw_noise_to_the_end():
    assert min(gains("SURE, raw", "last", RAW)) > 0.8
    assert min(gains("SURE, raw", "best", RAW)) > max(gains("deep image prior, raw", "best", RAW))
    assert min(gains("SURE", "best")) > 0.5
    assert max(gains("SURE", "last")) < 0


def beside(world, method):
    rows = recordings.table("12_worlds")["rows"]
    return [row[method] - row["NLM"] for row in rows if row["world"] == world]


def test_each_breaks_where_its_own_assumption_is_wrong():
    assert max(beside("smooth noise", "pairs") + beside("smooth noise", "SURE")) < -3
    for method in ("prior", "other photos"):
        assert min(beside("smooth noise", method)) > -1.5
    fine = min(beside("as assumed", "other photos"))
    for world in ("σ = 10", "σ = 50"):
        assert max(beside(world, "other photos")) < fine - 0.5
    methods = ("prior", "pairs", "SURE", "other photos")
    first = {name: np.median(beside("as assumed", name)) for name in methods}
    wrong = {name: np.median(beside("2σ believed", name)) for name in methods}
    assert max(first, key=first.get) == "SURE"
    assert min(wrong, key=wrong.get) == "SURE"
    assert min(beside("a page", "prior") + beside("a page", "SURE")) > 0
    both = zip(beside("a page", "other photos"), beside("as assumed", "other photos"), strict=True)
    assert max(page - face for page, face in both) < -0.5


def salted(method, column):
    rows = recordings.table("12_salt")["rows"]
    return [row[column] for row in rows if row["method"] == method]


def test_a_place_for_wrong_pixels_helps_and_to_know_them_helps_more():
    median = max(salted("median, best window", "best"))
    assert max(salted("prior, squared error", "best")) < median - 5
    assert min(salted("prior, absolute error", "best")) > median
    assert max(salted("prior, absolute error", "last")) < median - 10
    place = salted("prior, a place for wrong pixels", "last")
    assert min(place) > median + 1
    assert min(salted("black and white are holes", "last")) > max(place) + 1


# ---- the checks of the exercises notice wrong answers


WRONG = {
    "exercise-waves": (
        "check-waves",
        "down.flatten(), across.flatten()",
        "across.flatten(), down.flatten()",
    ),
    "exercise-outliers": ("check-outliers", "h + rate", "h - rate"),
}


@pytest.mark.parametrize("exercise", WRONG)
def test_the_check_accepts_the_answer_and_no_slip(exercise, capsys):
    cell, right, slip = WRONG[exercise]
    names = lesson_code.answer("12", exercise, SIDE=SIDE, y=face())
    exec(lesson_code.source("12", cell), names)
    said = capsys.readouterr().out
    assert "✓" in said
    assert "✗" not in said
    source = lesson_code.notebooks.answers(lesson_code._read("12"))[exercise]
    assert source.count(right) == 1
    exec(source.replace(right, slip), names)
    exec(lesson_code.source("12", cell), names)
    assert "✗" in capsys.readouterr().out
