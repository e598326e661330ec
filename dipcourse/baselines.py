"""The classical methods that a network is compared with, one function each, and ``best_of``.

All take and return pictures, tensors (1, C, H, W) in [0, 1]; values outside are not clipped. None
is trained, none sees the clean picture but ``best_of``. What needs a fit (a TV prior on pixels
behind an operator) is no matter of this room: lessons 01, 05 and 06 build it with ``fit``.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from scipy.interpolate import griddata
from scipy.ndimage import median_filter
from scipy.spatial import QhullError
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, inpaint_biharmonic
from torch.nn import functional as F

from dipcourse import degrade, images, metrics
from dipcourse._numbers import as_float, whole

STRONGEST = 4  # more is never needed in [0, 1] units: such a number counts grey levels


def best_of(
    method: Callable[[torch.Tensor, float], torch.Tensor],
    y: torch.Tensor,
    settings: Iterable[float],
    reference: torch.Tensor,
) -> torch.Tensor:
    """The best picture that a method makes of y. An ORACLE: the clean picture chooses the setting.

    So a baseline stands as strong as it can be: nobody who has only y could choose better.

    Args:
        method: function of y and one setting that returns a picture (1, C, H, W), such as ``tv``.
        y: tensor (1, C, H, W), the measurement.
        settings: the numbers to try, at least one.
        reference: tensor (1, C, H, W), the clean picture.

    Returns:
        Tensor (1, C, H, W): of the pictures, that of the highest PSNR; the first of equal ones.

    Raises:
        ValueError: no settings; a result or the reference is no picture, or their sizes differ.

    Built in lesson 00.

    >>> x = torch.full((1, 1, 16, 16), 0.5)
    >>> y = degrade.add_noise(x, 0.1)
    >>> x_hat = best_of(tv, y, [0.001, 1.0], reference=x)  # hardly any smoothing, and very much
    >>> torch.equal(x_hat, tv(y, 1.0))
    True
    """
    best, highest = None, -np.inf
    for setting in settings:
        x_hat = method(y, setting)
        psnr = metrics.psnr(x_hat, reference)
        if best is None or psnr > highest:
            best, highest = x_hat, psnr
    if best is None:
        raise ValueError("settings is empty: give at least one number to try")
    return best


# ---- noise


def nlm(y: torch.Tensor, h: float, sigma: float = 0.0) -> torch.Tensor:
    """Non-local means: every pixel becomes a mean of those around which it looks alike.

    Patches of 5 × 5 pixels are compared, up to 6 pixels to each side.

    Args:
        y: tensor (1, C, H, W), the noisy picture.
        h: the strength: how different patches may be, in [0, 1] units; 0.6 to 1 times the noise
            is a good start when sigma is told, 0.8 to 1.3 times when it is not.
        sigma: standard deviation of the noise, in [0, 1] units, if it is known; 0: not told.

    Returns:
        Tensor (1, C, H, W).

    Raises:
        ValueError: y is no picture; h is not positive, or one of them is in grey levels.

    Source: Buades, Coll, Morel, CVPR 2005, with the correction for a known sigma of Buades et al.,
    IPOL 2011, as in scikit-image.
    Built in lesson 00 (used).

    >>> nlm(torch.rand(1, 3, 16, 16), h=0.1, sigma=0.1).shape
    torch.Size([1, 3, 16, 16])
    """
    array = _array(y)
    h, sigma = _in_units("h", h), _in_units("sigma", sigma, zero=True)
    smooth = denoise_nl_means(array, 5, 6, h, sigma=sigma, fast_mode=False, channel_axis=-1)
    return images.from_numpy(smooth).to(y)


def tv(y: torch.Tensor, weight: float, eps: float = 2e-4, steps: int = 200) -> torch.Tensor:
    """Total variation denoising by Chambolle's algorithm, each channel by itself.

    It minimises ‖x̂ − y‖²/2 + weight · TV(x̂), as lesson 01 does by gradient descent
    on the pixels; its weight is half of that lesson's λ.

    Args:
        y: tensor (1, C, H, W), the noisy picture.
        weight: of the total variation, in [0, 1] units; 0.4 to 1.4 times the noise is a good start.
        eps: stop when a step changes the sum by less than this share of its first value.
        steps: the most steps.

    Returns:
        Tensor (1, C, H, W).

    Raises:
        ValueError: y is no picture; weight or eps is not positive, or weight is in grey levels;
            steps is no whole number of at least 1.

    Source: Rudin, Osher, Fatemi, Physica D 1992; Chambolle, J. Math. Imaging and Vision 2004, as in
    scikit-image.
    Built in lesson 00 (used).

    >>> tv(torch.rand(1, 3, 16, 16), weight=0.1).shape
    torch.Size([1, 3, 16, 16])
    """
    array, weight, steps = _array(y), _in_units("weight", weight), whole("steps", steps, 1)
    if not 0 < as_float(eps) < 1:
        raise ValueError(f"eps={eps!r}: use a small positive number such as 2e-4")
    flat = denoise_tv_chambolle(array, weight, eps, max_num_iter=steps, channel_axis=-1)
    return images.from_numpy(flat).to(y)


def wavelets(y: torch.Tensor, threshold: float) -> torch.Tensor:
    """Set small wavelet coefficients to 0: Haar wavelets at every position, on four scales.

    A colour picture is first written as grey, red–blue and green–magenta. At its border it goes on
    at the other side.

    Args:
        y: tensor (1, C, H, W), the noisy picture.
        threshold: coefficients below it become 0, in [0, 1] units; 2 to 4.5 times the noise is a
            good start, 0 gives y back.

    Returns:
        Tensor (1, C, H, W).

    Raises:
        ValueError: y is no picture; threshold is negative or in grey levels.

    Source: Donoho, Johnstone, Biometrika 1994 (the threshold); Coifman, Donoho, Translation-
    invariant de-noising, 1995 (every position).
    Built in lesson 04.

    >>> y = torch.rand(1, 3, 16, 16)
    >>> torch.allclose(wavelets(y, threshold=0), y, atol=1e-5)
    True
    """
    images.require(y, "y")
    threshold = _in_units("threshold", threshold, zero=True)
    channels = y.shape[1]
    colours = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])[:channels, :channels]
    basis = (colours / colours.norm(dim=1, keepdim=True)).to(y)
    coded = torch.einsum("ij,bjhw->bihw", basis, y)
    return torch.einsum("ij,bihw->bjhw", basis, _shrunk(coded, threshold))


def _shrunk(a: torch.Tensor, threshold: float, levels: int = 4, s: int = 1) -> torch.Tensor:
    """The picture without its small differences, those of pixels s apart and of coarser scales."""
    if levels == 0:
        return a
    up, down = _split(a, 2, s)
    coarse, across = _split(up, 3, s)
    along, crossed = _split(down, 3, s)
    across, along, crossed = (d * (d.abs() > threshold / 2) for d in (across, along, crossed))
    coarse = _shrunk(coarse, threshold / 2, levels - 1, 2 * s)  # means of 4: half the noise
    return _join(_join(coarse, across, 3, s), _join(along, crossed, 3, s), 2, s)


def _split(a: torch.Tensor, axis: int, s: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and difference of pixels that are s apart."""
    b = a.roll(-s, axis)
    return (a + b) / 2, (a - b) / 2


