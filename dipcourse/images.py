"""Pictures in and out: the only module that knows Pillow and NumPy layouts.

Everywhere else a picture is a tensor of shape (1, C, H, W), float32, values in [0, 1].
"""

import operator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.nn import functional as F

SMALLEST = 8

#: Free photographs, and what each shows (for alt texts). Sources and licences: images/CREDITS.md.
PHOTOS = {
    "face": "the face of an astronaut in an orange space suit",
    "astronaut": "an astronaut in an orange space suit before a flag and a model shuttle",
    "chelsea": "the head of a ginger cat",
    "coffee": "a cup of coffee and a spoon on a wooden table",
    "rocket": "a rocket on its launch pad",
    "camera": "a man behind a camera on a tripod, in grey",
    "brick": "a brick wall, in grey",
    "grass": "grass seen from above, in grey",
    "gravel": "gravel seen from above, in grey",
    "coins": "rows of old coins, in grey",
    "page": "a printed page, in grey",
    "text": "handwritten text, in grey",
}


def folder():
    """Where the course's own pictures lie: inside the wheel, or images/ of a checkout."""
    packed = Path(__file__).parent / "_images"
    return packed if packed.is_dir() else Path(__file__).parents[1] / "images"


def load(name_or_path, size=None, grey=None):
    """Load a photograph of the course by name, or any picture file by path.

    Args:
        name_or_path: a key of ``images.PHOTOS`` such as "astronaut", or a path. Any format that
            Pillow reads: colour, grey, palette, 16-bit, with transparency (put on white), with
            an EXIF rotation (applied; the rest of the EXIF data is dropped).
        size: side in pixels. The largest centred square is cut out and resized to
            (size, size). None keeps the picture as it is.
        grey: True for one channel, False for three, None for what the file has.

    Returns:
        Tensor (1, C, H, W), float32 in [0, 1].

    Raises:
        FileNotFoundError: there is no such name and no such file.
        ValueError: not a picture, a damaged file, values that are not finite, floats outside
            [0, 1], 32-bit integers (where is white?), or smaller than 8 pixels.

    Source: astronaut, chelsea, … come with scikit-image (images/CREDITS.md).
    Built in lesson 00.

    >>> load("astronaut", size=64).shape
    torch.Size([1, 3, 64, 64])
    """
    path = _find(name_or_path)
    try:
        with Image.open(path) as file:
            x = from_numpy(_array(ImageOps.exif_transpose(file), path, file.format))
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that Pillow can read. Save it as PNG.") from None
    except (OSError, SyntaxError) as error:
        if getattr(error, "errno", None):  # the system's own words, such as "permission denied"
            raise
        raise ValueError(f"{path} is cut off or damaged ({error}): get the file again") from None
    if size is not None:
        x = _square(x, size)
    if grey is True and x.shape[1] == 3:
        x = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    if grey is False and x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1).contiguous()
    return require(x, f"the picture {name_or_path}")


def from_numpy(array):
    """Turn an array of shape (H, W), (H, W, 1) or (H, W, 3) into a tensor (1, C, H, W).

    Args:
        array: booleans, uint8 (0–255), uint16 (0–65535) or floats (kept as they are).

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
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(
            f"an array of shape {array.shape} is no picture: use (H, W), (H, W, 1) or (H, W, 3)"
        )
    values = array.astype(np.float32) / peak[array.dtype.name]
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous()


def to_numpy(x):
    """Turn a tensor (1, C, H, W) into an array for plotting and for scikit-image.

    Args:
        x: tensor (1, C, H, W) with C 1 or 3.

    Returns:
        Array (H, W, 3) or (H, W), float32, clipped to [0, 1].

    Raises:
        ValueError: x is not a picture.

    Built in lesson 00.

    >>> to_numpy(torch.zeros(1, 1, 8, 9)).shape
    (8, 9)
    """
    array = require(x)[0].detach().float().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    return array[:, :, 0] if array.shape[2] == 1 else array


def require(x, name="x", finite=True):
    """Return x if it is a picture tensor (1, C, H, W) with finite values, else raise ValueError.

    Args:
        x: what should be a tensor (1, C, H, W), C 1 or 3.
        name: what to call it in the message.
        finite: look for NaN too; False inside a fit, where a look at every value costs time.

    Returns:
        x itself.

    Raises:
        ValueError: wrong type, wrong shape, too small, or NaN; the message names the remedy.

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
    if finite and not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"{name} has {bad} values that are NaN or infinite: mend the picture first"
        )
    return x


def whole(name, value, low, high=None, unit=""):
    """Return value as an int if it is a whole number in its range, else raise ValueError.

    Args:
        name: what to call it in the message.
        value: an int or an integer of NumPy; a boolean is none.
        low: the smallest number that is allowed.
        high: the largest one, or None.
        unit: what stands behind the number in the message, such as " pixels".

    Returns:
        int.

    Raises:
        ValueError: no whole number, or out of range.

    Built in lesson 00 (used).

    >>> whole("size", np.int64(64), low=8)
    64
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    fits = number is not None and low <= number and (high is None or number <= high)
    if isinstance(value, bool) or not fits:
        span = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}={value!r}: use a whole number {span}{unit}")
    return number


def _find(name_or_path):
    if name_or_path in PHOTOS:
        own = folder() / f"{name_or_path}.png"
        if own.exists():
            return own
        import skimage

        data = Path(skimage.__file__).parent / "data"
        return next(data.glob(f"{name_or_path}.*"))
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise FileNotFoundError(
        f"no picture {str(name_or_path)!r}: use a path to a file, or one of {', '.join(PHOTOS)}"
    )


def _array(image, path, kind):
    """A Pillow image of any mode as an array that from_numpy takes."""
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):
        return np.asarray(image).astype(np.uint16)  # older Pillows say "I" for 16 bits
    if image.mode in ("I", "F"):
        array = np.asarray(image)
        if array.min() < 0 or array.max() > 1:
            raise ValueError(
                f"{path} holds {array.dtype} values from {array.min():g} to {array.max():g}, and "
                "nothing says which is white: save it with 8 or 16 bits, or as floats in [0, 1]"
            )
        return array
    grey = image.mode in ("1", "L", "LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("L" if grey else "RGB"))


def _square(x, size):
    size = whole("size", size, SMALLEST, unit=" pixels")
    side = min(x.shape[2:])
    top, left = (x.shape[2] - side) // 2, (x.shape[3] - side) // 2
    x = x[:, :, top : top + side, left : left + side]
    if side == size:
        return x
    return F.interpolate(x, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
