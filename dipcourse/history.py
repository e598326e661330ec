"""What a fit leaves behind: numbers and pictures, no drawing."""

import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dipcourse import images
from dipcourse._interrupts import held
from dipcourse.images import codec

FORMAT = "dipcourse-history-2"
READABLE = ("dipcourse-history-1", FORMAT)
PICTURES = ("frames", "means", "final", "mean")


@dataclass
class History:
    """The record of one fit of N steps.

    Attributes:
        loss: array (N,), data term plus prior at each step; ``loss[k]`` belongs to the output
            after k updates.
        steps: array (F,) of ints, the steps k whose outputs were kept (0 and N − 1 among them).
        frames: uint8 tensor (F, C, H, W), the outputs at these steps.
        means: uint8 tensor (F, C, H, W), the running means of the outputs at these steps.
        final: tensor (1, C, H, W), f(z) without jitter after N updates.
        mean: tensor (1, C, H, W), the running mean after the last step.
        seconds: how long the fit took.
        settings: dict of everything that was chosen (learning rate, precision, device, …).
        held_out: array (N,), the error on the held-out values at each step, or None.
        variance: array (N,), the windowed variance of the outputs at each step, or None
            (NaN until the window is full).
        rollbacks: array of the steps that were undone because the loss jumped (see ``fit``).
        interrupted: True if the fit was stopped by hand; ``unfinished`` says it in words.

    Built in lesson 00.

    >>> frames, last = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8)
    >>> history = History(np.ones(9), np.array([0, 8]), frames, frames, last, last, seconds=0.1)
    >>> history.frame(-1).shape
    torch.Size([1, 3, 8, 8])
    """

    loss: np.ndarray
    steps: np.ndarray
    frames: torch.Tensor
    means: torch.Tensor
    final: torch.Tensor
    mean: torch.Tensor
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)
    held_out: np.ndarray | None = None
    variance: np.ndarray | None = None
    rollbacks: np.ndarray = field(default_factory=lambda: np.array([], dtype=int))
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def unfinished(self) -> str:
        """ "stopped after 41 of 300 steps" if the fit was stopped by hand, else ""."""
        if not self.interrupted:
            return ""
        planned = f" of {self.settings['planned']}" if "planned" in self.settings else ""
        return f"stopped after {len(self.loss)}{planned} steps"

    def titled(self, title: str) -> str:
        """A title, with a mark behind it if the fit was stopped by hand."""
        return f"{title} ({self.unfinished})" if self.interrupted else title

    def __repr__(self) -> str:
        return self.titled("History") + (
            f" of {len(self.loss)} steps in {self.seconds:.1f} s, loss "
            f"{self.loss[0]:.4f} → {self.loss[-1]:.4f}, {len(self)} frames of "
            f"{self.frames.shape[2]} × {self.frames.shape[3]} pixels"
        )

    def frame(self, i: int, mean: bool = False) -> torch.Tensor:
        """The i-th kept output (or running mean) as a picture tensor (1, C, H, W) in [0, 1]."""
        kept = self.means if mean else self.frames  # (F, C, H, W)
        return images.from_levels(kept[i][None])  # (1, C, H, W)

    def nearest(self, step: float) -> int:
        """The index i of the kept frame whose step is nearest to the given one."""
        return int(np.abs(self.steps - step).argmin())

    def save(self, path: str | Path, rounding: int | None = None) -> None:
        """Write everything into one compressed file (.npz is added to a bare name).

        Args:
            path: the file.
            rounding: None keeps every bit. A number of grey levels, such as 4, makes the file
                several times smaller: frames and means become JPEG whose frequencies are rounded to
                multiples of it, final and mean are clipped and rounded to whole grey levels.
        """
        arrays: dict[str, Any] = {name: _stored(getattr(self, name), rounding) for name in PICTURES}
        for name in ("held_out", "variance"):
            if (values := getattr(self, name)) is not None:
                arrays[name] = values
        about = {
            "seconds": self.seconds,
            "settings": self.settings | ({} if rounding is None else {"rounding": rounding}),
            "interrupted": self.interrupted,
        }
        np.savez_compressed(
            path,
            format=FORMAT,
            about=json.dumps(about, default=float),  # lr may be a number of NumPy
            loss=self.loss,
            steps=self.steps,
            rollbacks=self.rollbacks,
            **arrays,
        )

    @classmethod
    def load(cls, path: str | Path) -> "History":
        """Read a file written by ``save``, rounded or not; .npz may be left out, as there.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is cut off, is not a History, or comes from a newer version.
        """
        if not Path(path).is_file() and Path(f"{path}.npz").is_file():
            path = f"{path}.npz"
        try:
            with held(), np.load(path, allow_pickle=False) as file:  # it imports
                data: dict[str, Any] = {key: file[key] for key in file.files}
            version = str(data.pop("format"))
            about = json.loads(str(data.pop("about")))
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError):
            raise ValueError(
                f"{path} is not a complete History file: it was cut off or written by another "
                "program. Run the fit again and save it anew."
            ) from None
        if version not in READABLE:
            raise ValueError(
                f"{path} has the format {version!r}, and this version of dipcourse reads "
                f"{' and '.join(READABLE)}: load it with the version that wrote it."
            )
        for name in PICTURES:
            data[name] = _restored(name, data[name])
        return cls(**data, **about)


def _stored(pictures: torch.Tensor, rounding: int | None) -> np.ndarray:
    """The array that stands for frames (F, C, H, W) or a picture (1, C, H, W) in a file."""
    if rounding is None:
        return pictures.numpy()
    if pictures.dtype == torch.uint8:
        return np.array([codec.to_even_jpeg(frame, rounding) for frame in pictures])  # (F,)
    return images.levels(pictures).numpy()


def _restored(name: str, array: np.ndarray) -> torch.Tensor:
    """The tensor that an array of a file stands for."""
    if array.dtype.kind == "S":
        return torch.stack([codec.decoded(data) for data in array])  # (F, C, H, W)
    tensor = torch.from_numpy(array)
    whole_levels = name in ("final", "mean") and tensor.dtype == torch.uint8
    return images.from_levels(tensor) if whole_levels else tensor
