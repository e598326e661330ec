"""A class that nobody taught: right, wrong, damaged and hostile notebooks, and their grading.

    python -m tools.classroom a1_total_variation --students 100 --into ../class

writes a course folder with downloads of so many students, grades it with the one command of
INSTRUCTORS.md, and looks whether anybody was lost, got a zero without a reason, or found a hidden
test. ``--rounds N`` grades it again: so many times like that, then with one worker on one core
(where the system can pin a program). It prints all times and compares all scores.
"""

import argparse
import copy
import csv
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from tools import assignments, notebooks
from tools.bank import Bank, bank

KINDS = ("right",) * 5 + ("wrong",) * 3 + ("damaged", "hostile")  # of ten students

#: What stands at the top of a hostile answer, inside its function.
HOSTILE = {
    "an endless loop": "while True: pass",
    "the end of its process": "__import__('os')._exit(0)",
    "exit": "raise SystemExit",
    "much memory": "kept = [bytearray(10**9) for _ in range(20)]",
    "many processes": "[__import__('os').fork() for _ in range(6)]",
    "the parent's end": "__import__('os').kill(__import__('os').getppid(), 9)",
    "a large answer": "return __import__('torch').zeros(10**8)",
    "all that it can print": "print('secret?', locals(), globals())",
    "an error that tells all": "raise ValueError(str(locals()))",
    "the gradebook": "open('/gradebook.db')",
}


def main() -> int:
    """Write the class, grade it, and say what went wrong; returns how many things did."""
    parser = argparse.ArgumentParser(prog="python -m tools.classroom", description=__doc__)
    parser.add_argument("assignment")
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=0)
    given = parser.parse_args()
    kinds = write(given.assignment, given.students, given.into)
    seconds, scores = graded(given.assignment, given.into, given.workers)
    print(f"{given.students} notebooks, {given.workers} workers: {seconds:.0f} s")
    found = faults(given.assignment, given.into, kinds)
    if given.rounds:
        for _ in range(given.rounds):
            found += another(given.assignment, given.into, given.workers, scores)
        found += another(given.assignment, given.into, 1, scores, pinned)
    print("\n".join(found) or "Nobody is lost, no zero is silent, no hidden test is seen.")
    return len(found)


def write(name: str, count: int, folder: Path) -> dict[str, str]:
    """Write a course folder with the downloads of a class; {student: kind}."""
    (folder / "downloads").mkdir(parents=True)
    shutil.copy(notebooks.ROOT / "nbgrader_config.py", folder)
    place = folder / "solutions" / name
    shutil.copytree(notebooks.ROOT / "solutions" / name, place)
    released = notebooks.read(notebooks.ROOT / "assignments" / name / f"{name}.ipynb")
    answers, chance, kinds = bank(name), random.Random(0), {}
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        student = f"{kind}{number:03d}"
        kinds[student] = kind
        text = submission(released, answers, kind, number, chance)
        (folder / "downloads" / f"{student}_{name}.ipynb").write_text(text, encoding="utf-8")
    (folder / "names.csv").write_text("\n".join(["name", *kinds]), encoding="utf-8")
    return kinds


