"""A photo of one's own, from a file or the camera of whoever reads the page."""

from pathlib import Path

import anywidget
import torch
import traitlets

from dipcourse import images
from dipcourse._html import scripts
from dipcourse._numbers import whole
from dipcourse.images import codec
from dipcourse.live.base import PageWidget, new_note

HELP = (
    "No button above? Then this program cannot show it, and the picture here is what counts. Give "
    'a path instead: <code>images.load("photo.jpg")</code>.'
)


class Picker(anywidget.AnyWidget):
    """The page's side of ``pick_photo``: a file or the camera. The page sends PNG text back.

    Built in lesson 14 (used).
    """

    _esm = scripts.code("pick")
    photo = traitlets.Unicode().tag(sync=True)
    about = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    longest = traitlets.Int().tag(sync=True)
    picked = traitlets.Unicode().tag(sync=True)


class PickedPhoto(PageWidget):
    """A photo that is chosen in the page. Made by ``pick_photo``.

    Attributes:
        photo: tensor (1, C, H, W) in [0, 1]: what was chosen last, or the photo of the start.

    Built in lesson 14 (used).
    """

    def __init__(self, photo: torch.Tensor, longest: int) -> None:
        self._start = photo
        address = codec.address(codec.to_png(images.levels(photo)[0]))
        height, width = photo.shape[2:]
        about = f"a photo of the course, {width} × {height} pixels"
        self.picker = Picker(photo=address, about=about, note=new_note(), longest=longest)
        super().__init__(self.picker, address, about, HELP, "a photo to choose")

    @property
    def photo(self) -> torch.Tensor:
        return decode(self.picker.picked) if self.picker.picked else self._start


def pick_photo(photo: str | Path | torch.Tensor = "face", longest: int = 800) -> PickedPhoto:
    """Choose a photo of one's own: a file of any kind that the browser reads, or the camera.

    The page turns it upright, makes it as small as ``longest`` says, and hands over its pixels
    alone: EXIF data, such as the place where it was taken, never reach the notebook. Made small,
    a photo loses its noise: to restore a noisy one, cut a part out of the file instead, by
    ``images.load`` and ``images.crop``.

    Args:
        photo: what ``.photo`` is until somebody chooses, as under Run All: a name of
            ``images.PHOTOS``, a path, or a tensor (1, C, H, W).
        longest: the longer side in pixels that a larger photo is made to have.

    Returns:
        A PickedPhoto: its ``.photo`` follows each choice; read it in a later cell.

    Raises:
        ValueError: no picture in [0, 1], or longest is not from 64 to 2000.
        FileNotFoundError: an unknown name.

    Built in lesson 14 (used).

    >>> pick_photo(torch.rand(1, 3, 16, 24)).photo.shape
    torch.Size([1, 3, 16, 24])
    """
    longest = whole("longest", longest, 64, 2000, unit=" pixels")
    start = photo if isinstance(photo, torch.Tensor) else images.load(photo)
    picked = PickedPhoto(images.require(start, "the photo"), longest)
    picked.show()
    return picked


def decode(text: str) -> torch.Tensor:
    """What the page sent, as a picture.

    Args:
        text: a data URL of a PNG.

    Returns:
        Tensor (1, 3, H, W), float32 in [0, 1].

    Raises:
        ValueError: the text is no such PNG, or one of less than 8 × 8 pixels.

    Built in lesson 14 (used).

    >>> decode(codec.address(codec.to_png(torch.zeros(3, 8, 8, dtype=torch.uint8)))).shape
    torch.Size([1, 3, 8, 8])
    """
    try:
        layers = codec.decoded(codec.from_address(text))  # (3 or 4, H, W), 0 to 255
    except (SyntaxError, ValueError, OSError) as error:  # damaged: a SyntaxError
        raise ValueError(f"the page sent no picture: {error}") from None
    return images.require(images.from_levels(layers[None, :3]), "the photo")
