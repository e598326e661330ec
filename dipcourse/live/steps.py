"""A slider over the kept steps of a fit, and views of a picture that the kernel computes."""

from collections.abc import Callable, Mapping

import torch

from dipcourse import images, metrics, show
from dipcourse._html.shown import Shown
from dipcourse._numbers import as_float
from dipcourse.history import History
from dipcourse.live.panels import Panel, panel

View = Callable[[torch.Tensor], torch.Tensor]


def iterations(
    history: History,
    views: Mapping[str, View] | None = None,
    reference: torch.Tensor | None = None,
    mean: bool = False,
) -> Panel:
    """Show a slider over the kept steps of a fit, with views that the kernel computes.

    Args:
        history: a History.
        views: dict of title → function of a frame (1, C, H, W) that returns a picture
            (1, C', H', W'), such as ``live.spectrum()``. None: spectrum and enlarged centre,
            and the difference from the reference if there is one.
        reference: the clean image, tensor (1, C, H, W), for PSNR and the difference.
        mean: True shows the running means instead of single outputs.

    Returns:
        A Panel: ``panel.value`` is the step chosen.

    Raises:
        ValueError: the reference is not a picture of the frames' size.

    Built in lesson 02.

    >>> import numpy as np
    >>> from dipcourse.history import History
    >>> frames, last = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8)
    >>> history = History(np.ones(9), np.array([0, 8]), frames, frames, last, last, 0.1)
    >>> iterations(history, {"spectrum": spectrum()})
    a panel with sliders: step
    """
    height, width = history.frames.shape[2:]
    if views is None:
        side = max(min(height, width) // 4, images.SMALLEST)
        views = {
            "spectrum, low frequencies in the middle": spectrum(),
            "centre, enlarged": crop((height - side) // 2, (width - side) // 2, side),
        }
        if reference is not None:
            views = {"difference from the reference (grey: 0)": difference(reference), **views}

    def render(step: int) -> Shown:
        frame = history.frame(history.nearest(step), mean=mean)
        title = history.titled(f"mean up to step {step}" if mean else f"step {step}")
        if reference is not None:
            title += f", {metrics.psnr(frame, reference):.1f} dB"
        pictures = {title: frame, **{name: view(frame) for name, view in views.items()}}
        return show.images(pictures, display=False)

    return panel(render, step=[int(step) for step in history.steps])


def difference(reference: torch.Tensor, limit: float = 0.2) -> View:
    """A view: frame minus reference, drawn so that 0 is grey, −limit black and +limit white.

    Args:
        reference: tensor (1, C, H, W).
        limit: the difference drawn white, in units of [0, 1].

    Returns:
        A function from a tensor (1, C, H, W) to a tensor (1, C, H, W).

    Raises:
        ValueError: the reference is no picture in [0, 1], or the limit is not between 0 and 1.

    Built in lesson 02.

    >>> x = torch.rand(1, 3, 8, 8)
    >>> difference(x)(x).unique()
    tensor([0.5000])
    """
    images.require(reference, "the reference")
    if not 0 < as_float(limit) <= 1:
        raise ValueError(f"limit={limit!r}: give it in [0, 1] units, 50 grey levels are 50/255")

    def view(frame: torch.Tensor) -> torch.Tensor:
        difference = images.require(frame, "the frame") - reference
        return (0.5 + difference / (2 * limit)).clamp(0, 1)

    return view


def spectrum(decades: float = 4) -> View:
    """A view: the logarithm of the Fourier amplitudes, frequency 0 in the middle.

    Args:
        decades: how many powers of ten lie between black and white; an amplitude of a tenth
            (per pixel, in units of [0, 1]) is white for every frame.

    Returns:
        A function from a tensor (1, C, H, W) to a tensor (1, 1, H, W).

    Raises:
        ValueError: (by the function) the frame is no picture in [0, 1].

    Built in lesson 02.

    >>> spectrum()(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 1, 8, 8])
    """

    def view(frame: torch.Tensor) -> torch.Tensor:
        images.require(frame, "the frame")
        size = frame.shape[2] * frame.shape[3]
        amplitude = torch.fft.fft2(frame.float()).abs().mean(1, keepdim=True) / size
        logarithm = torch.fft.fftshift(amplitude, dim=(2, 3)).clamp_min(1e-12).log10()
        return (1 + (logarithm + 1) / decades).clamp(0, 1)

    return view


def crop(top: int, left: int, size: int) -> View:
    """A view: a square cut out of the frame, to be seen enlarged.

    Args:
        top, left, size: first row, first column and side, in pixels.

    Returns:
        A function from a tensor (1, C, H, W), on any scale, to a tensor (1, C, size, size).

    Raises:
        ValueError: (by the function) the square leaves the picture, or a number is no whole one.

    Built in lesson 02.

    >>> crop(0, 8, 16)(torch.rand(1, 3, 32, 32)).shape
    torch.Size([1, 3, 16, 16])
    """
    return lambda frame: images.crop(frame, top, left, size)