def submission(
    released: NotebookNode, answers: Bank, kind: str, number: int, chance: random.Random
) -> str:
    """The file that a student of a kind hands in."""
    notebook = copy.deepcopy(released)
    tasks = [cell for cell in notebook.cells if assignments.kind(cell) == "task"]
    for task in tasks:
        given = answers[task.id]["wrong" if kind == "wrong" else "right"]
        task.source = chance.choice(given)["code"]
    for cell in notebook.cells:
        if cell.id.startswith("explain"):
            cell.source += "\nBecause it is so."
    if kind == "hostile":
        attack = [*HOSTILE.values()][number // len(KINDS) % len(HOSTILE)]
        target = chance.choice([task for task in tasks if "\ndef " in f"\n{task.source}"])
        target.source = re.sub(r"(?m)^(def .*?:)$", rf"\1\n    {attack}", target.source, count=1)
    if kind == "damaged":
        return DAMAGES[number // len(KINDS) % len(DAMAGES)](notebook) or notebooks.written(notebook)
    return notebooks.written(notebook)


# ---- damages: each changes a notebook, or returns another text


def without_a_test(notebook: NotebookNode) -> None:
    tests = [cell for cell in notebook.cells if assignments.kind(cell) == "test"]
    notebook.cells.remove(tests[0])


def without_metadata(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata = NotebookNode()


def with_a_copied_cell(notebook: NotebookNode) -> None:
    notebook.cells.insert(5, copy.deepcopy(notebook.cells[4]))


def in_an_old_format(notebook: NotebookNode) -> str:
    return nbformat.writes(nbformat.convert(notebook, 3), version=3)


def saved_by_windows(notebook: NotebookNode) -> str:
    return "\ufeff" + notebooks.written(notebook)


def cut_off(notebook: NotebookNode) -> str:
    return notebooks.written(notebook)[:2000]


DAMAGES: list[Callable[[NotebookNode], str | None]] = [
    without_a_test,
    without_metadata,
    with_a_copied_cell,
    in_an_old_format,
    saved_by_windows,
    cut_off,
]


# ---- the grading, and what may be wrong with it


def another(
    name: str,
    folder: Path,
    workers: int,
    scores: dict[str, str],
    before: Callable[[], None] | None = None,
) -> list[str]:
    """Grade the class once more, print the time, and say whose score differs."""
    seconds, again = graded(name, folder, workers, "--no-resume", before=before)
    print(f"again, {workers} worker{'s' * (workers > 1)}: {seconds:.0f} s", flush=True)
    differing = [one for one in scores | again if scores.get(one) != again.get(one)]
    return [f"{one}: {scores.get(one)}, and then {again.get(one)}" for one in differing]


def graded(
    name: str, folder: Path, workers: int, *words: str, before: Callable[[], None] | None = None
) -> tuple[float, dict[str, str]]:
    """Grade the class with the one command; seconds, and {student: score}."""
    command = [sys.executable, "-m", "dipcourse.grading", name, "downloads"]
    options = ["--roster", "names.csv", "--workers", str(workers), "--seconds", "20", *words]
    start = time.perf_counter()
    subprocess.run([*command, *options], cwd=folder, stdout=subprocess.DEVNULL, preexec_fn=before)
    seconds = time.perf_counter() - start
    return seconds, {student: row["score"] for student, row in table(folder).items()}


def pinned() -> None:
    """Keep this process and all that it starts on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})


def table(folder: Path) -> dict[str, dict[str, str]]:
    """The table of grades: {student: row}."""
    with open(folder / "grades.csv", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def faults(name: str, folder: Path, kinds: dict[str, str]) -> list[str]:
    """Lines about students who are lost, zeros without a reason, and hidden tests in feedback."""
    rows, lines = table(folder), []
    source = notebooks.read(folder / "solutions" / name / f"{name}.ipynb")
    hidden = [
        line
        for cell in source.cells
        for part in re.findall(r"BEGIN HIDDEN TESTS(.*?)### END", cell.source, re.DOTALL)
        for line in re.findall(r"^def (_\w+)\(", part, re.MULTILINE)
    ]
    with open(folder / "report" / name / "points.csv", encoding="utf-8") as file:
        points = list(csv.DictReader(file))
    for student, kind in kinds.items():
        if student not in rows:
            lines.append(f"{student}: no line in the table")
        elif kind == "right" and "hand" not in rows[student]["state"]:
            lines.append(f"{student}: {rows[student]['state']}")
    for point in points:
        zero = float(point["points"] or 0) == 0 and point["task"].startswith("test")
        if zero and not point["reason"]:
            lines.append(f"{point['student']}, {point['task']}: no points, and no reason")
        if kinds.get(point["student"]) == "right" and zero:
            lines.append(f"{point['student']}, {point['task']}: a right answer without points")
    for page in folder.glob("feedback/*/*/*.html"):
        text = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
        lines += [f"{page.parts[-3]} sees {word}" for word in hidden if word in text]
    return lines


if __name__ == "__main__":
    sys.exit(min(main(), 1))
