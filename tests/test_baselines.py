"""The classical methods: each repairs its damage, is what it says, refuses what it cannot use."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
from scipy.ndimage import gaussian_filter, generic_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, inpaint_biharmonic

from dipcourse import baselines, degrade, images, metrics, priors

SIDE = 48
SIGMA = 25 / 255
#: every method as a function of the damaged picture alone
DENOISERS = {
    "nlm": partial(baselines.nlm, h=0.8 * SIGMA, sigma=SIGMA),
    "nlm, not told": partial(baselines.nlm, h=1.1 * SIGMA),
    "tv": partial(baselines.tv, weight=0.8 * SIGMA),
    "wavelets": partial(baselines.wavelets, threshold=3 * SIGMA),
    "median": partial(baselines.median, size=3),
}
FILLINGS = {"linear": baselines.linear, "biharmonic": baselines.biharmonic}
ENLARGERS = {"nearest": baselines.nearest, "bicubic": baselines.bicubic}


@pytest.fixture(params=[True, False], ids=["grey", "colour"])
def x(request):
    return images.load("face", SIDE, grey=request.param)


def noisy(x, kind="gaussian", sigma=SIGMA, clip=True):
    return degrade.add_noise(x, sigma, kind, torch.Generator().manual_seed(0), clip)


def half():
    return degrade.random_mask(SIDE, SIDE, 0.5, torch.Generator().manual_seed(0))


def array(y):
    """The picture as SciPy and scikit-image want it: (H, W) or (H, W, 3)."""
    return y[0].permute(1, 2, 0).squeeze(2).numpy()


def axis(y):
    return -1 if y.shape[1] == 3 else None


# ---- each repairs its damage


@pytest.mark.parametrize("name", DENOISERS)
def test_a_noisy_photo_gets_better(x, name):
    y = noisy(x, "salt_pepper", 0.1) if name == "median" else noisy(x)
    x_hat = DENOISERS[name](y)
    assert (x_hat.shape, x_hat.dtype) == (x.shape, torch.float32)
    assert metrics.psnr(x_hat, x) > metrics.psnr(y, x) + 3


@pytest.mark.parametrize("name", FILLINGS)
def test_hidden_pixels_are_filled_from_the_known_ones(x, name):
    mask = half()
    filled = FILLINGS[name](degrade.Mask(mask)(x), mask)
    assert filled.shape == x.shape
    assert metrics.psnr(filled, x, 1 - mask) > 22
    assert torch.allclose(filled * mask, x * mask, atol=1e-5)


@pytest.mark.parametrize("name", FILLINGS)
def test_what_stands_behind_the_mask_changes_nothing(x, name):
    mask = half()
    behind = torch.rand(x.shape, generator=torch.Generator().manual_seed(1))
    results = [FILLINGS[name](mask * x + (1 - mask) * b, mask) for b in (0 * x, behind, x)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("name", FILLINGS)
def test_a_ramp_is_filled_exactly_between_known_pixels(name):
    ramp = torch.linspace(0.1, 0.9, SIDE).expand(1, 3, SIDE, SIDE).contiguous()
    filled, inside = FILLINGS[name](ramp, half()), np.s_[..., 4:-4, 4:-4]
    assert torch.allclose(filled[inside], ramp[inside], atol=2e-3)


def test_bicubic_is_nearer_than_nearest_and_sharpening_nearer_still(x):
    y = degrade.Downsample(3)(x)
    blocks, smooth = (enlarge(y, 3) for enlarge in ENLARGERS.values())
    assert blocks.shape == smooth.shape == x.shape
    quality = [metrics.psnr(x_hat, x) for x_hat in (blocks, smooth, baselines.sharpen(smooth, 1))]
    assert quality[0] + 1 < quality[1] < quality[2] - 0.1


# ---- each is what it says


def test_nlm_is_scikit_images_with_patches_of_5_looked_for_6_pixels_away(x):
    y = noisy(x, clip=False)
    for sigma in (0, SIGMA):
        options = {"patch_size": 5, "patch_distance": 6, "fast_mode": False}
        want = denoise_nl_means(array(y), h=0.08, sigma=sigma, channel_axis=axis(y), **options)
        assert np.array_equal(array(baselines.nlm(y, 0.08, sigma)), want)


def test_tv_is_scikit_images(x):
    y = noisy(x, clip=False)
    want = denoise_tv_chambolle(array(y), np.float64(0.1), channel_axis=axis(y))
    assert np.array_equal(array(baselines.tv(y, 0.1)), want)
    for eps, steps in ((1e-5, 500), (1e-5, 7)):
        options = {"eps": eps, "max_num_iter": steps, "channel_axis": axis(y)}
        want = denoise_tv_chambolle(array(y), np.float64(0.1), **options)
        assert np.array_equal(array(baselines.tv(y, 0.1, eps=eps, steps=steps)), want)


def test_tv_minimises_half_of_the_squared_error_plus_its_weight_times_tv():
    y, weight = noisy(images.load("face", SIDE, grey=True), clip=False), 0.1
    x_hat = baselines.tv(y, weight, eps=1e-7, steps=2000)

    def objective(x_hat):
        tv = priors.total_variation(x_hat, eps=1e-6)
        return float(((x_hat - y) ** 2).sum() / 2 + weight * tv)

    others = [y, baselines.tv(y, 0.07), baselines.tv(y, 0.14), 0.99 * x_hat, x_hat + 0.01]
    assert objective(x_hat) < min(map(objective, others))


def test_the_type_of_a_number_changes_nothing(x):
    y = noisy(x)
    for strength in (np.float64(0.1), torch.tensor(0.1, dtype=torch.float64)):
        for method in (baselines.tv, baselines.nlm, baselines.wavelets):
            assert torch.equal(method(y, strength), method(y, 0.1))


def test_wavelets_reject_small_differences_and_keep_large_ones():
    step = torch.zeros(1, 1, 32, 32)
    step[..., 16:] = 1  # in the middle, so that the border is as far away as can be
    y = noisy(step, sigma=0.05, clip=False)
    x_hat = baselines.wavelets(y, 0.2)
    assert metrics.mse(x_hat, step) < 0.1 * metrics.mse(y, step)
    assert torch.allclose(baselines.wavelets(step, 0.2), step, atol=1e-6)


def test_median_is_the_median_of_each_channel(x):
    y = noisy(x, "salt_pepper", 0.1)
    for size in (3, 5):
        found = baselines.median(y, size)
        for channel, filtered in zip(y[0], found[0], strict=True):
            want = generic_filter(channel.numpy(), np.median, size)
            assert np.array_equal(filtered.numpy(), want)


def test_linear_is_scipys_inside_the_outermost_known_pixels_and_the_nearest_beyond(x):
    mask = degrade.random_mask(SIDE, SIDE, 0.05, torch.Generator().manual_seed(0))
    rows, columns = mask[0, 0].nonzero().numpy().T
    known = np.stack([rows, columns], 1)
    grid = np.stack(np.meshgrid(range(SIDE), range(SIDE), indexing="ij"), -1)
    values = array(x)[rows, columns]
    inside = LinearNDInterpolator(known, values)(grid)
    outside = np.isnan(inside)
    assert 0.05 < outside.mean() < 0.5
    want = np.where(outside, NearestNDInterpolator(known, values)(grid), inside)
    assert np.allclose(array(baselines.linear(x, mask)), want, atol=1e-6)


def test_biharmonic_is_scikit_images(x):
    mask = half()
    want = inpaint_biharmonic(array(x), mask[0, 0].numpy() == 0, channel_axis=axis(x))
    assert np.array_equal(array(baselines.biharmonic(x, mask)), want.astype(np.float32))


def test_a_boolean_mask_is_a_mask(x):
    for method in FILLINGS.values():
        assert torch.equal(method(x, half() > 0.5), method(x, half()))


def test_nearest_repeats_every_pixel(x):
    big = baselines.nearest(x, 3)
    for row, column in ((0, 0), (1, 2), (2, 1)):
        assert torch.equal(big[..., row::3, column::3], x)


def test_bicubic_is_keys_cubic_through_four_pixels():
    """Between four pixels, at a quarter of the way and at three, on one line: a = −¾."""
    line = torch.rand(12, generator=torch.Generator().manual_seed(0))
    big = baselines.bicubic(line.expand(1, 1, 12, 12).contiguous(), 2)[0, 0, 10]

    def weight(d, a=-0.75):
        if d < 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * (d**3 - 5 * d**2 + 8 * d - 4)

    for place, share in ((9, 0.25), (10, 0.75)):  # between the pixels 4 and 5
        weights = torch.tensor([weight(abs(n - share)) for n in (-1, 0, 1, 2)])
        assert float(big[place]) == pytest.approx(float((weights * line[3:7]).sum()), abs=1e-5)


def test_sharpen_is_the_difference_to_scipys_gaussian(x):
    blurred = gaussian_filter(array(x), 1.0, mode="nearest", truncate=3, axes=(0, 1))
    want = array(x) + 1.5 * (array(x) - blurred)
    assert np.allclose(array(baselines.sharpen(x, 1.5)), want, atol=1e-5)
    assert torch.equal(baselines.sharpen(x, 0), x)


# ---- best_of


def test_best_of_takes_the_setting_that_is_best_for_the_reference(x):
    y, weights = noisy(x), np.arange(0.02, 0.3, 0.04)
    found = baselines.best_of(baselines.tv, y, weights, x)
    quality = [metrics.psnr(baselines.tv(y, w), x) for w in weights]
    assert 0 < np.argmax(quality) < len(weights) - 1
    assert torch.equal(found, baselines.tv(y, weights[np.argmax(quality)]))
    other = baselines.best_of(baselines.tv, y, weights, reference=y)
    assert torch.equal(other, baselines.tv(y, weights[0]))  # nearest to the noise: the weakest


def test_best_of_takes_the_first_of_equal_ones():
    x = torch.full((1, 1, 8, 8), 0.5)
    found = baselines.best_of(torch.add, x, (0.25, -0.25, 0.5), x)
    assert torch.equal(found, x + 0.25)


def test_best_of_is_named_an_oracle():
    assert "ORACLE" in baselines.best_of.__doc__.splitlines()[0]


def test_best_of_takes_any_setting_however_bad_and_needs_one():
    x = torch.full((1, 1, 8, 8), 0.5)
    assert torch.equal(baselines.best_of(torch.add, x, iter([0.5]), x), x + 0.5)
    with pytest.raises(ValueError, match="settings is empty"):
        baselines.best_of(torch.add, x, [], x)
    with pytest.raises(ValueError, match="the estimate"):
        baselines.best_of(lambda y, s: s, x, [1], x)


# ---- what is refused


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((8, 8)), "y is a ndarray"),
        (torch.zeros(3, 16, 16), "y has shape"),
        (torch.full((1, 1, 16, 16), torch.nan), "NaN"),
        (255 * torch.rand(1, 3, 16, 16), "divide grey levels by 255"),
    ],
)
def test_what_is_no_picture_is_refused(name, y, message):
    with pytest.raises(ValueError, match=message):
        DENOISERS[name](y)


@pytest.mark.parametrize("name", FILLINGS)
def test_what_is_no_mask_of_this_picture_is_refused(x, name):
    method = FILLINGS[name]
    with pytest.raises(ValueError, match="only 0"):
        method(x, 0.5 * half())
    with pytest.raises(ValueError, match="make the mask for this picture"):
        method(x, half()[..., 1:])
    with pytest.raises(ValueError, match="hides every pixel"):
        method(x, 0 * half())
    with pytest.raises(ValueError, match="y is a ndarray"):
        method(array(x), half())


def test_known_pixels_on_one_line_are_too_few_for_linear(x):
    line = torch.zeros(1, 1, SIDE, SIDE)
    line[..., 3, 5:20] = 1
    with pytest.raises(ValueError, match="all on one line"):
        baselines.linear(x, line)
    line[..., 9, 9] = 1
    assert baselines.linear(x, line).shape == x.shape


Y = torch.full((1, 1, 16, 16), 0.5)
REFUSED = {
    "nlm without strength": (baselines.nlm, {"h": 0}, "h=0: use a positive number"),
    "nlm in grey levels": (baselines.nlm, {"h": 20}, "h=20: .* 25 grey levels are 25/255"),
    "nlm, sigma in grey levels": (baselines.nlm, {"h": 0.1, "sigma": 25}, "sigma=25"),
    "nlm, negative sigma": (baselines.nlm, {"h": 0.1, "sigma": -0.1}, "sigma=-0.1"),
    "tv without weight": (baselines.tv, {"weight": 0}, "weight=0: use a positive number"),
    "tv, no number": (baselines.tv, {"weight": "0.1"}, "weight='0.1'"),
    "tv, several numbers": (baselines.tv, {"weight": np.ones(2)}, "weight="),
    "tv, eps": (baselines.tv, {"weight": 0.1, "eps": 0}, "eps=0"),
    "tv, steps": (baselines.tv, {"weight": 0.1, "steps": 0.5}, "steps=0.5"),
    "wavelets": (baselines.wavelets, {"threshold": -1}, "threshold=-1: use a number of at least 0"),
    "wavelets, NaN": (baselines.wavelets, {"threshold": float("nan")}, "threshold=nan"),
    "median, even": (baselines.median, {"size": 4}, "size=4: use an odd number"),
    "median, one": (baselines.median, {"size": 1}, "size=1"),
    "nearest": (baselines.nearest, {"factor": 1}, "factor=1"),
    "bicubic": (baselines.bicubic, {"factor": 2.5}, "factor=2.5"),
    "sharpen": (baselines.sharpen, {"amount": -1}, "amount=-1: use a number of at least 0"),
    "sharpen, infinite": (baselines.sharpen, {"amount": float("inf")}, "amount=inf"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_make_no_sense_are_refused(case):
    method, settings, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        method(Y, **settings)


@pytest.mark.parametrize("name", ENLARGERS)
def test_only_pictures_are_enlarged(name):
    with pytest.raises(ValueError, match="y has shape"):
        ENLARGERS[name](torch.rand(3, 8, 8), 2)
    with pytest.raises(ValueError, match="x has shape"):
        baselines.sharpen(torch.rand(3, 8, 8), 1)
