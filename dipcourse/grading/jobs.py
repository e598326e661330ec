"""What is to be executed of a submission, and what came out: JSON, which can be kept and sent.

Who executes is elsewhere (``execute``), so nothing here loads torch.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.api import Gradebook


class Source(NamedTuple):
    """What is known of an assignment before anybody hands in.

    Attributes:
        assignment: its name.
        cells: its code without tests: [source, whether it is an answer].
        tests: {name: code} of the cells with tests: nothing else runs as a test.
    """

    assignment: str
    cells: list[list[Any]]
    tests: dict[str, str]


def source_of(where: dict[str, str]) -> Source:
    """An assignment, from its source and the gradebook; ``where``: nbgrader's "assignment" …"""
    name, notebook = where["assignment"], where["notebook"]
    with Gradebook(where["db_url"]) as gradebook:
        kept = gradebook.find_notebook(notebook, name)
        solutions = {cell.name for cell in kept.solution_cells}
        graded = {cell.name for cell in kept.grade_cells} - solutions
        code = [c for c in kept.source_cells if c.name in graded and c.cell_type == "code"]
        tests = {cell.name: cell.source for cell in code}
    cells = [
        [cell.source, utils.is_solution(cell)]
        for cell in nbformat.read(Path("solutions", name, f"{notebook}.ipynb"), 4).cells
        if cell.cell_type == "code" and (utils.is_solution(cell) or not utils.is_grade(cell))
    ]
    return Source(name, cells, tests)


def job_of(nb: NotebookNode, source: Source, seconds: int, unsafe: bool) -> dict[str, Any]:
    """What is to be executed, as JSON.

    Args:
        nb: a submission that was put in order.
        source: its assignment.
        seconds: what a cell may take.
        unsafe: whether to go without a sandbox.

    Returns:
        A dict: "assignment", the source's "cells", those of the submission, "code", as [source,
        whether it is a test], "seconds", "unsafe".
    """
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    names = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in code]
    return {
        "assignment": source.assignment,
        "cells": source.cells,
        "code": [
            [cell.source, source.tests.get(name) == cell.source]
            for cell, name in zip(code, names, strict=True)
        ],
        "seconds": seconds,
        "unsafe": unsafe,
    }


def given_up(job: dict[str, Any], words: str) -> dict[str, Any]:
    """The outcome of a job that nobody could do: no points, and words for a person."""
    outputs = [[failed("NotFinished", words)] if is_test else [] for _, is_test in job["code"]]
    return {"outputs": outputs, "incidents": [words]}


def kept_at(folder: str | Path, job: dict[str, Any]) -> Path:
    """The file of an outcome: notebook, tests, assignment and the course's version name it."""
    known = json.dumps([job, version("dipcourse")], sort_keys=True)
    name = hashlib.sha256(known.encode()).hexdigest()[:32]
    return Path(folder, job["assignment"], f"{name}.json")


def keep(path: Path, outcome: str) -> None:
    """Write an outcome, which is JSON, to its file: all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(outcome, encoding="utf-8")
    unfinished.replace(path)


def look_up(folder: str | Path, job: dict[str, Any]) -> dict[str, Any] | None:
    """The outcome of a job that is kept; None if it is not."""
    path = kept_at(folder, job)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def failed(kind: str, words: str, *trace: str) -> NotebookNode:
    """The output of a test that failed: for the student, so nothing of the test's own code."""
    return new_output("error", ename=kind, evalue=words, traceback=[*trace, f"{kind}: {words}"])
