"""Which submissions nbgrader has graded as they are now: it leaves them, and their marks, alone."""

import hashlib
import json
from pathlib import Path

from nbgrader.api import Gradebook

from dipcourse.grading import GRADEBOOK


def marks(assignment: str, outcomes: dict[str, Path]) -> dict[str, str]:
    """{student: what changes with the notebook, the assignment or the course's version}.

    Args:
        assignment: its name.
        outcomes: {student: the file of the outcome}.
    """
    found = {}
    for student, outcome in outcomes.items():
        files = sorted(Path("submitted", student, assignment).glob("*.ipynb"))
        handed_in = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
        found[student] = f"{handed_in} {outcome.name}"
    return found


def unchanged(assignment: str, marks: dict[str, str], folder: str | Path) -> set[str]:
    """The students whose mark is the one that was kept, and who are in the gradebook."""
    before = kept(assignment, folder)
    with Gradebook(GRADEBOOK) as gradebook:
        known = {one.student.id for one in gradebook.assignment_submissions(assignment)}
    same = {student for student, mark in marks.items() if before.get(student) == mark}
    return same & known & set(graded(assignment))


def keep(assignment: str, marks: dict[str, str], folder: str | Path, since: float) -> None:
    """Note the marks of those whom nbgrader has graded since a time, in seconds of the clock."""
    fresh = graded(assignment, since)
    known = kept(assignment, folder) | {one: marks[one] for one in fresh if one in marks}
    path = place(folder, assignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1), encoding="utf-8")


def kept(assignment: str, folder: str | Path) -> dict[str, str]:
    """The marks that were kept."""
    path = place(folder, assignment)
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def graded(assignment: str, since: float = 0, root: str | Path = ".") -> list[str]:
    """The students of whom there is a graded notebook, written since a time, sorted."""
    found = Path(root).glob(f"autograded/*/{assignment}/*.ipynb")
    return sorted({path.parts[-3] for path in found if path.stat().st_mtime >= since})


def place(folder: str | Path, assignment: str) -> Path:
    """The file of the marks."""
    return Path(folder, f"{assignment}.json")
