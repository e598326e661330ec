"""The things whose parameters a fit changes: plain pixels, or the weights of a network."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from dipcourse import images
from dipcourse._numbers import whole

SLOPE = 0.2  # of LeakyReLU for negative values, as in the paper

Skip = int | Literal["identity"]  # channels that lead across


class PixelImage(nn.Module):
    """A picture whose parameters are its own pixels: f_θ(z) = θ, whatever z is.

    Args:
        start: tensor (1, C, H, W), the picture to start from.

    Raises:
        ValueError: start is no picture, or far outside [0, 1].

    Built in lesson 01.

    >>> PixelImage(torch.zeros(1, 3, 8, 8))(None).shape
    torch.Size([1, 3, 8, 8])
    """

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.pixels = nn.Parameter(images.require(start, "the start").detach().clone())

    def forward(self, z: torch.Tensor | None) -> torch.Tensor:
        return self.pixels  # (1, C, H, W)


class UNet(nn.Module):
    """The paper's encoder–decoder: from a fixed input z to a picture of the same size.

    Each scale halves the size by a strided convolution and doubles it again on the way up; a skip
    of a few channels may lead across. Any height and width: z is padded to the next size that
    the scales divide, and the output cropped back.

    Args:
        in_channels: channels of z.
        out_channels: channels of the picture, 1 or 3.
        widths: channels of each scale, finest first; 1 to 6 scales.
        skip: channels of the skips, one number for all scales or one for each; 0 for none, which
            makes the network an hourglass; "identity" leads all channels across as they are
            (at the finest scale those of z), without a convolution.
        upsample: "bilinear", "nearest" or "transposed".

    Returns (on a call):
        Tensor (1, out_channels, H, W), float32 in [0, 1], for z of shape (1, in_channels, H, W).

    Raises:
        ValueError: a number of scales, skips or an upsampling that does not exist; on a call:
            z of another shape.

    Source: Ulyanov, Vedaldi, Lempitsky, IJCV 2020, figure 21; with widths (128,) * 5, skip 4 and
    32 input channels it has that code's 2,217,831 parameters.
    Built in lesson 02.

    >>> UNet(8, 3, widths=(16, 16), skip=4)(torch.zeros(1, 8, 17, 30)).shape
    torch.Size([1, 3, 17, 30])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: Iterable[int] = (128,) * 5,
        skip: Skip | tuple[Skip, ...] | list[Skip] = 4,
        upsample: str = "bilinear",
    ) -> None:
        super().__init__()
        widths = tuple(widths)
        skips = tuple(skip) if isinstance(skip, tuple | list) else (skip,) * len(widths)
        if not 1 <= len(widths) <= 6 or min(widths) < 1:
            raise ValueError(f"widths={widths}: use 1 to 6 scales of at least 1 channel")
        if len(skips) != len(widths) or not all(map(_is_skip, skips)):
            raise ValueError(
                f"skip={skip!r}: use one number or 'identity', or {len(widths)}, one for each scale"
            )
        if upsample not in ("bilinear", "nearest", "transposed"):
            raise ValueError(f"upsample={upsample!r}: use 'bilinear', 'nearest' or 'transposed'")
        self.in_channels = in_channels
        self.down, self.skip = nn.ModuleList(), nn.ModuleList()
        self.enlarge, self.up = nn.ModuleList(), nn.ModuleList()
        entering, crossing = in_channels, []
        for width, across in zip(widths, skips, strict=True):
            self.down.append(nn.Sequential(block(entering, width, stride=2), block(width, width)))
            self.skip.append(_skipping(entering, across))  # type: ignore[arg-type]  # it takes None
            crossing.append(entering if across == "identity" else across)
            entering = width
        for i, (width, across) in enumerate(zip(widths, crossing, strict=True)):
            below = widths[min(i + 1, len(widths) - 1)]
            self.enlarge.append(_enlarging(below, upsample))
            self.up.append(
                nn.Sequential(
                    nn.BatchNorm2d(across + below),
                    block(across + below, width),
                    block(width, width, kernel=1),
                )
            )
        self.out = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        _require_input(z, self.in_channels)
        height, width = z.shape[2:]
        x = self._pad(z)  # (1, in_channels, H, W) with H and W that the scales divide
        sides = []
        for down, skip in zip(self.down, self.skip, strict=True):
            sides.append(None if skip is None else skip(x))  # (1, skip, H, W)
            x = down(x)  # (1, w, H/2, W/2) with w, the width of this scale
        for enlarge, up in zip(reversed(self.enlarge), reversed(self.up), strict=True):
            side = sides.pop()
            x = enlarge(x)  # (1, w of the scale below, 2·H, 2·W)
            if side is not None:
                x = torch.cat([side, x], dim=1)  # (1, skip + w of the scale below, 2·H, 2·W)
            x = up(x)  # (1, w, 2·H, 2·W)
        x = _picture(self.out(x))  # (1, out_channels, H, W), still padded
        return x[:, :, :height, :width]  # (1, out_channels, H, W), as large as z

    def _pad(self, z: torch.Tensor) -> torch.Tensor:
        """To a multiple of 2^scales, and so large that the deepest level has 2 × 2 pixels."""
        step = 2 ** len(self.down)
        height, width = (max(2 * step, _next_multiple(n, step)) for n in z.shape[2:])
        if (height, width) == z.shape[2:]:
            return z
        right, below = width - z.shape[3], height - z.shape[2]
        return F.pad(z, (0, right, 0, below), mode="replicate")  # (1, in_channels, height, width)


