"""What happens to a picture before we get it: operators A, noise, masks, shuffles.

The same operator object makes the measurement y and stands in the loss of the fit.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from dipcourse import images
from dipcourse._numbers import as_float, whole
from dipcourse.images import codec, lettering


class Identity(nn.Module):
    """A(x) = x: every pixel is measured.

    Built in lesson 01.

    >>> Identity()(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """

    mask: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x  # (1, C, H, W)


class Mask(nn.Module):
    """A(x) = m·x: pixels where the mask is 0 are unknown.

    Args:
        mask: tensor (1, 1, H, W) of zeros (hidden) and ones (known), one mask for all channels.

    Raises:
        ValueError: another shape, other values, nothing known; on a call: another size than x.

    Built in lesson 01.

    >>> Mask(torch.eye(8)[None, None])(torch.ones(1, 3, 8, 8)).sum()
    tensor(24.)
    """

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", require_mask(mask))  # (1, 1, H, W)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2:] != self.mask.shape[2:]:
            raise ValueError(
                f"the mask has {tuple(self.mask.shape[2:])} pixels, the picture "
                f"{tuple(x.shape[2:])}: make the mask for this picture's height and width"
            )
        return x * self.mask  # (1, C, H, W)


class Downsample(nn.Module):
    """A(x): a smaller picture, by a Lanczos-2 filter and keeping every factor-th value.

    The output pixel i is centred at (i + ½)·factor − ½ of the input. An input pixel at distance d
    from it, measured in output pixels, has the weight sinc(d)·sinc(d/2) for |d| < 2, else none;
    the weights along a line are divided by their sum. Beyond the border the edge pixel repeats.
    Channels are treated alike and apart.

    Args:
        factor: whole number ≥ 2 that divides height and width.

    Raises:
        ValueError: factor is not a whole number ≥ 2; on a call: it does not divide the size.

    Source: Lanczos 1956; phase and width as in Ulyanov et al., IJCV 2020, section 3.2.
    Built in lesson 01 (used) and lesson 06 (taken apart).

    >>> Downsample(4)(torch.ones(1, 3, 16, 32)).shape
    torch.Size([1, 3, 4, 8])
    """

    mask: torch.Tensor | None = None
    kernel: torch.Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = whole("factor", factor, 2)
        weights = lanczos_weights(self.factor)  # (taps,)
        self.border = (len(weights) - self.factor) // 2
        self.register_buffer("kernel", weights[:, None] * weights[None, :])  # (taps, taps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        if height % self.factor or width % self.factor:
            fits = height - height % self.factor, width - width % self.factor
            remedy = (
                f"crop the picture to {fits[0]} × {fits[1]}" if all(fits) else "use a smaller one"
            )
            raise ValueError(
                f"the factor {self.factor} does not divide {height} × {width}: {remedy}"
            )
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, 1, -1, -1)  # (C, 1, taps, taps)
        x = F.pad(x, (self.border,) * 4, mode="replicate")  # (1, C, H + 2·border, W + 2·border)
        x = F.conv2d(x, kernel, stride=self.factor, groups=channels)
        return x  # (1, C, H/factor, W/factor)


def lanczos_weights(factor: int) -> torch.Tensor:
    """The weights of the Lanczos-2 filter that ``Downsample`` applies along rows and columns.

    Args:
        factor: how many input pixels make one output pixel, a whole number.

    Returns:
        Tensor (taps,), symmetric, with sum 1: 4·factor taps for an even factor, 4·factor − 1 for
        an odd one.

    Built in lesson 06.

    >>> lanczos_weights(2).shape
    torch.Size([8])
    """
    taps = 4 * factor if factor % 2 == 0 else 4 * factor - 1
    pixels = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2  # (taps,), from the centre
    distance = pixels / factor  # in output pixels
    weights = torch.sinc(distance) * torch.sinc(distance / 2)
    return (weights / weights.sum()).float()


class Blur(nn.Module):
    """A(x): every pixel becomes a weighted mean of its surroundings, with Gaussian weights.

    The weights exp(−d²/2σ²) reach ⌈3σ⌉ pixels to each side, along columns and then along rows, and
    are divided by their sum. Beyond the border the edge pixel repeats. Channels are treated alike
    and apart.

    Args:
        sigma: standard deviation of the Gaussian, in pixels.

    Raises:
        ValueError: sigma is not positive, or so large (above 100) that it must be a mistake.

    Built in lesson 06 (used).

    >>> Blur(1.5)(torch.ones(1, 3, 16, 32)).shape
    torch.Size([1, 3, 16, 32])
    """

    mask: torch.Tensor | None = None
    kernel: torch.Tensor

    def __init__(self, sigma: float) -> None:
        super().__init__()
        if not 0 < as_float(sigma) <= 100:
            raise ValueError(f"sigma={sigma!r}: give the width of the blur in pixels, such as 1.5")
        self.reach = math.ceil(3 * sigma)
        distance = torch.arange(-self.reach, self.reach + 1, dtype=torch.float64)  # (taps,)
        weights = torch.exp(-(distance**2) / (2 * sigma**2))
        self.register_buffer("kernel", (weights / weights.sum()).float())  # (taps,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = x.shape[1]
        column = self.kernel.view(1, 1, -1, 1).expand(channels, -1, -1, -1)  # (C, 1, taps, 1)
        row = self.kernel.view(1, 1, 1, -1).expand(channels, -1, -1, -1)  # (C, 1, 1, taps)
        x = F.pad(x, (self.reach,) * 4, mode="replicate")  # (1, C, H + 2·reach, W + 2·reach)
        x = F.conv2d(x, column, groups=channels)  # (1, C, H, W + 2·reach)
        return F.conv2d(x, row, groups=channels)  # (1, C, H, W)


def add_noise(
    x: torch.Tensor,
    sigma: float,
    kind: str = "gaussian",
    generator: torch.Generator | None = None,
    clip: bool = True,
) -> torch.Tensor:
    """Add noise whose standard deviation is sigma.

    Args:
        x: tensor (1, C, H, W) in [0, 1].
        sigma: standard deviation of the error before clipping, at most 1, in [0, 1] units (25 grey
            levels are 25/255).
        kind: "gaussian"; "uniform" between ±√3·sigma; or "salt_pepper", which turns just as many
            pixels black or white as give this root-mean-square error.
        generator: torch.Generator on the CPU, for a repeatable draw.
        clip: keep the values in [0, 1], as a file would. This lowers the error below sigma.

    Returns:
        Tensor (1, C, H, W).

    Raises:
        ValueError: x is not a picture in [0, 1], sigma is not from 0 to 1, or more than salt and
            pepper reach; an unknown kind.

    Built in lesson 00.

    >>> add_noise(torch.full((1, 1, 8, 8), 0.5), 25 / 255).shape
    torch.Size([1, 1, 8, 8])
    """
    images.require(x)
    if not 0 <= as_float(sigma) <= 1:
        raise ValueError(
            f"sigma={sigma!r}: give it in [0, 1] units, so 1 at most; 25 grey levels are 25/255"
        )
    if kind == "gaussian":
        y = x + sigma * torch.randn(x.shape, generator=generator).to(x)  # (1, C, H, W)
    elif kind == "uniform":
        y = x + 3**0.5 * sigma * (2 * torch.rand(x.shape, generator=generator).to(x) - 1)
    elif kind == "salt_pepper":
        y = _salt_pepper(x, sigma, generator)
    else:
        raise ValueError(f"kind={kind!r}: use 'gaussian', 'uniform' or 'salt_pepper'")
    return y.clamp(0, 1) if clip else y


def _salt_pepper(x: torch.Tensor, sigma: float, generator: torch.Generator | None) -> torch.Tensor:
    error = (x**2 + (1 - x) ** 2).mean().item() / 2  # of a pixel that was hit, on average
    share = sigma**2 / error
    if share > 1:
        raise ValueError(
            f"sigma={sigma}: salt and pepper reach {error**0.5:.2f} at most on this picture"
        )
    chances = torch.rand((2, 1, 1, *x.shape[2:]), generator=generator).to(x)  # (2, 1, 1, H, W)
    hit, white = chances  # (1, 1, H, W) each: for all channels at once
    return torch.where(hit < share, (white < 0.5).to(x), x)  # (1, C, H, W)


def jpeg(x: torch.Tensor, quality: int) -> torch.Tensor:
    """What is left of a picture after it was saved as a JPEG file.

    The picture is rounded to 8 bits; the file keeps the colours at half the resolution (4:2:0).

    Args:
        x: tensor (1, C, H, W) in [0, 1].
        quality: whole number from 1 (smallest file) to 95 (hardly a loss), as in Pillow.

    Returns:
        Tensor (1, C, H, W).

    Raises:
        ValueError: x is not a picture in [0, 1], or a quality that does not exist.

    Built in lesson 04.

    >>> jpeg(torch.full((1, 3, 16, 17), 0.5), quality=10).shape
    torch.Size([1, 3, 16, 17])
    """
    quality = whole("quality", quality, 1, 95)
    levels = images.levels(images.require(x))[0]  # (C, H, W)
    kept = codec.decoded(codec.to_jpeg(levels, quality))  # (C, H, W)
    return images.from_levels(kept[None]).to(x)  # (1, C, H, W)


def random_mask(
    height: int, width: int, keep: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """A mask that keeps each pixel with the same chance, for all channels at once.

    Args:
        height: pixels.
        width: pixels.
        keep: share of known pixels, between 0 and 1.
        generator: torch.Generator on the CPU, for a repeatable draw.

    Returns:
        Tensor (1, 1, height, width) of zeros and ones.

    Raises:
        ValueError: keep is not between 0 and 1, or a side is no whole number.

    Built in lesson 01.

    >>> random_mask(8, 8, keep=0.5).shape
    torch.Size([1, 1, 8, 8])
    """
    height, width = whole("height", height, 1), whole("width", width, 1)
    if not 0 < as_float(keep) < 1:
        raise ValueError(f"keep={keep!r}: use a share between 0 and 1, such as 0.5 for 50 %")
    chances = torch.rand(1, 1, height, width, generator=generator)  # (1, 1, H, W)
    return (chances < keep).float()


def text_mask(
    height: int, width: int, text: str = "Deep Image Prior. ", size: float = 14
) -> torch.Tensor:
    """A mask that hides lines of text, written over the whole picture again and again.

    Each line goes on where the line above was cut off. A few large words make a watermark.

    Args:
        height: pixels.
        width: pixels.
        text: what to write; spaces at its end keep the repetitions apart.
        size: size of the letters in pixels; a line is about as high.

    Returns:
        Tensor (1, 1, height, width): 0 under the letters, 1 elsewhere.

    Raises:
        ValueError: there is nothing to write, or letters of less than 5 pixels.

    Source: the text inpainting of Ulyanov et al., IJCV 2020, section 3.3; the letters are those of
    the font that comes with Pillow, where it has them all, and else of fonts that are installed.
    A character that none has is drawn as □, which is said.
    Built in lesson 05.

    >>> text_mask(64, 48).shape
    torch.Size([1, 1, 64, 48])
    """
    height, width = whole("height", height, 1), whole("width", width, 1)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"text={text!r}: give at least one letter")
    if not as_float(size) >= 5:
        raise ValueError(f"size={size!r}: smaller letters than 5 pixels cannot be drawn")
    page = lettering.page(height, width, text.replace("\n", " "), size)  # (H, W)
    return require_mask(images.from_numpy(page))  # (1, 1, H, W)


def hole_mask(
    height: int,
    width: int,
    top: int,
    left: int,
    bottom: int,
    right: int,
    shape: str = "rectangle",
) -> torch.Tensor:
    """A mask that hides one region: rows top … bottom − 1 and columns left … right − 1.

    Args:
        height: pixels of the picture.
        width: pixels of the picture.
        top: first hidden row.
        left: first hidden column.
        bottom: the row after the last hidden one.
        right: the column after the last hidden one.
        shape: "rectangle", or "ellipse" for the largest ellipse in it.

    Returns:
        Tensor (1, 1, height, width): 0 in the hole, 1 elsewhere.

    Raises:
        ValueError: the hole is empty, leaves the picture or covers all of it; an unknown shape.

    Built in lesson 05.

    >>> hole_mask(8, 8, top=2, left=2, bottom=6, right=5).sum()
    tensor(52.)
    """
    places = {"height": height, "width": width, "top": top, "left": left}
    for name, place in (places | {"bottom": bottom, "right": right}).items():
        whole(name, place, unit=" of pixels")
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ValueError(
            f"rows {top} … {bottom} and columns {left} … {right} are no region of a picture of "
            f"{height} × {width}: use 0 ≤ top < bottom ≤ height and 0 ≤ left < right ≤ width"
        )
    # from −1 to 1 inside the hole, at the pixels' centres
    down = (2 * torch.arange(height) + 1 - top - bottom)[:, None] / (bottom - top)  # (H, 1)
    across = (2 * torch.arange(width) + 1 - left - right)[None] / (right - left)  # (1, W)
    if shape == "rectangle":
        hidden = (down.abs() < 1) & (across.abs() < 1)  # (H, W)
    elif shape == "ellipse":
        hidden = down**2 + across**2 < 1  # (H, W)
    else:
        raise ValueError(f"shape={shape!r}: use 'rectangle' or 'ellipse'")
    return require_mask(~hidden[None, None])  # (1, 1, H, W)


def scribble_mask(height: int, width: int, pen: float = 0.022) -> torch.Tensor:
    """A mask that hides a scribble, as somebody may draw it across a photo.

    Args:
        height: pixels.
        width: pixels.
        pen: half of the line's thickness, as a share of the picture's sides.

    Returns:
        Tensor (1, 1, height, width): 0 under the line, 1 elsewhere.

    Raises:
        ValueError: the pen is not between 0 and 1, or so thick that nothing is left.

    Built in lesson 00 (used).

    >>> 0.05 < 1 - scribble_mask(64, 48).mean() < 0.25
    tensor(True)
    """
    height, width = whole("height", height, 1), whole("width", width, 1)
    if not 0 < as_float(pen) < 1:
        raise ValueError(f"pen={pen!r}: use a share of the picture, such as 0.02")
    rows = (torch.arange(height) + 0.5)[:, None] / height  # (H, 1), from 0 to 1
    columns = (torch.arange(width) + 0.5)[None] / width  # (1, W)
    nearest = torch.full((height, width), torch.inf)  # squared distance to the line
    for along in torch.linspace(0, 1, 400):
        row = 0.5 + 0.35 * (1 - 0.3 * along) * torch.sin(19 * along)
        column = 0.08 + 0.84 * along
        nearest = nearest.minimum((rows - row) ** 2 + (columns - column) ** 2)
    return require_mask(nearest[None, None] > pen**2)


def require_mask(mask: torch.Tensor) -> torch.Tensor:
    """Return the mask as float32 if it is one (1, 1, H, W) of zeros and ones, else raise.

    Args:
        mask: tensor (1, 1, H, W), boolean or numbers.

    Returns:
        Tensor (1, 1, H, W), float32.

    Raises:
        ValueError: another shape, other values than 0 and 1, or nothing known.

    Built in lesson 01.

    >>> require_mask(torch.ones(1, 1, 8, 8, dtype=torch.bool)).dtype
    torch.float32
    """
    if not isinstance(mask, torch.Tensor) or mask.ndim != 4 or mask.shape[:2] != (1, 1):
        got = tuple(mask.shape) if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise ValueError(f"a mask is a tensor of shape (1, 1, H, W), one for all channels: {got}")
    mask = mask.float()
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("a mask holds only 0 (hidden) and 1 (known): use (mask > 0.5)")
    if not mask.any():
        raise ValueError("the mask hides every pixel: nothing is left to fit")
    return mask


def shuffle_pixels(
    x: torch.Tensor, how: str = "pixels", generator: torch.Generator | None = None
) -> torch.Tensor:
    """Put the values of a picture into a random order, in one of four ways.

    Args:
        x: tensor (1, C, H, W), on any scale.
        how: "pixels": whole pixels change places, their colours stay together;
            "values": every value of every channel goes anywhere;
            "rows_columns": the rows and then the columns of each channel change places;
            "channels": only the colour channels change places (never back to the same order).
        generator: torch.Generator on the CPU, for a repeatable draw.

    Returns:
        Tensor (1, C, H, W) with the same values.

    Raises:
        ValueError: x is not a picture, an unknown way, or channels of a grey picture.

    Source: section 3.1 and the discussion in W.-J. Tseng's lab report (2018).
    Built in lesson 03.

    >>> x = torch.rand(1, 3, 8, 8)
    >>> torch.equal(shuffle_pixels(x).flatten().sort().values, x.flatten().sort().values)
    True
    """
    images.require(x, unit=False)
    channels, height, width = x.shape[1:]

    def order(n: int) -> torch.Tensor:
        return torch.randperm(n, generator=generator).to(x.device)  # (n,)

    if how == "pixels":
        flat = x.flatten(2)  # (1, C, H·W)
        return flat[:, :, order(height * width)].view_as(x)  # (1, C, H, W)
    if how == "values":
        flat = x.flatten()  # (C·H·W,)
        return flat[order(x.numel())].view_as(x)  # (1, C, H, W)
    if how == "rows_columns":
        shuffled = [channel[order(height)][:, order(width)] for channel in x[0]]  # C times (H, W)
        return torch.stack(shuffled)[None]  # (1, C, H, W)
    if how == "channels":
        if channels == 1:
            raise ValueError("a grey picture has no channels to shuffle: use how='pixels'")
        shift = 1 + int(torch.randint(channels - 1, (), generator=generator))
        return x.roll(shift, dims=1)  # (1, C, H, W)
    raise ValueError(f"how={how!r}: use 'pixels', 'values', 'rows_columns' or 'channels'")


#: Kind of damage → the name of its strength and the values offered.
DAMAGE: dict[str, tuple[str, list[int]]] = {
    "noise": ("σ in grey levels", [5, 10, 15, 25, 35, 50, 75, 100]),
    "missing pixels": ("hidden, in %", [10, 25, 50, 75, 90, 95, 98]),
    "text": ("height of the letters, in pixels", [8, 11, 14, 20, 30, 45]),
    "JPEG": ("quality", [90, 75, 50, 30, 20, 10, 5, 2]),
    "fewer pixels": ("factor", [2, 3, 4, 6, 8]),
}


def damage(
    x: torch.Tensor, kind: str, strength: int, seed: int = 0
) -> tuple[torch.Tensor, nn.Module]:
    """Damage a picture in one of the five ways of the course.

    Args:
        x: tensor (1, C, H, W).
        kind: a key of ``degrade.DAMAGE``.
        strength: "noise": σ in grey levels; "missing pixels": per cent hidden; "text": height of
            the letters in pixels; "JPEG": quality; "fewer pixels": the factor.
        seed: of the noise and of the missing pixels.

    Returns:
        y, tensor (1, C, h, w), and the operator A for a fit.

    Raises:
        ValueError: x is no picture in [0, 1], an unknown kind, or a strength that does not exist
            or has another unit.

    Built in lesson 00 (used).

    >>> y, A = damage(torch.rand(1, 3, 16, 16), "fewer pixels", 2)
    >>> y.shape
    torch.Size([1, 3, 8, 8])
    """
    images.require(x)
    if kind in ("noise", "missing pixels") and not _is_amount(strength):
        raise ValueError(
            f"strength={strength!r}: give {DAMAGE[kind][0]}, such as {DAMAGE[kind][1][2]}"
        )
    generator = torch.Generator().manual_seed(seed)
    height, width = x.shape[2:]
    if kind == "noise":
        return add_noise(x, strength / 255, generator=generator), Identity()
    if kind == "JPEG":
        return jpeg(x, strength), Identity()
    if kind == "missing pixels":
        operator: nn.Module = Mask(random_mask(height, width, 1 - strength / 100, generator))
    elif kind == "text":
        operator = Mask(text_mask(height, width, size=strength))
    elif kind == "fewer pixels":
        operator = Downsample(strength)
    else:
        raise ValueError(f"kind={kind!r}: use one of {', '.join(DAMAGE)}")
    return operator(x), operator


def _is_amount(strength: object) -> bool:
    """A number of grey levels or per cent: 0.1 or 0.5 would be a share of 1."""
    number = as_float(strength)
    return number == 0 or number >= 1
