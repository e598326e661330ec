"""Reference figures, images/NN_name.png: `python -m tools.measured figures 05_seeds`."""

import argparse
import io

from dipcourse import show
from tools.measured import names
from tools.measured.quoting import ROOT

FOLDER = ROOT / "images"

_registered = {}


def figure(name):
    """Register the decorated function.

    It returns a Picture, or a figure of Matplotlib and its alt text.
    """
    names.check(name, _registered)

    def register(draw):
        _registered[name] = draw
        return draw

    return register


def registered():
    """Import the measurements of all lessons and return what draws figures, {name: function}."""
    names.import_all()
    return dict(sorted(_registered.items()))


def save(name, folder=FOLDER):
    """Draw a figure and keep it; its alt text becomes the file's Description."""
    made = _registered[name]()
    if isinstance(made, show.Picture):
        made.save(folder / f"{name}.png")
        return
    drawing, alt = made
    file = io.BytesIO()
    drawing.savefig(file, format="png", dpi=drawing.dpi, metadata={"Description": alt})
    show.Picture.stored(file.getvalue()).save(folder / f"{name}.png")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="none: list them")
    wanted = parser.parse_args(arguments).names
    if unknown := set(wanted) - set(registered()):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; see the list without names")
    for name in wanted:
        save(name)
    for name in sorted(wanted or _registered):
        print(f"images/{name}.png")
