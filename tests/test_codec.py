import numpy as np
import pytest
import torch
from PIL import ImageFile

from dipcourse.images import codec


def noisy(channels, sigma, size=(96, 90)):
    """A smooth ramp with noise, and the noise's power in squared grey levels."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(60, 190, size[1]).expand(channels, *size)
    noise = sigma * torch.randn(channels, *size, generator=generator)
    frame = (ramp + noise).clamp(0, 255).round()
    return frame.to(torch.uint8), ((frame - ramp) ** 2).mean().item()


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_decoded_has_the_shape_and_nearly_the_values(channels):
    frame, power = noisy(channels, 25)
    again = codec.decoded(codec.to_even_jpeg(frame))
    assert again.shape == frame.shape
    assert again.dtype == torch.uint8
    assert again.is_contiguous()
    assert ((again.float() - frame.float()) ** 2).mean() < 0.03 * power


def test_the_rounding_is_the_same_for_all_frequencies():
    """White noise stays white: its error is as large in high as in low frequencies."""
    frame, _ = noisy(1, 40)
    error = (codec.decoded(codec.to_even_jpeg(frame)).float() - frame.float())[0]
    power = torch.fft.fftshift(torch.fft.fft2(error)).abs() ** 2
    inside = power[24:72, 22:67].mean()
    outside = (power.sum() - power[24:72, 22:67].sum()) / (power.numel() - 48 * 45)
    assert 0.8 < inside / outside < 1.25


def test_finer_rounding_gives_smaller_errors_and_larger_files():
    frame, _ = noisy(3, 25)
    texts = [codec.to_even_jpeg(frame, rounding) for rounding in (1, 2, 4, 8)]
    errors = [((codec.decoded(t).float() - frame.float()) ** 2).mean().item() for t in texts]
    assert sorted(errors) == errors
    assert sorted(map(len, texts), reverse=True) == list(map(len, texts))


def test_pure_noise_is_coded_too(capfd):
    """Pillow's own buffer is too small for it."""
    generator = np.random.default_rng(0)
    frame = torch.from_numpy(generator.integers(256, size=(3, 320, 320), dtype=np.uint8))
    assert codec.decoded(codec.to_even_jpeg(frame, 1)).shape == frame.shape
    assert capfd.readouterr().err == ""


def test_a_large_jpeg_leaves_no_trace_in_later_pngs(monkeypatch):
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 65536)  # as in a fresh process
    frame, _ = noisy(3, 60, (256, 256))
    before = codec.to_png(frame)
    codec.to_even_jpeg(noisy(3, 60, (512, 512))[0], 1)
    assert codec.to_png(frame) == before
