"""Panels that need the kernel: sliders, a fit to steer while it runs, damage, a mask to draw.

A panel works with ipywidgets 7.7.1 and 8. Slider and picture are plain widgets; the picture is an
``<img>`` with alt text. What only shows finished frames is ``player.iterations``, which lives on
without a kernel.

    base        what all panels share
    panels      sliders above a picture that follows them
    steps       a slider over the kept steps of a fit, and views
    damages     a choice of photo and damage
    watching    a fit whose output is on the page while it runs
    fitting     a fit that is steered while it runs; sight draws what both show
    mask        a photo to paint a mask on
    picking     a photo of one's own, from a file or the camera

May not enter: science. The damage is made by ``degrade``.
"""

from dipcourse.degrade import DAMAGE, damage
from dipcourse.live.damages import damage_panel
from dipcourse.live.fitting import fit_panel
from dipcourse.live.mask import draw_mask
from dipcourse.live.panels import panel
from dipcourse.live.picking import pick_photo
from dipcourse.live.steps import crop, difference, iterations, spectrum
from dipcourse.live.watching import watch

__all__ = [
    "DAMAGE",
    "crop",
    "damage",
    "damage_panel",
    "difference",
    "draw_mask",
    "fit_panel",
    "iterations",
    "panel",
    "pick_photo",
    "spectrum",
    "watch",
]
