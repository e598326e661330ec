"""Sounds in: WAV files as tensors (T,) of samples, the only room that knows how they are stored.

May not enter: pictures, networks, fits.
"""

import struct
import warnings
from math import gcd
from pathlib import Path

import numpy as np
import torch
from scipy import signal
from scipy.io import wavfile

from dipcourse._numbers import as_float, whole

FOLDER = Path(__file__).parent / "_sounds"
SHORTEST = 0.25  # seconds
LARGEST = 500_000_000  # bytes of a file

#: The course's own sounds, and what one hears.
SOUNDS: dict[str, str] = {"voice": "a woman reads: “in being comparatively modern”"}


def load(
    name_or_path: str | Path, seconds: float = 2.0, rate: int = 8000, offset: float = 0.0
) -> torch.Tensor:
    """Load a sound of the course by name, or a part of any WAV file by path.

    Channels are averaged, the rate is changed to ``rate``, the mean is subtracted, and the largest
    value is made 1. So how the file stores its samples does not matter: whole numbers of 8, 16, 24
    or 32 bits, or floats.

    Args:
        name_or_path: a key of ``sounds.SOUNDS`` such as "voice", or a path.
        seconds: how long a part, at least 0.25; of a longer file the rest is left out, and a line
            is printed that says so.
        rate: samples a second of what is returned.
        offset: where the part begins, in seconds.

    Returns:
        Tensor (T,), float32, from −1 to 1; silence is 0.

    Raises:
        FileNotFoundError: there is no such name and no such file.
        ValueError: no path, not a WAV file (or a compressed one), a damaged file, one of more than
            500 MB, values that are not finite, silence, or too short.

    Source: "voice" is LJ001-0002 of the LJ Speech Dataset (public domain), at 8000 samples/s.
    Built in lesson 13 (used).

    >>> load("voice", seconds=0.5).shape
    torch.Size([4000])
    """
    rate = whole("rate", rate, 1000, 192_000, unit=" samples a second")
    seconds, offset = as_float(seconds), as_float(offset)
    if not (seconds >= SHORTEST and 0 <= offset < np.inf):
        raise ValueError(
            f"seconds={seconds:g}, offset={offset:g}: take at least {SHORTEST} s, from 0 on"
        )
    path = _find(name_or_path)
    file_rate, samples = _read(path)  # (T,) or (T, channels)
    length = len(samples) / file_rate  # seconds
    first = round(offset * file_rate)
    part = _as_floats(samples[first : first + round(min(seconds, length) * file_rate)])
    if len(part) < SHORTEST * file_rate:
        raise ValueError(
            f"{path.name} lasts {length:.2f} s: less than {SHORTEST} s is left from {offset:g} s on"
        )
    if name_or_path not in SOUNDS and len(part) < len(samples):
        print(f"{path.name} lasts {length:.1f} s: {len(part) / file_rate:.1f} s of it are loaded.")
    return torch.from_numpy(_scaled(_resampled(part, file_rate, rate), path).astype(np.float32))


def _find(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, str) and name_or_path in SOUNDS:
        return FOLDER / f"{name_or_path}.wav"
    if not isinstance(name_or_path, str | Path):
        raise ValueError(
            "sounds.load takes a name or the path of a WAV file, not a "
            f"{type(name_or_path).__name__}"
        )
    path = Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no sound {str(name_or_path)!r}: use a path to a WAV file, or one of "
            f"{', '.join(SOUNDS)}"
        )
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} has more than {LARGEST // 10**6} MB: cut out a part first")
    return path


def _read(path: Path) -> tuple[int, np.ndarray]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of chunks with other things
            return wavfile.read(path)
    except (ValueError, EOFError, struct.error, IndexError, UnboundLocalError, ZeroDivisionError):
        raise ValueError(
            f"{path.name} is damaged, compressed, or no WAV file: save it as an uncompressed WAV "
            "(PCM), for example with Audacity"
        ) from None


def _as_floats(samples: np.ndarray) -> np.ndarray:
    """One channel (T,) of floats around 0, wherever the file has its silence."""
    values = samples.astype(float)
    if values.ndim == 2:
        values = values.mean(axis=1)
    return values - values.mean() if len(values) else values


def _resampled(values: np.ndarray, old: int, new: int) -> np.ndarray:
    common = gcd(old, new)
    if not np.isfinite(values).all():  # _scaled refuses it; a filter would spread it
        return values
    return signal.resample_poly(values, new // common, old // common)


def _scaled(values: np.ndarray, path: Path) -> np.ndarray:
    """The largest value 1."""
    if not np.isfinite(values).all():
        raise ValueError(f"{path.name} has values that are NaN or infinite")
    peak = np.abs(values).max()
    if peak < 1e-9:
        raise ValueError(f"{path.name} is silent where it was read: choose another offset")
    return values / peak
