"""The code that students see, taken from the lessons themselves."""

from pathlib import Path

import nbformat

LESSONS = Path(__file__).parents[1] / "lessons"


def source(lesson, cell_id):
    """The source of one cell, found by the lesson's number ("02") and the cell's id."""
    (path,) = LESSONS.glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    return cell.source


def run(lesson, *cell_ids, **names):
    """Run cells in order in a namespace that holds the given names; returns the namespace."""
    for cell_id in cell_ids:
        exec(source(lesson, cell_id), names)
    return names
