"""Before you hand in: is the notebook complete, and does it run from a fresh start?

    ipynb      reads notebook files; ``grading`` and the tools do so with it, too
    current    which notebook it is, and whether what was run last is in it
    fresh      runs it in a new process

Nothing here imports torch, because every command of nbgrader reads notebooks.
"""

import json
import os
import sys
from pathlib import Path

from dipcourse.handin import current, fresh, ipynb

#: What ``graded_cells`` reads; `make assignments` writes it.
MANIFEST = Path(__file__).parent / "_assignments.json"


def submit_check(name: str, path: str | Path | None = None, seconds: float = 600) -> bool | None:
    """Say whether a notebook is ready to be handed in, and under which file name.

    In Colab the live notebook is read, elsewhere the file as it was saved last. Nothing is sent.
    The last line is the verdict.

    Args:
        name: the assignment: "a1_total_variation".
        path: the notebook's file. None: the one that this cell stands in.
        seconds: what the run from a fresh start may take.

    Returns:
        True if nothing is amiss, False otherwise; None inside that fresh run itself.

    Raises:
        ValueError: there is no such assignment.

    Built in assignment 1 (used).
    """
    if "DIPCOURSE_FRESH" in os.environ or "NBGRADER_EXECUTION" in os.environ:
        return None
    known = graded_cells()
    if name not in known:
        raise ValueError(f"no assignment {name!r}: there are {', '.join(sorted(known))}")
    try:
        notebook, where, file = current.live() or current.saved(known[name], path)
    except OSError as error:
        return _verdict(f"NOT CHECKED: {error}")
    print(f"{name}: {where}")
    if "google.colab" not in sys.modules and (what := current.newer_on_screen(notebook, path)):
        return _verdict(
            f"NOT SAVED: the file does not hold {what} as you ran it last. Save (Ctrl+S, ⌘S), "
            "then run this cell again."
        )
    obstacles, gaps = examine(notebook, known[name])
    print(*obstacles, *gaps, sep="\n", end="\n" if obstacles or gaps else "")
    if not obstacles and not gaps:
        print("✓ complete: every graded cell is there, once, and answered")
    errors, failed = fresh.run(notebook, seconds)
    if obstacles or errors:
        found = _count(len(obstacles + errors), "obstacle")
        return _verdict(f"NOT READY: {found} above. Mend, save, and run this cell again.")
    right = f"{name}.ipynb"
    under = right if file in ("", right) else f"{right} (now it is {file}: rename it)"
    if gaps or failed:
        left = f"{_count(len(gaps), 'cell')} not answered, {_count(len(failed), 'test')} not passed"
        return _verdict(f"NOT COMPLETE: {left}. If you stop here, hand in the file {under}.")
    return _verdict(f"READY: hand in the file {under}.")


def graded_cells() -> dict[str, dict[str, dict[str, str]]]:
    """The graded cells of the released assignments.

    Returns:
        {assignment: {name of the cell: {"kind": "task" | "test" | "answer", "stub": fingerprint}}}.

    Built in assignment 1 (used).
    """
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


def examine(notebook: dict, wanted: dict[str, dict[str, str]]) -> tuple[list[str], list[str]]:
    """Look for graded cells that are missing, double or of another type, and for empty ones.

    Args:
        notebook: the notebook's JSON as a dict.
        wanted: {name of the cell: what it is}, see ``graded_cells``.

    Returns:
        Two lists of lines: what must be mended, and what is not answered yet.

    Built in assignment 1 (used).
    """
    found: dict[str, list[dict]] = {}
    obstacles, gaps = [], []
    for cell in notebook["cells"]:
        if (own := ipynb.name_of(cell, wanted)) is not None:
            found.setdefault(own, []).append(cell)
    for name, what in wanted.items():
        cells = found.get(name, [])
        kind = "markdown" if what["kind"] == "answer" else "code"
        if not cells:
            obstacles.append(f"✗ the cell {name} is missing: take it from the released notebook")
        elif len(cells) > 1:
            obstacles.append(f"✗ the cell {name} is there {len(cells)} times: keep one")
        elif (came := cells[0].get("cell_type")) != kind:
            obstacles.append(f"✗ the cell {name} has become {came}: make it {kind} again")
        elif what["kind"] != "test" and _is_stub(cells[0], what["stub"]):
            gaps.append(f"☐ {name} is not answered yet")
    return obstacles, gaps


def _is_stub(cell: dict, stub: str) -> bool:
    return ipynb.fingerprint(ipynb.source_of(cell)) == stub


def _verdict(words: str) -> bool:
    """Print the last line, and return whether all is well."""
    marks = {"READY": "✓", "NOT COMPLETE": "☐"}
    mark = marks.get(words.split(":")[0], "✗")
    print(f"\n{mark} {words}")
    return mark == "✓"


def _count(number: int, noun: str) -> str:
    """A number with its noun, which gets an s for every number but 1."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
