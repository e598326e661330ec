"""Pictures in and out: the only room that knows Pillow, NumPy layouts and 8-bit values.

Everywhere else a picture is a tensor of shape (1, C, H, W), float32, values in [0, 1].

    files       which file a name means, and reading it
    codec       levels as the bytes of PNG and JPEG files, and back
    lettering   lines of text as a page of black and white pixels

May not enter: anything that knows a network, a fit or a figure.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from dipcourse._numbers import whole
from dipcourse.images import files
from dipcourse.images.files import PHOTOS, folder

__all__ = [
    "PHOTOS",
    "crop",
    "far_outside",
    "folder",
    "from_levels",
    "from_numpy",
    "levels",
    "load",
    "require",
    "to_numpy",
]

SMALLEST = 8  # pixels of a side
FAR = 4  # values of this size are no picture in [0, 1]


def load(
    name_or_path: str | Path, size: int | None = None, grey: bool | None = None
) -> torch.Tensor:
    """Load a photograph of the course by name, or any picture file by path.

    A picture of more than 25 megapixels is loaded at a half, a quarter … of its width and height,
    so that 25 megapixels or fewer are left: each pixel is then the mean of a small square.

    Args:
        name_or_path: a key of ``images.PHOTOS`` such as "astronaut", or a path. Any format that
            Pillow reads: colour, grey, palette, 16-bit, with transparency (put on white), with
            an EXIF rotation (applied; the rest of the EXIF data is dropped).
        size: side in pixels, at most 5000. The largest centred square is cut out and resized to
            (size, size). None keeps the picture as it is, or prints that it is loaded smaller.
        grey: True for one channel, False for three, None for what the file has.

    Returns:
        Tensor (1, C, H, W), float32 in [0, 1].

    Raises:
        FileNotFoundError: there is no such name and no such file.
        ValueError: no path, not a picture, a damaged file, more than 300 megapixels, values that
            are not finite, floats outside [0, 1], 32-bit integers (where is white?), or smaller
            than 8 pixels.

    Source: astronaut, chelsea, … come with scikit-image (images/CREDITS.md).
    Built in lesson 00.

    >>> load("astronaut", size=64).shape
    torch.Size([1, 3, 64, 64])
    """
    path = files.find(name_or_path)
    if size is not None:
        size = whole("size", size, SMALLEST, int(files.LARGEST**0.5), unit=" pixels")
    x = from_numpy(files.read(path, size))
    if size is not None and x.shape[2] != size:
        x = F.interpolate(x, (size, size), mode="bicubic", antialias=True)  # (1, C, size, size)
        x = x.clamp(0, 1)
    if grey is True and x.shape[1] == 3:
        weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        x = (x * weights).sum(1, keepdim=True)  # (1, 1, H, W)
    if grey is False and x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1).contiguous()  # (1, 3, H, W)
    return require(x, f"the picture {name_or_path}")


def from_numpy(array: np.ndarray) -> torch.Tensor:
    """Turn an array of shape (H, W), (H, W, 1) or (H, W, 3) into a tensor (1, C, H, W).

    Args:
        array: booleans, uint8 (0–255), uint16 (0–65535) or floats (kept as they are: divide
            grey levels by 255 yourself).

    Returns:
        Tensor (1, C, H, W), float32.

    Raises:
        ValueError: another number of dimensions or channels, or another dtype.

    Built in lesson 00.

    >>> from_numpy(np.zeros((8, 9, 3), np.uint8)).shape
    torch.Size([1, 3, 8, 9])
    """
    array = np.asarray(array)
    peak = {"bool": 1, "uint8": 255, "uint16": 65535, "float32": 1, "float64": 1}
    if array.dtype.name not in peak:
        raise ValueError(f"cannot read values of dtype {array.dtype}: use uint8, uint16 or float")
    if array.ndim == 2:
        array = array[:, :, None]  # (H, W, 1)
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(
            f"an array of shape {array.shape} is no picture: use (H, W), (H, W, 1) or (H, W, 3)"
        )
    values = array.transpose(2, 0, 1).astype(np.float32, order="C")  # (C, H, W)
    values /= peak[array.dtype.name]
    return torch.from_numpy(values)[None]  # (1, C, H, W)


def to_numpy(x: torch.Tensor) -> np.ndarray:
    """Turn a tensor (1, C, H, W) into an array for plotting and for scikit-image.

    Args:
        x: tensor (1, C, H, W) with C 1 or 3.

    Returns:
        Array (H, W, 3) or (H, W), float32, clipped to [0, 1].

    Raises:
        ValueError: x is not a picture, or far outside [0, 1].

    Built in lesson 00.

    >>> to_numpy(torch.zeros(1, 1, 8, 9)).shape
    (8, 9)
    """
    inside = require(x)[0].detach().float().cpu().clamp(0, 1)  # (C, H, W)
    array = inside.permute(1, 2, 0).numpy()  # (H, W, C)
    return array[:, :, 0] if array.shape[2] == 1 else array


def levels(x: torch.Tensor) -> torch.Tensor:
    """The 256 grey levels of 8 bits that are nearest to the values.

    Args:
        x: tensor of any shape; values outside [0, 1] are clipped.

    Returns:
        uint8 tensor of the same shape and device.

    Built in lesson 00 (used).

    >>> levels(torch.tensor([-0.5, 0.5, 1.0]))
    tensor([  0, 128, 255], dtype=torch.uint8)
    """
    return (x.detach().clamp(0, 1) * 255).round().to(torch.uint8)


def from_levels(grey: torch.Tensor) -> torch.Tensor:
    """The values in [0, 1] for which 8-bit levels stand: the other way round from ``levels``.

    Args:
        grey: uint8 tensor of any shape.

    Returns:
        float32 tensor of the same shape and device.

    Built in lesson 00 (used).

    >>> from_levels(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return grey.float() / 255


def crop(x: torch.Tensor, top: int, left: int, size: int) -> torch.Tensor:
    """A square of a picture.

    Args:
        x: tensor (1, C, H, W), on any scale.
        top, left, size: first row, first column and side, in pixels.

    Returns:
        Tensor (1, C, size, size).

    Raises:
        ValueError: the square leaves the picture or is smaller than 8 pixels, or a number is no
            whole one.

    Built in lesson 00 (used).

    >>> crop(torch.zeros(1, 3, 32, 32), 0, 8, 16).shape
    torch.Size([1, 3, 16, 16])
    """
    for name, value in (("top", top), ("left", left), ("size", size)):
        whole(name, value, unit=" of pixels")
    height, width = x.shape[2:]
    inside = 0 <= top <= height - size and 0 <= left <= width - size
    if not inside or size < SMALLEST:
        raise ValueError(
            f"the square of {size} pixels at row {top}, column {left} does not fit into "
            f"{height} × {width} pixels, or is smaller than {SMALLEST}"
        )
    return x[:, :, top : top + size, left : left + size]


def require(
    x: torch.Tensor, name: str = "x", finite: bool = True, unit: bool = True
) -> torch.Tensor:
    """Return x if it is a picture tensor (1, C, H, W) with sound values, else raise ValueError.

    Args:
        x: what should be a tensor (1, C, H, W), C 1 or 3.
        name: what to call it in the message.
        finite: look at the values, for NaN and as ``unit`` says; False inside a fit, where a look
            at every value costs time.
        unit: refuse what is ``far_outside`` [0, 1]; False where any scale will do.

    Returns:
        x itself.

    Raises:
        ValueError: wrong type, wrong shape, too small, NaN, or grey levels; the message names the
            remedy.

    Built in lesson 00.

    >>> require(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """
    if not isinstance(x, torch.Tensor):
        raise ValueError(
            f"{name} is a {type(x).__name__}, not a tensor: use images.load or images.from_numpy"
        )
    if x.ndim != 4 or x.shape[0] != 1 or x.shape[1] not in (1, 3) or not x.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(x.shape)} and dtype {x.dtype}; a picture is a float tensor "
            "of shape (1, 1, H, W) or (1, 3, H, W)"
        )
    if min(x.shape[2:]) < SMALLEST:
        raise ValueError(
            f"{name} is {x.shape[2]} × {x.shape[3]} pixels; use a picture of at least "
            f"{SMALLEST} × {SMALLEST}"
        )
    if finite:
        _require_values(x.detach(), name, unit)
    return x


