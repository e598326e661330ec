"""A photo to draw on: what you paint over becomes the hole of an inpainting."""

import anywidget
import torch
import traitlets

from dipcourse import degrade, images
from dipcourse._html import scripts
from dipcourse._palette import PAINT
from dipcourse.images import codec
from dipcourse.live.base import PageWidget, new_note

COLOUR = tuple(bytes.fromhex(PAINT[1:]))  # (red, green, blue)
HELP = (
    "No photo above to draw on? Then this program cannot show it, and the picture here is what "
    "counts. Make another mask with <code>degrade.hole_mask(height, width, top, left, bottom, "
    "right)</code>."
)


class Canvas(anywidget.AnyWidget):
    """The page's side of ``draw_mask``: a photo to paint on. The page sends PNG text back.

    Built in lesson 05 (used).
    """

    _esm = scripts.code("draw")
    photo = traitlets.Unicode().tag(sync=True)
    about = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    drawn = traitlets.Unicode().tag(sync=True)


class DrawnMask(PageWidget):
    """A mask that is drawn in the page. Made by ``draw_mask``.

    Attributes:
        mask: tensor (1, 1, H, W), 0 where something is painted now, 1 elsewhere.

    Built in lesson 05 (used).
    """

    def __init__(self, image: torch.Tensor, start: torch.Tensor | None) -> None:
        self._size = tuple(image.shape[2:])
        shown = image if start is None else image * start
        photo, picture = (codec.address(codec.to_png(images.levels(x)[0])) for x in (image, shown))
        self.canvas = Canvas(
            photo=photo,
            about="a photo to draw on",
            note=new_note(),
            width=self._size[1],
            height=self._size[0],
            drawn="" if start is None else encode(start),
        )
        super().__init__(self.canvas, picture, _count(self.mask), HELP, "a photo to draw a mask on")

    @property
    def mask(self) -> torch.Tensor:
        return decode(self.canvas.drawn, *self._size)


def draw_mask(image: torch.Tensor, start: torch.Tensor | None = None) -> DrawnMask:
    """Show a photo to draw on with the mouse or a finger: what is painted is hidden.

    Draw, erase, brush size, undo and clear stand above the photo. ``.mask`` follows each stroke;
    read it in a later cell.

    Args:
        image: tensor (1, C, H, W).
        start: mask (1, 1, H, W) of what is painted at first, such as a ``degrade.hole_mask``. It
            is also what remains where nobody draws: under Run All, or in a program that cannot
            show the photo. None: nothing.

    Returns:
        A DrawnMask: ``degrade.Mask(drawn.mask)`` is the operator.

    Raises:
        ValueError: image is no picture in [0, 1], or start is no mask of its size.

    Built in lesson 05 (used).

    >>> x = torch.rand(1, 3, 16, 16)
    >>> draw_mask(x, degrade.hole_mask(16, 16, 4, 4, 8, 8)).mask.sum()
    tensor(240.)
    """
    images.require(image, "the image")
    if start is not None and degrade.require_mask(start).shape[2:] != image.shape[2:]:
        raise ValueError(
            f"start has {tuple(start.shape[2:])} pixels, the image {tuple(image.shape[2:])}: "
            "make it for this image's height and width"
        )
    drawn = DrawnMask(image, start)
    drawn.show()
    return drawn


def encode(mask: torch.Tensor) -> str:
    """A mask as the text that the page draws: a PNG that is opaque where the mask is 0.

    Args:
        mask: tensor (1, 1, H, W) of zeros and ones.

    Returns:
        String, a data URL.

    Built in lesson 05 (used).
    """
    hidden = (mask[0] == 0).cpu()  # (1, H, W)
    colour = torch.tensor(COLOUR).view(3, 1, 1).expand(3, *hidden.shape[1:])
    layers = torch.cat([colour, 255 * hidden]).to(torch.uint8)  # (4, H, W)
    return codec.address(codec.to_png(layers))


def decode(text: str, height: int, width: int) -> torch.Tensor:
    """What the page drew, as a mask.

    Args:
        text: a data URL of a PNG, opaque where something is painted, or "".
        height, width: pixels.

    Returns:
        Tensor (1, 1, height, width): 0 where something is painted, 1 elsewhere.

    Raises:
        ValueError: the text is no such PNG.

    Built in lesson 05 (used).

    >>> mask = degrade.hole_mask(16, 16, 4, 4, 8, 8)
    >>> torch.equal(decode(encode(mask), 16, 16), mask)
    True
    """
    if not text:
        return torch.ones(1, 1, height, width)
    try:
        layers = codec.decoded(codec.from_address(text))  # (4, H, W)
        painted = layers[3] > 0
    except (SyntaxError, ValueError, IndexError, OSError) as error:  # damaged: a SyntaxError
        raise ValueError(f"the page sent no drawing: {error}") from None
    if painted.shape != (height, width):
        size = tuple(painted.shape)
        raise ValueError(f"the drawing has {size} pixels, the photo {(height, width)}")
    return (~painted).float()[None, None]


def _count(mask: torch.Tensor) -> str:
    return f"the photo; {int((mask == 0).sum())} of {mask.numel()} pixels are hidden"
