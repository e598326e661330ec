"""What is graded without nbgrader: many answers quickly, and what submit_check would say.

A new process imports torch once and does the work in forks: a second for each.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from course import ROOT, plain_scores

from dipcourse.grading import ENVIRONMENT
from dipcourse.handin import fresh as fresh_start
from dipcourse.handin import ipynb
from tools import assignments, notebooks

START = "import sys, fresh; fresh.{}(sys.argv[1:])"


def plainly(source, answers):
    """Scores without nbgrader.

    Args:
        source: path of the notebook with solutions and hidden tests.
        answers: list of {cell: source}.

    Returns:
        List of {test cell: points, or [name, words] of what it raised}.
    """
    with tempfile.TemporaryDirectory() as folder:
        tasks = [Path(folder) / str(number) for number in range(len(answers))]
        for task, answer in zip(tasks, answers, strict=True):
            task.write_text(json.dumps(answer), encoding="utf-8")
        environment = ENVIRONMENT | {"NBGRADER_EXECUTION": "autograde"}
        assert new_process(grade, [source, *tasks], folder, environment).wait() == 0
        return [json.loads(answer_of(task).read_text("utf-8")) for task in tasks]


def fresh(files):
    """What submit_check's run says about notebooks: {path: {"errors": …, "results": …} or None}."""
    said = {}
    with tempfile.TemporaryDirectory() as folder:
        tasks = {}
        for number, file in enumerate(files):
            notebook = ipynb.read(file) or {"cells": []}
            cells = [c for c in ipynb.code_cells(notebook) if not c[0].startswith("try-")]  # slow
            tasks[file] = Path(folder) / str(number)
            tasks[file].write_text(json.dumps(cells), encoding="utf-8")
        environment = fresh_start.environment(folder) | {
            "OMP_NUM_THREADS": "1",
            "DIPCOURSE_SCALE": "smoke",
        }
        halves = [list(tasks.values())[half::2] for half in range(2)]
        processes = [new_process(run_cells, half, folder, environment) for half in halves]
        for process in processes:
            assert process.wait() == 0
        for file, task in tasks.items():
            answer = answer_of(task)
            said[file] = json.loads(answer.read_text("utf-8")) if answer.exists() else None
    return said


def answer_of(task: Path) -> Path:
    """The file in which a new process answers a task's."""
    return task.with_suffix(".answer")


def new_process(
    function: Callable[[list[str]], None],
    arguments: Iterable[str | Path],
    folder: str,
    environment: dict[str, str],
) -> subprocess.Popen:
    """Start a function of this module, with a list of words, in a new process."""
    places = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-c", START.format(function.__name__), *map(str, arguments)],
        cwd=folder,
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(places)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def grade(arguments: list[str]) -> None:
    """What nbgrader would find: ``plain_scores`` of a source with the answers in each file."""
    source = notebooks.read(Path(arguments[0]))

    def one(task: Path) -> None:
        scores = plain_scores(source, json.loads(task.read_text("utf-8")))
        said = {
            cell: [type(score).__name__, str(score)] if isinstance(score, Exception) else score
            for cell, score in scores.items()
        }
        answer_of(task).write_text(json.dumps(said), "utf-8")

    in_forks(one, arguments[1:], seconds=300)


def run_cells(tasks: list[str]) -> None:
    """The run from a fresh start that submit_check makes, of the cells in each file."""
    import torch._dynamo  # noqa: F401

    from dipcourse import assignment, degrade, fit, images, metrics, nets, priors, show  # noqa: F401

    def one(task: Path) -> None:
        sys.argv = ["", str(task), str(answer_of(task))]
        exec(fresh_start.CODE, {"__name__": "fresh"})

    in_forks(one, tasks, seconds=60)


def in_forks(one: Callable[[Path], None], tasks: list[str], seconds: int) -> None:
    """Do each task in a fork of this process, which may take so long."""
    for task in tasks:
        child = os.fork()
        if child == 0:
            signal.alarm(seconds)
            one(Path(task))
            os._exit(0)
        os.waitpid(child, 0)


def in_hidden(error):
    """Whether an error of a graded cell arose in a hidden test."""
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    return re.search(r"> *\d+ *@assignment\.hidden", trace) is not None


def disagreements(course, name, students):
    """Where the visible tests of a fresh run and the graded cells differ, as lines.

    A test that passes in the fresh run may cost points only by its hidden part; one that fails
    there has none.
    """
    files = {s: course.folder / "submitted" / s / name / f"{name}.ipynb" for s in students}
    said, scores, lines = fresh(files.values()), course.scores(name), []
    for student, file in files.items():
        results = (said[file] or {"results": {}})["results"]
        for cell in course.graded(student, name).cells:
            if assignments.kind(cell) != "test":
                continue
            score = scores[student][cell.id]
            errors = [output for output in cell.outputs if output.output_type == "error"]
            hidden = any(in_hidden(error) for error in errors)
            for title in re.findall(r'^@assignment.visible\("(.*)"\)', cell.source, re.MULTILINE):
                line = results.get(title, "")
                if line.startswith("✅") and not score and not hidden:
                    lines.append(f"{student}, {title}: passed afresh, {score} in the grader")
                if line[:1] in ("❌", "⬜") and score:
                    lines.append(f"{student}, {title}: failed afresh, {score} in the grader")
    return lines
