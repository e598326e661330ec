"""How good is a restored picture? Every function here needs the clean image.

All work in the units of [0, 1], and refuse pictures in grey levels (see ``images.far_outside``).
"""

import torch
from skimage.metrics import structural_similarity

from dipcourse import images


def mse(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    """Mean squared error.

    Args:
        a: tensor (1, C, H, W), the estimate, or a difference of pictures.
        b: tensor (1, C, H, W), the reference.
        mask: tensor (1, 1, H, W) of zeros and ones; only pixels with a one count. None: all.

    Returns:
        A float, in squared units of [0, 1].

    Raises:
        ValueError: sizes differ, values are NaN or far outside [0, 1], or the mask is empty or
            no mask of zeros and ones.

    Built in lesson 00.

    >>> mse(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5))
    0.25
    """
    images.require(a, "the estimate")
    images.require(b, "the reference")
    if a.shape != b.shape:
        raise ValueError(
            f"the estimate has shape {tuple(a.shape)}, the reference {tuple(b.shape)}: "
            "compare pictures of one size"
        )
    error = (a.detach().cpu().double() - b.detach().cpu().double()) ** 2  # (1, C, H, W)
    if mask is None:
        return error.mean().item()
    weight = _weight(mask, (1, 1, *a.shape[2:]))  # (1, 1, H, W)
    return ((weight * error).sum() / (weight.sum() * a.shape[1])).item()


def _weight(mask: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The mask as numbers on the CPU, if it is one of that shape."""
    if not isinstance(mask, torch.Tensor):
        raise ValueError(f"the mask is a {type(mask).__name__}: give a tensor of shape {shape}")
    if mask.shape != shape:
        raise ValueError(f"the mask has shape {tuple(mask.shape)}, needed is {shape}")
    weight = mask.detach().cpu().double()
    if not weight.any():
        raise ValueError("the mask selects no pixel: it needs at least one 1")
    if not ((weight == 0) | (weight == 1)).all():
        raise ValueError("the mask holds other values than 0 and 1: use (mask > 0.5)")
    return weight


def psnr(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    """Peak signal-to-noise ratio of clip(a, 0, 1) against b, peak 1, all channels together.

    Args:
        a: tensor (1, C, H, W), the estimate.
        b: tensor (1, C, H, W), the reference, in [0, 1].
        mask: tensor (1, 1, H, W); only pixels with a one count. None: all.

    Returns:
        A float, in dB; infinite if the two are equal.

    Raises:
        ValueError: as for ``mse``.

    Built in lesson 00.

    >>> psnr(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.1))
    20.0
    """
    error = mse(images.require(a, "the estimate").clamp(0, 1), b, mask)
    return round(-10 * torch.tensor(error, dtype=torch.float64).log10().item(), 4)


def ssim(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    """Structural similarity of clip(a, 0, 1) and b: Gaussian weights, σ = 1.5 pixels, range 1.

    Args:
        a: tensor (1, C, H, W), the estimate.
        b: tensor (1, C, H, W), the reference, in [0, 1].
        mask: tensor (1, 1, H, W); only windows centred on a one count. None: all. Without and
            with a mask, the 5 pixels at the border are no centre of a window.

    Returns:
        A float, 1 for equal pictures.

    Raises:
        ValueError: as for ``mse``; smaller than 11 pixels; ones only at the border.

    Source: Wang et al., IEEE Trans. Image Processing 2004, as in scikit-image.
    Built in lesson 00.

    >>> x = torch.rand(1, 1, 16, 16)
    >>> ssim(x, x)
    1.0
    """
    mse(a, b, mask)  # the same demands on shapes and values
    if min(a.shape[2:]) < 11:
        raise ValueError(f"{a.shape[2]} × {a.shape[3]} pixels: SSIM needs at least 11 × 11")
    mean, local = structural_similarity(  # a float, and (H, W, 3) or (H, W)
        images.to_numpy(a),  # (H, W, 3) or (H, W)
        images.to_numpy(b),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=2 if a.shape[1] == 3 else None,
        full=True,
    )
    if mask is None:
        return float(mean)
    inside = mask[0, 0, 5:-5, 5:-5].detach().cpu().numpy() > 0  # (H−10, W−10)
    if not inside.any():
        raise ValueError("the mask has ones only within 5 pixels of the border: SSIM sees none")
    chosen = local[5:-5, 5:-5][inside]  # (known pixels, 3) or (known pixels,)
    return float(chosen.mean(dtype=float))


def explained_energy(x_hat: torch.Tensor, x: torch.Tensor, bands: int = 5) -> torch.Tensor:
    """How much of each frequency band of x is in x_hat: 1 − |F(x̂) − F(x)|² / |F(x)|².

    Args:
        x_hat: tensor (1, C, H, W), the estimate.
        x: tensor (1, C, H, W), the picture it is compared with.
        bands: number of rings of equal width between frequency 0 and the Nyquist frequency
            of the axes; corners belong to the last ring, the mean value to none.

    Returns:
        Tensor (bands,), low frequencies first: 1 where the band is reproduced, 0 for a band that
        is missing, negative where it is wrong.

    Raises:
        ValueError: sizes differ.

    Source: after Shi et al., IJCV 2022, with phases (the published ratio ignores them).
    Built in lesson 03.

    >>> x = torch.rand(1, 1, 16, 16)
    >>> explained_energy(x, x)
    tensor([1., 1., 1., 1., 1.])
    """
    mse(x_hat, x)  # the same demands on shapes and values
    height, width = x.shape[2:]
    rows = torch.fft.fftfreq(height)[:, None]  # (H, 1)
    columns = torch.fft.rfftfreq(width)[None]  # (1, W//2 + 1)
    radius = (rows**2 + columns**2).sqrt() / 0.5  # (H, W//2 + 1), 1 at the Nyquist frequency
    ring = (radius * bands).ceil().clamp(max=bands).long() - 1  # (H, W//2 + 1), −1 for the mean
    target = torch.fft.rfft2(x.detach().float().cpu())  # (1, C, H, W//2 + 1)
    wrong = torch.fft.rfft2(x_hat.detach().float().cpu()) - target  # (1, C, H, W//2 + 1)
    times = _times(width)

    def energy(spectrum: torch.Tensor) -> torch.Tensor:
        power = (spectrum.abs() ** 2).sum((0, 1)) * times  # (H, W//2 + 1)
        return torch.stack([power[ring == band].sum() for band in range(bands)])  # (bands,)

    return 1 - energy(wrong) / energy(target).clamp_min(1e-12)  # (bands,)


def _times(width: int) -> torch.Tensor:
    """How often each column of rfft2 counts: it leaves out one half of the plane, with as much."""
    times = torch.full((1, width // 2 + 1), 2.0)  # (1, W//2 + 1)
    times[:, 0] = 1
    if width % 2 == 0:
        times[:, -1] = 1
    return times