def far_outside(x: torch.Tensor) -> bool:
    """Are these grey levels (0 … 255), or other values far outside [0, 1]?

    They are if values that are not 0 have a mean size above 4, or if all are whole numbers and one
    is beyond ±4. Why so:

    - Noise of σ = 1 that was not clipped, the strongest of all, reaches ±6 in single values, but
      its mean size is 1. What a fit overshoots is small or rare (a value counts as 255 at most).
    - A photo in grey levels with a mean below 4 is black to the eye; such a dark one is found out
      by its whole numbers.
    - A mask makes zeros, and they say nothing about the unit.

    Args:
        x: tensor of any shape with finite values.

    Returns:
        A bool.

    Built in lesson 00 (used).

    >>> x = torch.rand(1, 3, 8, 8)
    >>> far_outside(255 * x), far_outside(x - 2)
    (True, False)
    """
    if max(map(abs, _range(x))) <= FAR:
        return False
    size = x.abs().double()
    if torch.allclose(size, size.round(), rtol=0, atol=1e-3):
        return True
    return bool(size.clamp(max=255).sum() > FAR * size.count_nonzero())


def _range(x: torch.Tensor) -> tuple[float, ...]:
    return tuple(value.item() for value in x.aminmax())


def _require_values(x: torch.Tensor, name: str, unit: bool) -> None:
    low, high = _range(x)
    if not np.isfinite([low, high]).all():
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"{name} has {bad} values that are NaN or infinite: mend the picture first"
        )
    if unit and far_outside(x):
        raise ValueError(
            f"{name} has values from {low:.4g} to {high:.4g}, far outside [0, 1]: divide grey "
            "levels by 255, and cut off what a fit overshot with .clamp(0, 1). (show.images draws "
            "any range with limits=(black, white).)"
        )
