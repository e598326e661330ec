"""Settings that work, in one visible table: task × scale."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import numpy
import torch

from dipcourse import nets
from dipcourse.fit.machine import best_device, best_precision

Number = TypeVar("Number", int, float)

SCALES = {
    "smoke": "a few steps on tiny pictures: shows that the code runs, not what it can do",
    "laptop": "small pictures and networks: every fit ends within a minute on two CPU cores",
    "paper": "the paper's networks and step counts: minutes with a GPU, hours without",
}


@dataclass(frozen=True)
class Preset:
    """The settings of one task at one scale.

    Attributes:
        size: side of the picture in pixels.
        net: arguments of ``nets.UNet``.
        z: arguments of ``nets.fixed_input``.
        fit: arguments of ``fit.fit``.

    Built in lesson 00 (used).

    >>> net, z = get("overfit", "smoke").make(seed=1)
    >>> z.shape
    torch.Size([1, 32, 32, 32])
    """

    size: int
    net: dict[str, Any]
    z: dict[str, Any]
    fit: dict[str, Any]

    def make(
        self,
        channels: int = 3,
        height: int | None = None,
        width: int | None = None,
        seed: int = 0,
    ) -> tuple[nets.UNet, torch.Tensor]:
        """A fresh network and its input z, for pictures of height × width (default size × size)."""
        torch.manual_seed(seed)
        net = nets.UNet(self.z["channels"], channels, **self.net)
        z = nets.fixed_input(
            height=height or self.size, width=width or self.size, seed=seed, **self.z
        )
        return net, z


SMALL = {"widths": (32,) * 5, "skip": 4, "upsample": "nearest"}
PAPER = {"widths": (128,) * 5, "skip": 4, "upsample": "bilinear"}
PLAIN = {"widths": (32,) * 4, "skip": 4, "upsample": "bilinear"}
# No skip at full size: z cannot run straight into the picture; its fits peak a little higher.
SHORT = {"widths": (32,) * 4, "skip": (0, 4, 4, 4), "upsample": "nearest"}
DEEP_SHORT = {"widths": (32,) * 5, "skip": (0, 4, 4, 4, 4), "upsample": "nearest"}
# As DEEP_SHORT, with fewer channels where a step costs most: at full size.
FUNNEL = DEEP_SHORT | {"widths": (16, 32, 32, 32, 32)}
DEEP_FUNNEL = DEEP_SHORT | {"widths": (16, 32, 64, 64, 64)}
# Skips only at the size of y (×4) and below: finer ones bring z's noise where A does not see it.
COARSE_SKIPS = DEEP_SHORT | {"skip": (0, 0, 4, 4, 4)}
NOISE, THIN = {"channels": 32}, {"channels": 8}
QUICK = {"lr": 0.005, "optimizer": "quick adam"}

# tools/measured/speed/presets.py is the table behind the laptop's settings
TABLE = {
    "overfit": {
        "smoke": Preset(32, SHORT, NOISE, {"steps": 12, "lr": 0.01}),
        "laptop": Preset(96, SHORT, NOISE, {"steps": 500, "lr": 0.01}),
        "paper": Preset(96, SHORT, NOISE, {"steps": 1000, "lr": 0.01}),
    },
    "denoise": {
        "smoke": Preset(64, FUNNEL, THIN, {"steps": 12, "jitter": 1 / 30, **QUICK}),
        "laptop": Preset(192, FUNNEL, THIN, {"steps": 500, "jitter": 1 / 30, **QUICK}),
        "paper": Preset(512, PAPER, NOISE, {"steps": 1800, "lr": 0.01, "jitter": 1 / 30}),
    },
    "inpaint": {
        "smoke": Preset(64, DEEP_FUNNEL, THIN, {"steps": 12, "jitter": 0.02, **QUICK}),
        "laptop": Preset(192, DEEP_FUNNEL, THIN, {"steps": 500, "jitter": 0.02, **QUICK}),
        "paper": Preset(512, PAPER, NOISE, {"steps": 11000, "lr": 0.001, "jitter": 0.03}),
    },
    "superres": {
        "smoke": Preset(64, COARSE_SKIPS, NOISE, {"steps": 12, **QUICK}),
        "laptop": Preset(192, COARSE_SKIPS, NOISE, {"steps": 500, **QUICK}),
        "paper": Preset(512, PAPER, NOISE, {"steps": 2000, "lr": 0.01, "jitter": 0.03}),
    },
    "curves": {
        "smoke": Preset(32, PLAIN, NOISE, {"steps": 12, "lr": 0.01}),
        "laptop": Preset(64, PLAIN, NOISE, {"steps": 400, "lr": 0.01}),
        "paper": Preset(256, PAPER, NOISE, {"steps": 2400, "lr": 0.01}),
    },
}


def get(task: str, scale: str | None = None) -> Preset:
    """The settings of a task.

    Args:
        task: a key of ``presets.TABLE``, such as "denoise".
        scale: "smoke", "laptop" or "paper"; None takes ``current_scale()``.

    Returns:
        Preset.

    Raises:
        ValueError: an unknown task or scale.

    Built in lesson 00 (used).

    >>> get("denoise", "paper").fit["steps"]
    1800
    """
    scale = scale or current_scale()
    if task not in TABLE or scale not in SCALES:
        raise ValueError(
            f"no settings for {task!r} at scale {scale!r}: tasks are {', '.join(TABLE)}; "
            f"scales are {', '.join(SCALES)}"
        )
    return TABLE[task][scale]


def current_scale() -> str:
    """The scale of the lessons: "laptop" on every machine, which a GPU makes faster.

    The environment variable DIPCOURSE_SCALE sets another: the tests use "smoke".

    Returns:
        A key of ``SCALES``.

    Raises:
        ValueError: DIPCOURSE_SCALE names no scale.

    Built in lesson 00.

    >>> current_scale() in SCALES
    True
    """
    scale = os.environ.get("DIPCOURSE_SCALE") or "laptop"
    if scale not in SCALES:
        raise ValueError(f"DIPCOURSE_SCALE={scale!r}: use one of {', '.join(SCALES)}")
    return scale


def scaled(value: Number, *, smoke: Number) -> Number:
    """A number of a lesson's own sweep, such as a side or steps, which tests make small.

    Args:
        value: what the lesson uses, at scale "laptop" and "paper".
        smoke: what it uses at scale "smoke".

    Returns:
        One of the two.

    Built in lesson 01 (used).

    >>> scaled(300, smoke=10) in (300, 10)
    True
    """
    return smoke if current_scale() == "smoke" else value


def announce() -> None:
    """Print the scale and what it means, the device, and what to do if the set-up is wrong.

    Built in lesson 00.

    >>> announce()  # doctest: +ELLIPSIS
    Scale ...
    """
    scale, device = current_scale(), best_device()
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    print(f"Scale {scale!r}: {SCALES[scale]}.")
    print(
        f"Device {device} ({name}, {torch.get_num_threads()} threads), {best_precision(device)}, "
        f"Python {platform.python_version()}, torch {torch.__version__}."
    )
    if numpy.__version__ != version("numpy"):
        print(
            f"NumPy {numpy.__version__} is loaded but {version('numpy')} is installed: choose "
            "Runtime > Restart (or Kernel > Restart), then run from the top."
        )