def _join(mean: torch.Tensor, difference: torch.Tensor, axis: int, s: int) -> torch.Tensor:
    """What was split: each pixel is in two pairs, and their mean is taken."""
    return (mean + mean.roll(s, axis) + difference - difference.roll(s, axis)) / 2


def median(y: torch.Tensor, size: int) -> torch.Tensor:
    """Every value becomes the median of the size × size values around it, in its channel.

    Args:
        y: tensor (1, C, H, W), a picture with single wrong pixels, such as salt and pepper.
        size: side of the square in pixels, odd, at least 3.

    Returns:
        Tensor (1, C, H, W).

    Raises:
        ValueError: y is no picture; size is even, or no whole number of at least 3.

    Source: Tukey, Exploratory Data Analysis, 1977, as in SciPy.
    Built in lesson 04 (used).

    >>> y = torch.zeros(1, 1, 8, 8)
    >>> y[..., 3, 3] = 1  # a white speck
    >>> median(y, size=3).max()
    tensor(0.)
    """
    array, size = _array(y), whole("size", size, 3)
    if size % 2 == 0:
        raise ValueError(f"size={size}: use an odd number, so that a pixel is in the middle")
    return images.from_numpy(median_filter(array, (size, size, 1))).to(y)


# ---- hidden pixels