class ResNet(nn.Module):
    """The network without scales that the paper compares with: residual blocks at full size.

    A convolution, then ``blocks`` times x + (convolution, BatchNorm, LeakyReLU, convolution,
    BatchNorm), then a convolution to the picture's channels.

    Args:
        in_channels: channels of z.
        out_channels: channels of the picture, 1 or 3.
        width: channels inside.
        blocks: number of residual blocks, at least 1.

    Returns (on a call):
        Tensor (1, out_channels, H, W), float32 in [0, 1], for z of shape (1, in_channels, H, W).

    Raises:
        ValueError: no block or no channel; on a call: z of another shape.

    Source: Ulyanov, Vedaldi, Lempitsky, IJCV 2020, figure 8 ("ResNet, depth 8").
    Built in lesson 05.

    >>> ResNet(8, 3, width=16, blocks=2)(torch.zeros(1, 8, 17, 30)).shape
    torch.Size([1, 3, 17, 30])
    """

    def __init__(
        self, in_channels: int, out_channels: int, width: int = 32, blocks: int = 8
    ) -> None:
        super().__init__()
        if width < 1 or blocks < 1:
            raise ValueError(f"width={width}, blocks={blocks}: use at least 1 of each")
        self.in_channels = in_channels
        self.enter = block(in_channels, width)
        self.blocks = nn.ModuleList(_residual(width) for _ in range(blocks))
        self.out = nn.Conv2d(width, out_channels, 3, padding=1, padding_mode="reflect")

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = self.enter(_require_input(z, self.in_channels))  # (1, width, H, W)
        for change in self.blocks:
            x = x + change(x)  # (1, width, H, W)
        return _picture(self.out(x))  # (1, out_channels, H, W)


class DeepDecoder(nn.Module):
    """A network so small that it cannot hold the noise: it mixes channels and enlarges.

    Each scale is a 1 × 1 convolution, bilinear enlargement by 2, ReLU and BatchNorm; a last 1 × 1
    convolution makes the picture. No filter looks at a pixel's neighbours, only the enlargement
    does. The picture is 2^scales times as high and wide as z.

    Args:
        in_channels: channels of z; the paper uses as many as ``width``.
        out_channels: channels of the picture, 1 or 3.
        width: channels of all scales; the fewer, the smoother the picture.
        scales: how often the size doubles, at least 1.

    Returns (on a call):
        Tensor (1, out_channels, H·2^scales, W·2^scales), float32 in [0, 1], for z of shape
        (1, in_channels, H, W).

    Raises:
        ValueError: no scale or no channel; on a call: z of another shape.

    Source: Heckel and Hand, Deep Decoder, ICLR 2019, equation 1; with d scales of k channels it
    has that paper's dk² + 2dk + 3k parameters.
    Built in lesson 07.

    >>> z = fixed_input(64, 96 // 2**5, 64 // 2**5)
    >>> DeepDecoder(64, 3, width=64, scales=5)(z).shape
    torch.Size([1, 3, 96, 64])
    """

    def __init__(
        self, in_channels: int, out_channels: int, width: int = 64, scales: int = 5
    ) -> None:
        super().__init__()
        if width < 1 or scales < 1:
            raise ValueError(f"width={width}, scales={scales}: use at least 1 of each")
        self.in_channels = in_channels
        layers: list[nn.Module] = []
        for entering in (in_channels,) + (width,) * (scales - 1):
            mix = nn.Conv2d(entering, width, 1, bias=False)
            layers += [mix, _enlarging(width, "bilinear"), nn.ReLU(), nn.BatchNorm2d(width)]
        self.body = nn.Sequential(*layers)
        self.out = nn.Conv2d(width, out_channels, 1, bias=False)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = self.body(_require_input(z, self.in_channels))  # (1, width, H·2^scales, W·2^scales)
        return _picture(self.out(x))  # (1, out_channels, H·2^scales, W·2^scales)


