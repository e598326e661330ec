"""The page that a student gets back: without hidden tests, with an index that names the tests."""

import html
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor

from dipcourse.grading import collect, identify

WRAP = "<style>pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }</style>"


class HideTests(NbGraderPreprocessor):
    """For the feedback: no hidden tests. The outputs of a test cell hold nothing of it anyway."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if utils.is_grade(cell) and cell.cell_type == "code":
            cell.source = identify.shown(cell.source).rstrip()
        return cell, resources


def polish(notebooks: Iterable[str], **_: object) -> None:
    """Long lines of a feedback page are wrapped, its index names the tests; nbgrader calls it.

    Args:
        notebooks: paths "autograded/<student>/<assignment>/<notebook>.ipynb".
    """
    for place in map(Path, notebooks):
        page = Path("feedback", *place.parts[-3:]).with_suffix(".html")
        text = page.read_text(encoding="utf-8").replace("</head>", f"{WRAP}</head>", 1)
        for cell in nbformat.read(place, as_version=4).cells:
            title = cell.source.split("\n")[0]
            if utils.is_grade(cell) and title.startswith("# "):
                link = f'<a href="#{cell.metadata.nbgrader.grade_id}">'
                text = text.replace(f"{link}Test cell", link + html.escape(title[2:]))
        page.write_text(text, encoding="utf-8")


def pack(assignment: str, folder: Path) -> Path | None:
    """Zip the pages, each named like the file that it answers: so a platform takes them back.

    Args:
        assignment: its name.
        folder: where upload.zip is written; it is made.

    Returns:
        The zip, or None if no page has a name to go by, as after notebooks came by hand.
    """
    pages = {
        f"{place.removesuffix('.ipynb')}.html": page
        for student, place in collect.places(assignment).items()
        if (page := Path("feedback", student, assignment, f"{assignment}.html")).exists()
    }
    if not pages:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "upload.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, page in pages.items():
            file.write(page, name)
    return folder / "upload.zip"
