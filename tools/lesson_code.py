"""The code that students see, taken from the lessons themselves."""

from functools import cache

from tools import notebooks


@cache
def _read(lesson):
    (path,) = notebooks.LESSONS.glob(f"{lesson}_*.ipynb")
    return notebooks.read(path)


def source(lesson, cell_id):
    """The source of one cell, found by the lesson's number ("02") and the cell's id."""
    (cell,) = [cell for cell in _read(lesson).cells if cell.id == cell_id]
    return cell.source


def imports(lesson):
    """What the lesson imports in its cell "setup": a namespace for its other cells."""
    lines = source(lesson, "setup").splitlines()
    names = {}
    exec("\n".join(line for line in lines if line.startswith(("import ", "from "))), names)
    return names


def run(lesson, *cell_ids, **given):
    """Run cells in order on the lesson's imports and the given names; returns the namespace."""
    names = imports(lesson) | given
    for cell_id in cell_ids:
        exec(source(lesson, cell_id), names)
    return names


def answer(lesson, exercise, **given):
    """Run the answer to an exercise, named by the exercise's cell; returns the namespace."""
    names = imports(lesson) | given
    exec(notebooks.answers(_read(lesson))[exercise], names)
    return names
