"""A photo, a kind of damage and its strength to choose, with y beside x."""

from collections.abc import Sequence
from pathlib import Path

import ipywidgets as widgets
import torch

from dipcourse import degrade, images, metrics, show
from dipcourse._html.shown import Shown
from dipcourse.live.panels import Panel, control

PHOTOS = ("face", "chelsea", "coffee", "brick", "page")


class DamagePanel(Panel):
    """A choice of photo and damage, with y beside x. Made by ``damage_panel``.

    Attributes:
        x: tensor (1, C, H, W), the clean photo.
        y: tensor (1, C, h, w), what the damage leaves of it.
        operator: A of ``degrade``, which makes y from x (noise and JPEG apart).

    Built in lesson 00 (used).
    """

    def __init__(self, photos: dict[str, str | torch.Tensor], size: int, seed: int) -> None:
        self._photos, self._size, self._seed = photos, size, seed
        look = {"style": {"description_width": "90px"}, "layout": {"max_width": "560px"}}
        photo = widgets.Dropdown(options=list(photos), description="photo", **look)
        kind = widgets.Dropdown(options=list(degrade.DAMAGE), description="damage", **look)
        strengths = {name: control(*about) for name, about in degrade.DAMAGE.items()}
        for slider in strengths.values():
            slider.index = len(slider.options) // 2
        kind.observe(lambda change: self._show_only(change.new), names="value")
        super().__init__(self._draw_damage, {"photo": photo, "kind": kind, **strengths})
        self._show_only(kind.value)

    def _show_only(self, kind: str) -> None:
        """Of the sliders, only that of the damage that is chosen."""
        for name in degrade.DAMAGE:
            self.controls[name].layout.display = "flex" if name == kind else "none"

    def _draw_damage(self, photo: str, kind: str, **strengths: int) -> Shown:
        chosen = self._photos[photo]
        self.x = images.load(chosen, self._size) if isinstance(chosen, str) else chosen
        self.y, self.operator = degrade.damage(self.x, kind, strengths[kind], self._seed)
        label = f"y: {kind}, {self.controls[kind].description}: {strengths[kind]}"
        if isinstance(self.operator, degrade.Identity):
            label += f"; {metrics.psnr(self.y, self.x):.1f} dB"
        return show.images({"x: clean": self.x, label: self.y}, display=False)


def damage_panel(
    photos: str | torch.Tensor | Sequence[str | Path] | dict[str, torch.Tensor] = PHOTOS,
    size: int = 192,
    seed: int = 0,
) -> DamagePanel:
    """Choose a photo, a kind of damage and its strength, and see x and y side by side.

    Args:
        photos: names of ``images.PHOTOS`` or paths, or one of them; a tensor (1, C, H, W), or a
            dict of title → tensor.
        size: side in pixels of photos given by name. 192 fits all factors.
        seed: of the noise and of the missing pixels.

    Returns:
        A DamagePanel: ``panel.y`` and ``panel.operator`` go straight into a fit, and ``panel.x``
        is the clean photo.

    Raises:
        ValueError: no photo, or no picture in [0, 1]. FileNotFoundError: an unknown name.

    Built in lesson 00 (used).

    >>> damage_panel({"grey": torch.full((1, 1, 48, 48), 0.5)}).y.shape
    torch.Size([1, 1, 48, 48])
    """
    chosen: dict[str, str | torch.Tensor]
    if isinstance(photos, torch.Tensor):
        chosen = {"photo": images.require(photos, "the photo")}
    elif isinstance(photos, dict):
        chosen = {title: images.require(x, f"the photo {title!r}") for title, x in photos.items()}
    else:
        names = (photos,) if isinstance(photos, str) else photos
        chosen = {str(name): str(name) for name in names}
    if not chosen:
        raise ValueError("no photos: give names such as ('face', 'chelsea')")
    made = DamagePanel(chosen, size, seed)
    made.show()
    return made
