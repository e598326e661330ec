"""Which cell of a notebook is which released one, after many hands.

A cell is known by nbgrader's mark, else by its id (every source cell has the same name for both),
else by its text.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from nbformat.notebooknode import NotebookNode

from dipcourse.handin import ipynb

SINGLE = 3  # cells of which each has a line of its own
HIDDEN = re.compile(r"^.*BEGIN HIDDEN TESTS.*\n(.*\n)*?.*END HIDDEN TESTS.*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Released:
    """A released cell, as nbgrader knows it.

    Args:
        name: nbgrader's name for it, which is its id.
        source: its text, hidden tests included.
        kind: "code" or "markdown".
        checksum: nbgrader's.
        locked: whether the student may not change it.
        points: what it is worth at most; None if nothing.
        grade, solution, task: nbgrader's marks.
    """

    name: str
    source: str
    kind: str
    checksum: str
    locked: bool
    points: float | None
    grade: bool
    solution: bool
    task: bool


def cells(
    theirs: list[NotebookNode], released: dict[str, Released]
) -> tuple[dict[str, NotebookNode], list[str]]:
    """Find the cell of each released one; the others lose nbgrader's mark.

    Args:
        theirs: the cells of a notebook, each with an id; marks are changed in place.
        released: the released cells by their names, in order.

    Returns:
        {name: cell} of those that were found, in the order of the release, and lines about what
        was not as it should be.
    """
    claims = by_mark_or_id(theirs, released)
    unmarked = [
        name
        for name, claiming in claims.items()
        if not any("nbgrader" in cell.metadata for cell in claiming)
    ]
    found = by_text(theirs, claims, released)
    lines = found_by("id", unmarked) + found_by("text", list(found))
    claims |= found
    chosen = {name: choose(released[name], claiming) for name, claiming in claims.items()}
    lines += [
        several(released[name], claiming, chosen[name])
        for name, claiming in claims.items()
        if len(claiming) > 1
    ]
    unmark(theirs, chosen.values())
    return {name: chosen[name] for name in released if name in chosen}, lines


def found_by(what: str, names: list[str]) -> list[str]:
    """Lines about cells without nbgrader's mark: one for each, or one for all if they are many.

    >>> found_by("id", ["task-psnr"])
    ['the cell `task-psnr` had lost its mark and was found by its id']
    >>> found_by("text", ["setup", "task-psnr", "test-psnr", "task-tv"])
    ['4 cells, the first of them `setup`, had lost their mark and were found by their text']
    """
    if len(names) > SINGLE:
        first = f"{len(names)} cells, the first of them `{names[0]}`,"
        return [f"{first} had lost their mark and were found by their {what}"]
    return [f"the cell `{name}` had lost its mark and was found by its {what}" for name in names]


def by_mark_or_id(
    theirs: Iterable[NotebookNode], released: dict[str, Released]
) -> dict[str, list[NotebookNode]]:
    """{name: cells that claim to be it}."""
    claims = defaultdict(list)
    for cell in theirs:
        if (name := ipynb.name_of(cell, released)) is not None:
            claims[name].append(cell)
    return dict(claims)


def by_text(
    theirs: Iterable[NotebookNode],
    claims: dict[str, list[NotebookNode]],
    released: dict[str, Released],
) -> dict[str, list[NotebookNode]]:
    """{name: cells with its text} of the released cells that no cell claims to be.

    A cell counts once, for the first of the released ones.
    """
    taken = {id(cell) for claiming in claims.values() for cell in claiming}
    found = {}
    for name in [name for name in released if name not in claims]:
        free = [cell for cell in theirs if id(cell) not in taken]
        if fitting := [cell for cell in free if alike(cell, released[name])]:
            found[name] = fitting
            taken |= {id(cell) for cell in fitting}
    return found


def alike(cell: NotebookNode, wanted: Released) -> bool:
    """Whether a cell without id and mark is the wanted one: the same text, or the same first line.

    The first line names what a cell is about: ``def psnr(a, b):`` or ``# Test 1a · …``.
    """
    first = ipynb.first_line(cell.source)
    titled = len(first) > 9 and first == ipynb.first_line(wanted.source)
    return titled or same_text(cell.source, wanted.source)


def choose(wanted: Released, claiming: list[NotebookNode]) -> NotebookNode:
    """Of cells that claim to be one: an answered one; of several that with its id, or the last."""
    with_answer = answered(wanted, claiming) if wanted.solution else []
    pool = with_answer or claiming
    return next((cell for cell in pool if cell.id == wanted.name), pool[-1])


def answered(wanted: Released, claiming: Iterable[NotebookNode]) -> list[NotebookNode]:
    """The cells that hold something else than the released one."""
    return [cell for cell in claiming if not same_text(cell.source, wanted.source)]


def several(wanted: Released, claiming: list[NotebookNode], chosen: NotebookNode) -> str:
    """The line about a cell that was there more than once."""
    line = f"the cell `{wanted.name}` was there {len(claiming)} times"
    if wanted.solution and wanted.grade and len(answered(wanted, claiming)) > 1:
        begins = repr(chosen.source[:60])
        line += f"; more than one holds an answer, and this one counts: {begins}"
    return line


def unmark(theirs: Iterable[NotebookNode], known: Iterable[NotebookNode]) -> None:
    """Take nbgrader's mark from the cells that are no released ones."""
    kept = {id(cell) for cell in known}
    for cell in theirs:
        if id(cell) not in kept:
            cell.metadata.pop("nbgrader", None)


def shown(source: str) -> str:
    """A source without its hidden tests."""
    return HIDDEN.sub("", source + "\n")


def same_text(a: str, b: str) -> bool:
    """Whether two sources agree, hidden tests and white space apart."""
    return ipynb.fingerprint(shown(a)) == ipynb.fingerprint(shown(b))
