"""From nbgrader's gradebook to a table of grades: nobody is missing in it."""

import csv
import itertools
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment, Gradebook, SubmittedAssignment
from nbgrader.plugins import ExportPlugin
from traitlets import Unicode, default

from dipcourse.grading import record, whose
from dipcourse.grading.notes import Notes

COLUMNS = "student", "assignment", "score", "of", "state", "notes"
NOTHING, FAILED = "nothing handed in", "COULD NOT BE GRADED"
LATER = "NOT GRADED YET: run nbgrader autograde"
TITLES = re.compile(r"student.*|.*names?|(?:.*[ _])?id(?:[ _].*)?|e-?mail.*", re.IGNORECASE)


class Grades(ExportPlugin):
    """One line for each student and assignment, which says when a score is not the last word.

    A line has everybody who is in the gradebook, whose file arrived, or who is on the roster.
    """

    roster = Unicode(help="CSV file of the class: names, numbers or addresses, one student a line")
    roster.tag(config=True)

    @default("roster")
    def _of_the_command_line(self) -> str:
        """``--roster names.csv``: nbgrader reads its options before it knows this class."""
        words = [word for argument in sys.argv for word in argument.split("=", 1)]
        place = words.index("--roster") + 1 if "--roster" in words else len(words)
        return words[place] if place < len(words) else ""

    def export(self, gradebook: Gradebook) -> None:
        """Write the table to ``--to``, by default grades.csv."""
        chosen = set(map(str, self.assignment)) or {a.name for a in gradebook.assignments}
        rows = []
        for assignment in gradebook.assignments:
            if assignment.name in chosen:
                rows += self.rows(gradebook, assignment)
        if self.student:
            rows = [row for row in rows if row["student"] in set(map(str, self.student))]
        path = Path(self.to or "grades.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        self.log.info("%s: %d lines", path, len(rows))
        for row in rows:
            if row["state"].startswith((FAILED, LATER)):
                self.log.warning("%s, %s: %s", row["student"], row["assignment"], row["state"])

    def rows(self, gradebook: Gradebook, assignment: Assignment) -> list[dict[str, Any]]:
        """The lines of one assignment."""
        submissions = {one.student.id: one for one in assignment.submissions}
        arrived = self.arrived(assignment.name)
        graded = set(record.graded(assignment.name, root=self.root))  # in nbgrader's last run
        blank = dict.fromkeys(COLUMNS, "") | {"state": NOTHING}
        blank |= {"assignment": assignment.name, "of": assignment.max_score}
        rows = []
        for name in sorted({student.id for student in gradebook.students} | set(arrived)):
            lines = Notes(name, assignment.name, self.root).lines()
            lost = bool(arrived.get(name)) and name not in graded
            result = outcome(submissions.get(name), arrived.get(name), lines, lost)
            rows.append(blank | {"student": name, "notes": "; ".join(lines)} | result)
        return called(rows, read_roster(Path(self.roster)), blank) if self.roster else rows

    @property
    def root(self) -> Path:
        """The course folder."""
        return Path(self.parent.coursedir.root)

    def arrived(self, assignment: str) -> dict[str, list[str]]:
        """{student: the names of the files that arrived}."""
        folders = self.root.glob(f"submitted/*/{assignment}")
        return {folder.parent.name: sorted(p.name for p in folder.iterdir()) for folder in folders}


def outcome(
    submission: SubmittedAssignment | None,
    files: list[str] | None,
    notes: list[str],
    lost: bool,
) -> dict[str, Any]:
    """Score and state of one student.

    Args:
        submission: nbgrader's, or None.
        files: the names of the files that arrived, or None.
        notes: lines about the submission.
        lost: whether what arrived last could not be graded: then earlier scores do not count.

    Returns:
        {"score": …, "state": …}.
    """
    if submission is None and not files:
        return {"score": "", "state": NOTHING}
    if not any(name.endswith(".ipynb") for name in files or [".ipynb"]):
        return {"score": "", "state": f"{FAILED}: no notebook among {', '.join(files or [])}"}
    if submission is None:
        return {"score": "", "state": LATER}
    counts: Counter[str] = Counter()
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            counts["ungraded"] += grade.auto_score is None and grade.cell.cell_type == "code"
            counts["by hand"] += bool(grade.needs_manual_grade)
    if counts["ungraded"] or lost:
        words = notes[-1] if notes else "see the log of autograde"
        return {"score": "", "state": f"{FAILED}: {words}"}
    state = f"{counts['by hand']} to mark by hand" if counts["by hand"] else "graded"
    return {"score": submission.score, "state": state}


def read_roster(path: Path) -> list[list[str]]:
    """The students of a class list, as lists of cells; a line of titles is left out.

    Raises:
        ValueError: there is nobody in it.
        FileNotFoundError: there is no such file.
    """
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    separator = max(",;\t", key=text.split("\n")[0].count)
    lines = csv.reader(text.splitlines(), delimiter=separator)
    cells = [[cell.strip() for cell in line] for line in lines]
    students = [line for line in cells if any(line)]
    if students and any(TITLES.fullmatch(cell) for cell in students[0]):
        del students[0]
    if not students:
        raise ValueError(f"{path}: nobody is on this roster; one student a line is needed")
    return students


def called(
    rows: list[dict[str, Any]], roster: list[list[str]], blank: dict[str, Any]
) -> list[dict[str, Any]]:
    """The rows of a class list: who is on it and has none gets one; who is not on it is marked.

    Args:
        rows: list of rows.
        roster: list of students, see ``read_roster``.
        blank: the row of somebody who handed in nothing.

    Returns:
        List of rows.
    """
    matches = [
        [place for place, cells in enumerate(roster) if same(row["student"], cells)] for row in rows
    ]
    found = Counter(place for places in matches for place in places)
    complete = []
    for row, places in zip(rows, matches, strict=True):
        if not places and row["state"] == NOTHING:
            continue  # of another class
        remark = ""
        if not places:
            remark = "not on the roster"
        elif len(places) > 1 or found[places[0]] > 1:
            remark = "the roster does not tell which student this is"
        complete.append(row | {"notes": "; ".join(filter(None, [row["notes"], remark]))})
    missing = [cells for place, cells in enumerate(roster) if not found[place]]
    return complete + [blank | {"student": " ".join(filter(None, cells))} for cells in missing]


def same(student: str, cells: list[str]) -> bool:
    """Whether a folder's name is that of a student on the roster, who may be named in any order.

    >>> same("lovelaceada", ["4711", "Ada", "Lovelace"]), same("Ada-Lovelace_12", ["Lovelace, Ada"])
    (True, True)
    >>> same("Ada-Lovelace_4711", ["4711"]), same("adalove", ["4711", "Ada", "Lovelace"])
    (True, False)
    """
    pieces = [*cells, *(f"{a} {b}" for a, b in itertools.pairwise(cells))]
    keys = {plain for piece in pieces for plain in _orders(piece)}
    keys |= {whose.plain(cell.split("@")[0]) for cell in cells if "@" in cell}
    number = re.search(r"[_-](\d{4,})$", student)  # fewer digits only tell namesakes apart
    if number and number[1] in cells:
        return True
    mine = {whose.plain(student), whose.plain(re.sub(r"[_-]\d+$", "", student))}
    return bool(mine & keys - {""})


def _orders(text: str) -> set[str]:
    """A name's words in every order, as plain text."""
    words = [whose.plain(word) for word in re.split(r"[\s,;]+", text)]
    if len(words) > 4:
        return {"".join(words)}
    return {"".join(order) for order in itertools.permutations(words)}
