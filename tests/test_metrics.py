import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dipcourse import degrade, images, metrics


def noisy(sigma=0.1):
    x = images.load("face", 48)
    return x, degrade.add_noise(x, sigma, generator=torch.Generator().manual_seed(0))


def test_psnr_and_ssim_are_scikit_images():
    x, y = noisy()
    a, b = images.to_numpy(y), images.to_numpy(x)
    assert metrics.psnr(y, x) == pytest.approx(
        peak_signal_noise_ratio(b, a, data_range=1), abs=1e-3
    )
    want = structural_similarity(
        a,
        b,
        channel_axis=2,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert metrics.ssim(y, x) == pytest.approx(float(want), abs=1e-6)
    assert metrics.ssim(x, x) == pytest.approx(1)


@given(st.floats(0.01, 0.9))
def test_psnr_of_a_constant_error(error):
    zero = torch.zeros(1, 1, 8, 8)
    assert metrics.psnr(zero + error, zero) == pytest.approx(-20 * np.log10(error), abs=1e-3)


def test_psnr_clips_the_estimate_only():
    one = torch.ones(1, 1, 8, 8)
    assert metrics.psnr(one * 3, one) == float("inf")
    assert metrics.psnr(one, one * 3) < 0


def test_differences_and_overshoots_are_measured():
    x, y = noisy()
    assert metrics.mse(y - x, torch.zeros_like(x)) == pytest.approx(metrics.mse(y, x))
    over = 8 * (x - 0.5) + 0.5
    assert metrics.psnr(over, x) == metrics.psnr(over.clamp(0, 1), x)


def test_a_mask_leaves_only_its_pixels():
    a, b = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    a[:, :, :4] = 0.1
    mask = torch.zeros(1, 1, 8, 8)
    mask[:, :, :4] = 1
    assert metrics.psnr(a, b, mask) == pytest.approx(20, abs=1e-3)
    assert metrics.psnr(a, b, 1 - mask) == float("inf")
    assert metrics.mse(a, b) == pytest.approx(0.005)


def test_ssim_over_a_mask_is_the_mean_of_its_map_there():
    x, y = noisy()
    y[..., 24:] = x[..., 24:]
    mask = torch.zeros(1, 1, 48, 48)
    mask[..., 31:] = 1  # more than 5 pixels from what is wrong, up to the border
    assert metrics.ssim(y, x, mask) == pytest.approx(1)
    assert metrics.ssim(y, x, torch.ones_like(mask)) == pytest.approx(metrics.ssim(y, x), abs=1e-6)
    mask[..., 31:] = 0
    mask[..., 10, 12] = 1
    window = slice(5, 16), slice(7, 18)
    a, b = y[:, :, *window], x[:, :, *window]
    assert metrics.ssim(y, x, mask) == pytest.approx(metrics.ssim(a, b), abs=1e-5)
    grey = y[:, :1], x[:, :1]
    assert metrics.ssim(*grey, torch.ones_like(mask)) == pytest.approx(metrics.ssim(*grey))


def test_bands_are_explained_one_by_one():
    x = torch.rand(1, 3, 33, 40, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(metrics.explained_energy(x, x), torch.ones(5))
    assert torch.allclose(metrics.explained_energy(torch.zeros_like(x), x), torch.zeros(5))
    # a wave of 3 periods on 32 pixels has frequency 3/32: ring ceil(3/16 · 5) = 1
    places = torch.arange(32)
    wave = torch.cos(2 * torch.pi * 3 / 32 * places).expand(1, 1, 32, 32)
    x = torch.rand(1, 1, 32, 32)
    change = metrics.explained_energy(x + wave, x) - 1
    assert change[0] < -1e-3
    assert torch.allclose(change[1:], torch.zeros(4), atol=1e-5)


def test_half_plane_counts_like_the_whole():
    torch.manual_seed(0)
    x, y = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    rows, columns = torch.meshgrid(*[torch.fft.fftfreq(16)] * 2, indexing="ij")
    ring = ((rows**2 + columns**2).sqrt() * 10).ceil().clamp(max=5).long() - 1
    wrong, target = torch.fft.fft2(y - x)[0, 0].abs() ** 2, torch.fft.fft2(x)[0, 0].abs() ** 2
    want = torch.stack([1 - wrong[ring == b].sum() / target[ring == b].sum() for b in range(5)])
    assert torch.allclose(metrics.explained_energy(y, x), want, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x: metrics.psnr(x, x[:, :, 1:]), "one size"),
        (lambda x: metrics.psnr(x, x, torch.ones(1, 1, 4, 4)), r"\(1, 1, 16, 16\)"),
        (lambda x: metrics.psnr(x, x, torch.zeros(1, 1, 16, 16)), "no pixel"),
        (lambda x: metrics.psnr(x * float("nan"), x), "the estimate has 256 values"),
        (lambda x: metrics.psnr(255 * x, 255 * x), "the estimate has values from .* by 255"),
        (lambda x: metrics.mse(x, 255 * x), "the reference has values from"),
        (lambda x: metrics.psnr(x, x, 0.5 * torch.ones(1, 1, 16, 16)), r"mask > 0\.5"),
        (lambda x: metrics.psnr(x, x, np.ones((1, 1, 16, 16))), "the mask is a ndarray"),
        (lambda x: metrics.ssim(x[:, :, :8], x[:, :, :8]), "11 × 11"),
        (lambda x: metrics.ssim(x, x, torch.ones(1, 1, 4, 4)), r"\(1, 1, 16, 16\)"),
        (lambda x: metrics.ssim(x, x, torch.zeros(1, 1, 16, 16)), "no pixel"),
        (
            lambda x: metrics.ssim(x, x, torch.eye(16)[None, None] * (torch.arange(16) < 3)),
            "border",
        ),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong(torch.rand(1, 1, 16, 16))