def linear(y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Linear interpolation between known pixels; beyond the outermost ones, the nearest.

    Args:
        y: tensor (1, C, H, W); what it holds at hidden pixels does not matter.
        mask: tensor (1, 1, H, W) of ones (known) and zeros (hidden).

    Returns:
        Tensor (1, C, H, W).

    Raises:
        ValueError: y is no picture, mask no mask or of another size; all known pixels are on one
            line.

    Source: linear on the triangles of Delaunay, 1934, between known pixels, as in SciPy.
    Built in lesson 01 (used).

    >>> y, mask = torch.rand(1, 3, 16, 16), degrade.random_mask(16, 16, keep=0.5)
    >>> linear(y, mask).shape
    torch.Size([1, 3, 16, 16])
    """
    array, known = _array(y), _known(y, mask)
    places = np.argwhere(known)  # (known pixels, 2): row and column
    colours = array[known]  # (known pixels, C)
    everywhere = np.argwhere(np.ones_like(known))  # (H·W, 2)
    try:
        inside = griddata(places, colours, everywhere, "linear")  # NaN beyond the outermost
    except QhullError:
        raise ValueError(
            "the known pixels are all on one line: a triangle of them is needed to interpolate"
        ) from None
    nearest = griddata(places, colours, everywhere, "nearest")
    filled = np.where(np.isnan(inside), nearest, inside)
    return images.from_numpy(filled.reshape(array.shape)).to(y)


def biharmonic(y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The smoothest surface through the known pixels: its bending is as small as can be.

    Args:
        y: tensor (1, C, H, W); what it holds at hidden pixels does not matter.
        mask: tensor (1, 1, H, W) of ones (known) and zeros (hidden).

    Returns:
        Tensor (1, C, H, W), in the range of the known values.

    Raises:
        ValueError: y is no picture, mask no mask or of another size.

    Source: Damelin, Hoang, On surface completion and image inpainting by biharmonic functions, Int.
    J. Mathematics and Mathematical Sciences 2018, as in scikit-image.
    Built in lesson 04 (used).

    >>> y, mask = torch.rand(1, 3, 16, 16), degrade.random_mask(16, 16, keep=0.5)
    >>> biharmonic(y, mask).shape
    torch.Size([1, 3, 16, 16])
    """
    hidden = ~_known(y, mask)
    return images.from_numpy(inpaint_biharmonic(_array(y), hidden, channel_axis=-1)).to(y)


# ---- few pixels


def nearest(y: torch.Tensor, factor: int) -> torch.Tensor:
    """Enlarge by repeating every pixel factor × factor times.

    Args:
        y: tensor (1, C, H, W), the small picture.
        factor: whole number ≥ 2.

    Returns:
        Tensor (1, C, factor·H, factor·W).

    Raises:
        ValueError: y is no picture, or factor no whole number ≥ 2.

    Built in lesson 01 (used).

    >>> nearest(torch.rand(1, 3, 8, 9), factor=4).shape
    torch.Size([1, 3, 32, 36])
    """
    return F.interpolate(images.require(y, "y"), scale_factor=whole("factor", factor, 2))


def bicubic(y: torch.Tensor, factor: int) -> torch.Tensor:
    """Enlarge by a smooth surface: cubic along rows and columns, through 4 × 4 pixels at a time.

    Args:
        y: tensor (1, C, H, W), the small picture.
        factor: whole number ≥ 2.

    Returns:
        Tensor (1, C, factor·H, factor·W); it may overshoot [0, 1] a little.

    Raises:
        ValueError: y is no picture, or factor no whole number ≥ 2.

    Source: Keys, IEEE Trans. Acoustics, Speech, and Signal Processing 1981; as in PyTorch, a = −¾.
    Built in lesson 01 (used).

    >>> bicubic(torch.rand(1, 3, 8, 9), factor=4).shape
    torch.Size([1, 3, 32, 36])
    """
    factor = whole("factor", factor, 2)
    return F.interpolate(images.require(y, "y"), scale_factor=factor, mode="bicubic")


def sharpen(x: torch.Tensor, amount: float) -> torch.Tensor:
    """Unsharp masking: add the difference to a blurred copy (Gaussian, 1 pixel) once more.

    Args:
        x: tensor (1, C, H, W), a blurred picture, such as an enlarged one.
        amount: how many times the difference is added; 0.5 to 2 is usual.

    Returns:
        Tensor (1, C, H, W); it may overshoot [0, 1].

    Raises:
        ValueError: x is no picture, or amount is negative or no number.

    Built in lesson 06 (used).

    >>> sharpen(torch.rand(1, 3, 16, 16), amount=1).shape
    torch.Size([1, 3, 16, 16])
    """
    images.require(x)
    if not 0 <= as_float(amount) < np.inf:
        raise ValueError(f"amount={amount!r}: use a number of at least 0, such as 1")
    blur = degrade.Blur(1.0).to(x.device)
    return x + amount * (x - blur(x))


# ---- what they share


def _array(y: torch.Tensor) -> np.ndarray:
    """The picture y as an array (H, W, C), not clipped: noise below 0 and above 1 is kept."""
    return images.require(y, "y")[0].detach().float().cpu().permute(1, 2, 0).numpy()


def _known(y: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    """Where y is known, an array (H, W) of booleans."""
    degrade.Mask(mask)(images.require(y, "y"))  # raises if their sizes differ
    return degrade.require_mask(mask)[0, 0].bool().cpu().numpy()


def _in_units(name: str, value: float, zero: bool = False) -> np.float64:
    """A number in the units of a picture, always in double precision.

    scikit-image would compute with less for a Python float, and give another last digit.
    """
    number = as_float(value)
    if not (0 < number <= STRONGEST or (zero and number == 0)):
        kind = "a number of at least 0" if zero else "a positive number"
        raise ValueError(
            f"{name}={value!r}: use {kind}, in [0, 1] units; 25 grey levels are 25/255"
        )
    return np.float64(number)
