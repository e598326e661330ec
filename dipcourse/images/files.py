"""Picture files: which one a name means, and any kind that Pillow reads as an array."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

Image.init()  # its formats: the first picture would import them, open to an interrupt

LARGEST = 25_000_000  # pixels of a picture that load returns: 300 MB in three channels
HUGEST = 300_000_000  # pixels of a file that load decodes, at 4 bytes each: phones make 200 million
STRIP = 1_000_000  # pixels that are averaged at a time
ORIENTATION = 0x0112  # the EXIF tag

#: Free photographs, and what each shows (for alt texts). Sources and licences: images/CREDITS.md.
PHOTOS: dict[str, str] = {
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


def folder() -> Path:
    """Where the course's own pictures lie: inside the wheel, or images/ of a checkout.

    Built in lesson 00 (used).
    """
    packed = Path(__file__).parents[1] / "_images"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "images"


def find(name_or_path: str | Path) -> Path:
    """The path of a file that is there."""
    if isinstance(name_or_path, str) and name_or_path in PHOTOS:
        own = folder() / f"{name_or_path}.png"
        if own.exists():
            return own
        return next(_skimage_folder().glob(f"{name_or_path}.*"))
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


def _skimage_folder() -> Path:
    spec = find_spec("skimage")
    assert spec is not None  # scikit-image is a dependency
    return Path(str(spec.origin)).parent / "data"


def _instead(given: object) -> str:
    """What to do with something that is no path."""
    if isinstance(given, torch.Tensor):
        return "use it as it is, a tensor (1, C, H, W) is a picture"
    if isinstance(given, np.ndarray):
        return "use images.from_numpy"
    if isinstance(given, Image.Image):
        return "use images.from_numpy(np.asarray(picture.convert('RGB')))"
    return "give it as text, such as 'photo.jpg'"


def read(path: Path, size: int | None) -> np.ndarray:
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


def _open(path: Path) -> ImageFile:
    """A picture file of any size. Pillow's own limit holds for the whole process: it stays."""
    with _pillow:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _plain_words(path: Path) -> Iterator[None]:
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


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.0f} megapixels"


def _factor(width: int, height: int, size: int | None) -> int:
    """The smallest power of two by which a picture, or its square, must shrink."""
    if size is not None:
        width = height = min(width, height)
    factor = 1
    while (width // factor) * (height // factor) > LARGEST:
        factor *= 2
    return factor


def _reduced(image: Image.Image, factor: int, path: Path, kind: str | None) -> Image.Image:
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


def _averaged(array: np.ndarray, factor: int) -> np.ndarray:
    """The means of squares of an array (H, W) or (H, W, C), in the same dtype."""
    height, width, *channels = array.shape
    exact = np.float64 if array.dtype.kind == "f" else np.int64
    lines = array.reshape(height // factor, factor, -1).sum(1, dtype=exact)
    sums = lines.reshape(height // factor, width // factor, factor, *channels).sum(2)
    means = sums / factor**2
    return (means if exact is np.float64 else means.round()).astype(array.dtype)


def _centre(image: Image.Image) -> Image.Image:
    """The largest centred square."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _array(image: Image.Image, path: Path, kind: str | None) -> np.ndarray:
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
