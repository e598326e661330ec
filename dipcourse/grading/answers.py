"""What looks like an answer and does not count where it stands."""

import math
import re

from dipcourse import handin

WORDS = 20  # a text of so many may be an answer


def elsewhere(cells, known, released, theirs):
    """Say what looks like an answer and is not where it counts.

    Args:
        cells: the notebook's cells, in order; lines count them from 1.
        known: {name: cell} of the released cells.
        released: {name: released cell}, in order; with source, kind, solution and grade.
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
        if handin.fingerprint(cell.source) != handin.fingerprint(wanted.source):
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


def _tasks(released):
    """{cell for an answer: names of its tests, which follow it in the release}."""
    tasks, tests = {}, []
    for name, cell in released.items():
        if cell.solution:
            tests = tasks[name] = []
        elif cell.grade:
            tests.append(name)
    return tasks


def _answer(cell, wanted):
    """What in a cell looks like the answer that is wanted, in words; "" if nothing."""
    if wanted.kind == "code":
        names = "|".join(handin.defined(wanted.source))
        found = names and re.search(rf"^\s*(?:def|class)\s+({names})\b", cell.source, re.MULTILINE)
        return f"{found[1]} is defined" if found else ""
    text = cell.source
    if cell.cell_type == "code":
        text = " ".join(re.findall(r"#(.*)", text))
    return "there is a text" if len(text.split()) >= WORDS else ""


def _beginning(cell):
    return " ".join(cell.source.split())[:40]
