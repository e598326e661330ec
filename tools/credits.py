"""Write the reference figures' lines of images/CREDITS.md: `python -m tools.credits`.

A reference figure is images/NN_name.png; its alt text is the file's own Description.
"""

import re
from pathlib import Path

from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "images"
LINE = re.compile(r"^\| `\d\d_.*\n", re.MULTILINE)
HEAD = "| file | source | licence | alt text |\n|---|---|---|---|\n"


def line(path):
    """Return the table's line for one reference figure."""
    with Image.open(path) as picture:
        alt = picture.info["Description"].replace("|", "\\|")
    return f"| `{path.name}` | a run of lesson {path.name[:2]} | CC BY 4.0 | {alt} |\n"


def credited(text, folder=FOLDER):
    """Return the text of CREDITS.md with one line for each figure, at the first table's head."""
    lines = "".join(line(path) for path in sorted(folder.glob("[0-9][0-9]_*.png")))
    return LINE.sub("", text).replace(HEAD, HEAD + lines, 1)


if __name__ == "__main__":
    page = FOLDER / "CREDITS.md"
    page.write_text(credited(page.read_text(encoding="utf-8")), encoding="utf-8")
