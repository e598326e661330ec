"""What looks like an answer and does not count where it stands."""

import math
import re
from collections.abc import Sequence

from nbformat.notebooknode import NotebookNode

from dipcourse.grading.identify import Released
from dipcourse.handin import ipynb

WORDS = 20  # a text of so many may be an answer


def elsewhere(
    cells: Sequence[NotebookNode],
    known: dict[str, NotebookNode],
    released: dict[str, Released],
    theirs: Sequence[NotebookNode],
) -> list[str]:
    """Say what looks like an answer and is not where it counts.

    Args:
        cells: the notebook's cells, in order; lines count them from 1.
        known: {name: cell} of the released cells.
        released: {name: released cell}, in order.
        theirs: the cells that are no released ones.

    Returns:
        List of lines.
    """
    places = {id(cell): place for place, cell in enumerate(cells, 1)}
    lines = []
    for name, tests in _tasks(released).items():
        wanted, cell = released[name], known[name]
        here = places[id(cell)]
        first_test = min((places[id(known[test])] for test in tests), default=math.inf)
        if ipynb.fingerprint(cell.source) != ipynb.fingerprint(wanted.source):
            if first_test < here:
                lines.append(f"the answer `{name}` stands below its tests, which ran without it")
            continue
        for other in theirs:
            place = places[id(other)]
            counts = wanted.kind == other.cell_type == "code" and here < place < first_test
            if not counts and (what := _answer(other, wanted)):
                where = f"cell {place}, {other.cell_type}, begins {_beginning(other)!r}"
                lines.append(
                    f"`{name}` is empty; {what} elsewhere, where it does not count: {where}"
                )
    return lines


def answered(notebook: dict, release: dict) -> int:
    """How many of a released notebook's open cells hold something else in another notebook.

    Args:
        notebook: the JSON of a notebook that was handed in, as a dict.
        release: the JSON of the released one.

    Returns:
        A number; 0 for a notebook that nobody worked on, and for one that is about other things.
    """
    stubs = {}
    for cell in release["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if mark.get("solution"):
            stubs[mark["grade_id"]] = ipynb.source_of(cell)
    heads = {ipynb.first_line(stub): name for name, stub in stubs.items()}
    found = set()
    for cell in notebook["cells"]:
        source = ipynb.source_of(cell)
        name = ipynb.name_of(cell, stubs) or heads.get(ipynb.first_line(source))
        if name and ipynb.fingerprint(source) != ipynb.fingerprint(stubs[name]):
            found.add(name)
    return len(found)


def _tasks(released: dict[str, Released]) -> dict[str, list[str]]:
    """{cell for an answer: names of its tests, which follow it in the release}."""
    tasks: dict[str, list[str]] = {}
    tests: list[str] = []
    for name, cell in released.items():
        if cell.solution:
            tests = tasks[name] = []
        elif cell.grade:
            tests.append(name)
    return tasks


def _answer(cell: NotebookNode, wanted: Released) -> str:
    """What in a cell looks like the answer that is wanted, in words; "" if nothing."""
    if wanted.kind == "code":
        names = "|".join(ipynb.defined(wanted.source))
        found = names and re.search(rf"^\s*(?:def|class)\s+({names})\b", cell.source, re.MULTILINE)
        return f"{found[1]} is defined" if found else ""
    text = cell.source
    if cell.cell_type == "code":
        text = " ".join(re.findall(r"#(.*)", text))
    return "there is a text" if len(text.split()) >= WORDS else ""


def _beginning(cell: NotebookNode) -> str:
    return " ".join(cell.source.split())[:40]
