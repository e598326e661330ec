"""Figures with computed captions and alt texts, shown exactly once in every front end.

Each function shows its figure and returns it as a ``Picture``. With ``display=False`` it only
returns it: this is how a figure gets into a ``live.panel``, or into a file.

    figures    what lessons call
    panels     pictures side by side, drawn for a file
    gallery    the same as a notebook shows it
    charts     curves in one pair of axes
    picture    a finished figure: its file, its alt text, what it is saved as
    saving     a picture to take along
    sizes      how large everything is

May not enter: anything that knows a network, a fit or a widget. A figure shows what a fit left
behind, never how it was made.
"""

from dipcourse._palette import COLOURS, MARKERS
from dipcourse.show.figures import curves, images, reference, strip
from dipcourse.show.picture import Picture
from dipcourse.show.saving import download

__all__ = ["COLOURS", "MARKERS", "Picture", "curves", "download", "images", "reference", "strip"]
