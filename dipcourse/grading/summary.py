"""What a teacher wants to know of a graded class: a table of points, and a page."""

import csv
import html
from collections import defaultdict
from pathlib import Path
from typing import Any

import nbformat
from nbgrader import utils
from nbgrader.api import Gradebook

from dipcourse.grading import GRADEBOOK, oddities
from dipcourse.grading.notes import Notes
from dipcourse.grading.table import FAILED

COLUMNS = "student", "task", "points", "of", "needs a person", "mended", "reason"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid #8884; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.bar { display: inline-block; height: 0.8rem; background: #2a6f97; vertical-align: middle; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
"""


def write(assignment: str, rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Write points.csv, a line for each student and test, and summary.html.

    Args:
        assignment: its name.
        rows: the lines of the table of grades.
        folder: where; it is made.

    Returns:
        The two paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    grades = grades_of(assignment, {row["student"]: row["state"] for row in rows})
    table, page = folder / "points.csv", folder / "summary.html"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(grades)
    page.write_text(html_of(assignment, rows, grades), encoding="utf-8")
    return [table, page]


def grades_of(assignment: str, states: dict[str, str]) -> list[dict[str, Any]]:
    """A dict for each student and graded cell, with the keys of ``COLUMNS``.

    Args:
        assignment: its name.
        states: {student: state} of the table: the reason, where a notebook could not be graded.
    """
    found = []
    with Gradebook(GRADEBOOK) as gradebook:
        for submission in gradebook.assignment_submissions(assignment):
            student = submission.student.id
            notes = Notes(student, assignment).lines()
            reasons = reasons_of(student, assignment)
            state = states.get(student, "")
            none_at_all = state if state.startswith(FAILED) else ""
            for grade in submission.notebooks[0].grades:
                name = grade.cell.name
                found.append(
                    {
                        "student": student,
                        "task": name,
                        "points": "" if none_at_all else grade.score,
                        "of": grade.cell.max_score,
                        "needs a person": "yes" if grade.needs_manual_grade else "",
                        "mended": "; ".join(line for line in notes if f"`{name}`" in line),
                        "reason": reasons.get(name, none_at_all),
                    }
                )
    return found


def reasons_of(student: str, assignment: str) -> dict[str, str]:
    """{test cell: what its failure says} of a graded notebook."""
    path = Path("autograded", student, assignment, f"{assignment}.ipynb")
    if not path.exists():
        return {}
    return {
        cell.metadata.nbgrader.grade_id: f"{output.ename}: {output.evalue}"
        for cell in nbformat.read(path, as_version=4).cells
        if utils.is_grade(cell) and cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    }


def html_of(assignment: str, rows: list[dict[str, Any]], grades: list[dict[str, Any]]) -> str:
    """The page."""
    scores = [float(row["score"]) for row in rows if row["score"] not in ("", None)]
    top = max((float(row["of"]) for row in rows), default=0)
    parts = [
        f"<h1>{html.escape(assignment)}</h1>",
        f"<p>{len(rows)} students, {len(scores)} with a score, of {top:g} points at most.</p>",
        "<h2>Scores</h2>",
        bars([f"{10 * k} – {10 * k + 10} %" for k in range(10)], shares(scores, top)),
        "<h2>Tests, the hardest first</h2>",
        hardest(grades),
        "<h2>Who needs a person</h2>",
        listing(
            f"{row['student']}: {row['state']}"
            for row in rows
            if row["state"] not in ("graded", "nothing handed in")
        ),
        "<h2>Notes: what was mended, stopped, left out</h2>",
        listing(f"{row['student']}: {row['notes']}" for row in rows if row["notes"]),
        "<h2>Answers that are alike but for names</h2>",
        "<p>No proof of anything: a short task has few answers.</p>",
        listing(f"{task}: {', '.join(students)}" for task, students in oddities.alike(assignment)),
        "<h2>Code that reaches for more than tasks ask for</h2>",
        "<p>The sandbox stands in its way, and it may be innocent: have a look.</p>",
        listing(
            f"{student}: {', '.join(words)}" for student, words in oddities.reaching(assignment)
        ),
    ]
    title = f"<title>{html.escape(assignment)}: the class</title>"
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<!doctype html><html lang="en"><meta charset="utf-8">{view}{title}'
    return f"{head}<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"


def shares(scores: list[float], top: float) -> list[int]:
    """How many scores lie in each tenth of the points."""
    counts = [0] * 10
    for score in scores:
        counts[min(int(10 * score / top), 9) if top else 0] += 1
    return counts


def bars(names: list[str], counts: list[int]) -> str:
    """Numbers as a table with bars."""
    longest = max([*counts, 1])
    lines = [
        f'<tr><td>{name}<td class="n">{count}<td style="width:70%">'
        f'<span class="bar" style="width:{100 * count / longest:.0f}%"></span>'
        for name, count in zip(names, counts, strict=True)
    ]
    return f"<table><tr><th>points<th>students<th>{''.join(lines)}</table>"


def hardest(grades: list[dict[str, Any]]) -> str:
    """The mean share of the points of each test, and what its failures say most often."""
    of_test = defaultdict(list)
    for grade in grades:
        if grade["task"].startswith("test") and grade["points"] != "":
            of_test[grade["task"]].append(grade)
    lines = []
    for name, given in of_test.items():
        share = sum(g["points"] for g in given) / sum(g["of"] for g in given)
        said = [g["reason"] for g in given if g["reason"]]
        common = max(set(said), key=said.count) if said else ""
        cells = f'<td>{html.escape(name)}<td class="n">{share:.0%}<td>{html.escape(common[:160])}'
        lines.append((share, f"<tr>{cells}"))
    ordered = "".join(line for _, line in sorted(lines))
    return f"<table><tr><th>test<th>points<th>most often{ordered}</table>"


def listing(lines: Any) -> str:
    """Lines as a list, or the word nobody."""
    items = "".join(f"<li>{html.escape(line)}" for line in lines)
    return f"<ul>{items}</ul>" if items else "<p>Nobody.</p>"