def block(entering: int, leaving: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, BatchNorm, LeakyReLU: the brick of the U-Net.

    Args:
        entering: channels of the input.
        leaving: channels of the output.
        kernel: side of the filters in pixels, odd; the border is mirrored.
        stride: 2 halves the size.

    Returns:
        nn.Sequential from (1, entering, H, W) to (1, leaving, H/stride, W/stride).

    Built in lesson 02.

    >>> block(3, 8, stride=2)(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """
    # Without a border, "reflect" would copy the picture.
    border: Literal["reflect", "zeros"] = "reflect" if kernel > 1 else "zeros"
    return nn.Sequential(
        nn.Conv2d(entering, leaving, kernel, stride, kernel // 2, padding_mode=border),
        nn.BatchNorm2d(leaving),
        nn.LeakyReLU(SLOPE),
    )


def _residual(width: int) -> nn.Sequential:
    """What a residual block adds: two bricks, of the second without the LeakyReLU."""
    first = block(width, width)
    convolution, normalisation, _ = block(width, width)
    return nn.Sequential(first, convolution, normalisation)


def _require_input(z: torch.Tensor | None, channels: int) -> torch.Tensor:
    if z is None or z.ndim != 4 or z.shape[1] != channels:
        got = None if z is None else tuple(z.shape)
        raise ValueError(f"z has shape {got}, needed is (1, {channels}, H, W)")
    return z


def _picture(x: torch.Tensor) -> torch.Tensor:
    # float32 before the sigmoid: bfloat16 would leave about 8 bits a value
    return torch.sigmoid(x.float())


def _next_multiple(number: int, step: int) -> int:
    return -(-number // step) * step


def _is_skip(skip: object) -> bool:
    return skip == "identity" or (isinstance(skip, int) and skip >= 0)


def _skipping(channels: int, skip: Skip) -> nn.Module | None:
    if skip == "identity":
        return nn.Identity()
    return block(channels, skip, kernel=1) if skip else None


def _enlarging(channels: int, upsample: str) -> nn.Module:
    if upsample == "transposed":
        return nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)
    return nn.Upsample(
        scale_factor=2, mode=upsample, align_corners=False if upsample == "bilinear" else None
    )


def fixed_input(
    channels: int,
    height: int,
    width: int,
    seed: int = 0,
    kind: str = "uniform",
    scale: float = 0.1,
) -> torch.Tensor:
    """The input z of the network, drawn once and never changed.

    Args:
        channels: number of channels; 2 for a grid.
        height: pixels.
        width: pixels.
        seed: whole number; the same seed gives the same z.
        kind: "uniform" in [0, scale], "normal" with standard deviation scale, or "grid": the row
            and the column of each pixel, from 0 to scale.
        scale: size of the values.

    Returns:
        Tensor (1, channels, height, width), float32.

    Raises:
        ValueError: an unknown kind, a grid of other than 2 channels, or a seed that is no whole
            number.

    Source: Ulyanov, Vedaldi, Lempitsky, IJCV 2020: U(0, 0.1) of 32 channels.
    Built in lesson 02.

    >>> fixed_input(32, 64, 48).shape
    torch.Size([1, 32, 64, 48])
    """
    # Never the stream of manual_seed(seed): noise drawn from it would be a copy of z's channels,
    # and a network learns what stands in its input far too quickly.
    generator = torch.Generator().manual_seed(whole("seed", seed, 0) + 2**31)
    shape = (1, channels, height, width)
    if kind == "uniform":
        return scale * torch.rand(shape, generator=generator)  # (1, channels, H, W)
    if kind == "normal":
        return scale * torch.randn(shape, generator=generator)  # (1, channels, H, W)
    if kind == "grid":
        if channels != 2:
            raise ValueError(f"channels={channels}: a grid has 2, the row and the column")
        axes = torch.linspace(0, 1, height), torch.linspace(0, 1, width)  # (H,) and (W,)
        row_and_column = torch.meshgrid(*axes, indexing="ij")  # twice (H, W)
        return scale * torch.stack(row_and_column)[None]  # (1, 2, H, W)
    raise ValueError(f"kind={kind!r}: use 'uniform', 'normal' or 'grid'")
