"""Pictures in and out: the only module that knows Pillow and NumPy layouts.

Everywhere else a picture is a tensor of shape (1, C, H, W), float32, values in [0, 1].
"""

import operator
import re
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.nn import functional as F

Image.init()  # its formats: the first picture would import them, open to an interrupt

SMALLEST = 8  # pixels of a side
LARGEST = 25_000_000  # pixels of a picture that load returns: 300 MB in three channels
HUGEST = 300_000_000  # pixels of a file that load decodes, at 4 bytes each: phones make 200 million
FAR = 4  # values of this size are no picture in [0, 1]
STRIP = 1_000_000  # pixels that are averaged at a time
ORIENTATION = 0x0112  # the EXIF tag

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
    path = _find(name_or_path)
    if size is not None:
        size = whole("size", size, SMALLEST, int(LARGEST**0.5), unit=" pixels")
    x = from_numpy(_read(path, size))
    if size is not None and x.shape[2] != size:
        x = F.interpolate(x, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
    if grey is True and x.shape[1] == 3:
        x = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    if grey is False and x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1).contiguous()
    return require(x, f"the picture {name_or_path}")


def from_numpy(array):
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
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(
            f"an array of shape {array.shape} is no picture: use (H, W), (H, W, 1) or (H, W, 3)"
        )
    values = array.transpose(2, 0, 1).astype(np.float32, order="C")
    values /= peak[array.dtype.name]
    return torch.from_numpy(values)[None]


def to_numpy(x):
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
    array = require(x)[0].detach().float().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    return array[:, :, 0] if array.shape[2] == 1 else array


def require(x, name="x", finite=True, unit=True):
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


def far_outside(x):
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


def _range(x):
    return tuple(value.item() for value in x.aminmax())


def _require_values(x, name, unit):
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


def whole(name, value, low=None, high=None, unit=""):
    """Return value as an int if it is a whole number in its range, else raise ValueError.

    Args:
        name: what to call it in the message.
        value: an int or an integer of NumPy; a boolean is none.
        low, high: the smallest and the largest number that are allowed; None: no bound (a high
            one needs a low one).
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
    above = number is not None and (low is None or low <= number)
    if isinstance(value, bool) or not above or (high is not None and number > high):
        span = f" of at least {low}" if high is None else f" from {low} to {high}"
        span = "" if low is None else span
        raise ValueError(f"{name}={value!r}: use a whole number{span}{unit}")
    return number


def number(value):
    """value as a float, or NaN, which is in no range, if it is no single number.

    Args:
        value: an int, a float, a number of NumPy or a tensor of one value; a boolean is none.

    Returns:
        A float.

    Built in lesson 00 (used).

    >>> number("25"), 0 <= number("25") <= 1
    (nan, False)
    """
    if isinstance(value, str | bytes | bool):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # torch raises the last for many values
        return float("nan")


def _find(name_or_path):
    """The path of a file that is there."""
    if isinstance(name_or_path, str) and name_or_path in PHOTOS:
        own = folder() / f"{name_or_path}.png"
        if own.exists():
            return own
        data = Path(find_spec("skimage").origin).parent / "data"
        return next(data.glob(f"{name_or_path}.*"))
    if not isinstance(name_or_path, str | Path):
        raise ValueError(
            f"images.load takes a name or the path of a file, not a {type(name_or_path).__name__}: "
            + _instead(name_or_path)
        )
    path, text = Path(name_or_path), str(name_or_path)
    if path.is_file():
        return path
    if re.match(r"(https?|ftp|data):", text):
        raise ValueError(
            f"{text[:80]} is an address: download it first, as with "
            "urllib.request.urlretrieve(address, 'photo.jpg'), then load that file"
        )
    if text.strip() and path.is_dir():
        raise ValueError(f"{text!r} is a folder: give the path of one picture in it")
    raise FileNotFoundError(
        f"no picture {text!r}: use a path to a file, or one of {', '.join(PHOTOS)}"
    )


def _instead(given):
    """What to do with something that is no path."""
    if isinstance(given, torch.Tensor):
        return "use it as it is, a tensor (1, C, H, W) is a picture"
    if isinstance(given, np.ndarray):
        return "use images.from_numpy"
    if isinstance(given, Image.Image):
        return "use images.from_numpy(np.asarray(picture.convert('RGB')))"
    return "give it as text, such as 'photo.jpg'"


def _read(path, size):
    """A picture file as an array that from_numpy takes; with a size, its square in the middle."""
    with _plain_words(path):
        file = _open(path)
    with file:
        kind, (width, height) = file.format, file.size
        if width * height > HUGEST:
            raise ValueError(
                f"{path} has {width} × {height} pixels, {_mega(width * height)}; at most "
                f"{_mega(HUGEST)} are read: make it smaller in a picture program first"
            )
        factor = _factor(width, height, size)
        with _plain_words(path):
            if factor > 1:  # a JPEG can leave out pixels before they take memory
                file.draft(file.mode, (width // factor, height // factor))
            file.load()
        left = factor * file.width // width  # of the factor
        image = _reduced(file, left, path, kind) if left > 1 else file
        with _plain_words(path):
            image = ImageOps.exif_transpose(image)
    if factor > 1 and size is None:
        print(
            f"{path.name} has {width} × {height} pixels, {_mega(width * height)}: loaded at 1/"
            f"{factor} of its width and height, {image.width} × {image.height}."
        )
    return _array(image if size is None else _centre(image), path, kind)


_pillow = threading.Lock()


def _open(path):
    """A picture file of any size. Pillow's own limit holds for the whole process: it stays."""
    with _pillow:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _plain_words(path):
    """Say what is wrong with a file. Pillow's readers raise anything when it is damaged."""
    try:
        yield
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that Pillow can read. Save it as PNG.") from None
    except MemoryError:
        raise MemoryError(
            f"{path} needs more memory than is free: close other programs, or make it smaller"
        ) from None
    except Exception as error:
        if getattr(error, "errno", None):  # the system's own words, such as "permission denied"
            raise
        raise ValueError(f"{path} is cut off or damaged ({error}): get the file again") from None


def _mega(pixels):
    return f"{pixels / 1e6:.0f} megapixels"


def _factor(width, height, size):
    """The smallest power of two by which a picture, or its square, must shrink."""
    if size is not None:
        width = height = min(width, height)
    factor = 1
    while (width // factor) * (height // factor) > LARGEST:
        factor *= 2
    return factor


def _reduced(image, factor, path, kind):
    """A picture in which each pixel is the mean of factor × factor, made strip by strip."""
    width, height = (side // factor * factor for side in image.size)
    rows = factor * max(1, STRIP // (width * factor))
    strips = []
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        strips.append(_averaged(_array(strip, path, kind), factor))
    small = Image.fromarray(np.concatenate(strips))
    small.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return small


def _averaged(array, factor):
    """The means of squares of an array (H, W) or (H, W, C), in the same dtype."""
    height, width, *channels = array.shape
    exact = np.float64 if array.dtype.kind == "f" else np.int64
    lines = array.reshape(height // factor, factor, -1).sum(1, dtype=exact)
    sums = lines.reshape(height // factor, width // factor, factor, *channels).sum(2)
    means = sums / factor**2
    return (means if exact is np.float64 else means.round()).astype(array.dtype)


def _centre(image):
    """The largest centred square."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


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
