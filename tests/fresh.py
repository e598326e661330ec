"""What is graded without nbgrader: many answers quickly, and what submit_check would say.

A new process imports torch once. Right answers go through the grader's sandbox, with all that they
send and get; wrong ones meet the same tests in this process first, and the sandbox only if these
find nothing: then it must be what is not there. Fresh runs go through forks.
"""

import contextlib
import functools
import hashlib
import json
import marshal
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType
from unittest import mock

import torch
from course import ROOT, UNSAFE, points, prepared, scores, stub

from dipcourse import fit
from dipcourse.grading import ENVIRONMENT
from dipcourse.grading.__main__ import KEPT
from dipcourse.handin import fresh as fresh_start
from dipcourse.handin import ipynb
from tools import assignments, notebooks

START = "import sys, fresh; fresh.work(sys.argv[1:])"
DETERMINED = "torch.nn.", "dipcourse.nets"  # networks that their structure and weights determine
LATER = "test-", "try-", "own-imports", "baseline", "hand-in"  # cells that no answer needs


def tried(course, name, tries, files, start):
    """What the tests say to many answers, and submit_check's run to whole notebooks.

    The notebooks that were handed in are executed too, and what comes out is kept in KEPT: the
    process, its sandbox and the tests' own fits serve them all.

    Args:
        course: the folder of a course, with the notebook that has solutions and hidden tests; None
            runs the files alone.
        name: the assignment.
        tries: list of (task, code, test cells, whether it is wrong): in each the other tasks are
            not answered. Of the first the tests' own fits are kept for the others: it should come
            to the dear ones.
        files: notebooks to run from a fresh start, without the cells to look at, which are slow.
        start: how the process starts.

    Returns:
        List of {test cell: points, or [name, words] of what it raised}; and {file:
        {"errors": …, "results": …, "stderr": …}, or None if the run ended early}.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fresh_runs = {
            file: written(place / f"fresh{number}", code_cells(file))
            for number, file in enumerate(files)
        }
        graded = [written(place / f"try{number}", one) for number, one in enumerate(tries)]
        paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        environment = ENVIRONMENT | fresh_start.environment(folder)
        process = subprocess.run(
            [*start.command, "-c", START, str(course or ""), name, folder],
            cwd=folder,
            env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        assert process.returncode == 0
        answers = [json.loads(answer_of(task).read_text("utf-8")) for task in graded]
        return answers, {file: run_said(task) for file, task in fresh_runs.items()}


def code_cells(file: Path) -> list:
    """The code cells of a notebook's file, without those to look at."""
    notebook = ipynb.read(file) or {"cells": []}
    return [one for one in ipynb.code_cells(notebook) if not one[0].startswith("try-")]


def written(file: Path, task: object) -> Path:
    """The file, with a task for the new process."""
    file.with_suffix(".task").write_text(json.dumps(task), encoding="utf-8")
    return file.with_suffix(".task")


def answer_of(task: Path) -> Path:
    """The file in which a new process answers a task's."""
    return task.with_suffix(".answer")


def run_said(task: Path) -> dict | None:
    """What a run from a fresh start said, if it came to an end."""
    if not answer_of(task).exists():
        return None
    said = json.loads(answer_of(task).read_text("utf-8"))
    return said | {"stderr": task.with_suffix(".stderr").read_text("utf-8")}


# ---- in the new process


def work(arguments: list[str]) -> None:
    """Do the tasks in a folder, from a fresh start first, while there is one."""
    import torch._dynamo  # noqa: F401

    from dipcourse import assignment, degrade, images, metrics, nets, priors, show  # noqa: F401

    course, name, place = arguments
    folder = Path(place)
    in_forks(run_cells, sorted(folder.glob("fresh*.task")), seconds=60)
    tries = sorted(folder.glob("try*.task"), key=lambda task: int(task.stem.removeprefix("try")))
    if course:
        with fits_kept():
            grade_all(Path(course, "solutions", name, f"{name}.ipynb"), tries)
            os.chdir(course)
            execute_handed_in(name)


def run_cells(task: Path) -> None:
    """The run from a fresh start that submit_check makes, of the cells in a file."""
    with open(task.with_suffix(".stderr"), "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
    sys.argv = ["", str(task), str(answer_of(task))]
    exec(fresh_start.CODE, {"__name__": "fresh"})


def grade_all(source: Path, tries: list[Path]) -> None:
    """What nbgrader would find: the points of a source with the answers in each file."""
    notebook = notebooks.read(source)
    space = prepared(notebook)
    of = points(notebook)
    for file in tries:
        task, answer, tests, wrong = json.loads(file.read_text("utf-8"))
        found = here(notebook, space, task, answer, tests) if wrong else {}
        if all(found.get(test) == of[test] for test in tests) or not wrong:
            found = sandboxed(notebook, source.stem, task, answer, tests)
        answer_of(file).write_text(json.dumps(found), "utf-8")


def execute_handed_in(name: str) -> None:
    """Execute the notebooks that were handed in, as the one command does, and keep the outcomes."""
    from dipcourse.grading import ahead, execute, jobs, outputs

    students = [path.parent.name for path in Path("submitted").glob(f"*/{name}")]
    seconds = outputs.SandboxedExecute.timeout.default_value
    for job in ahead.jobs_of(name, students, seconds, UNSAFE).values():
        jobs.keep(jobs.kept_at(KEPT, job), json.dumps(execute.done(job)))


def here(notebook, space: dict, task: str, answer: str, tests: list[str]) -> dict:
    """{test cell: points, or [name, words] of what it raised}, without a sandbox."""
    return {
        test: [type(said).__name__, str(said)] if isinstance(said, Exception) else said
        for test, said in scores(notebook, space, {task: answer}, tests).items()
    }


def sandboxed(notebook, name: str, task: str, answer: str, tests: list[str]) -> dict:
    """The same in the sandbox."""
    from dipcourse.grading import execute

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells = [[c.source, assignments.kind(c) == "task"] for c in code if c.id[:5] != "test-"]
    wanted = [c for c in code if c.id in tests or not c.id.startswith(LATER)]
    run = [[answer if c.id == task else stub(c), c.id in tests] for c in wanted]
    job = {"assignment": name, "cells": cells, "code": run}
    outcome = execute.done(job | {"seconds": 300, "unsafe": UNSAFE})
    given = zip(wanted, outcome["outputs"], strict=True)
    return {c.id: points_or_words(c, outputs) for c, outputs in given if c.id in tests}


def points_or_words(cell, outputs: list) -> float | list[str]:
    """What the outputs of a test cell say: points, or [name, words] of an error."""
    for output in outputs:
        if output.output_type == "error":
            return [output.ename, output.evalue]
        if output.output_type == "execute_result":
            return float(output.data["text/plain"])
    return assignments.points(cell)


def in_forks(one: Callable[[Path], None], tasks: Iterable[Path], seconds: int) -> None:
    """Do each task in a fork of this process, which may take so long."""
    for task in tasks:
        child = os.fork()
        if child == 0:
            signal.alarm(seconds)
            one(task)
            os._exit(0)
        os.waitpid(child, 0)


@contextlib.contextmanager
def fits_kept():
    """A block in which a fit that a test cell makes again is looked up.

    Many tests fit something of their own, the same for all answers, and for most of their time.
    """
    keep_fits = mock.patch.object(fit, "fit", kept(fit.fit))
    with keep_fits, mock.patch.object(fit, "Stepper", filmed(fit.Stepper)):
        yield


def kept(make):
    """``fit.fit``, which remembers histories: of networks of torch's and the course's modules."""
    histories = {}

    @functools.wraps(make)  # an answer that uses it is still found out
    def remembering(net, *given, **settings):
        if not all(type(part).__module__.startswith(DETERMINED) for part in net.modules()):
            return make(net, *given, **settings)
        key = fingerprint(net, *given, **settings)
        if key not in histories:
            histories[key] = make(net, *given, **settings)
        return histories[key]

    return remembering


def filmed(make):
    """``fit.Stepper``, which remembers outputs."""
    films = {}

    @functools.wraps(make)
    def remembering(*given, **settings):
        if "frames" in settings:  # of ``fit.fit``, whose history is wanted
            return make(*given, **settings)
        key = fingerprint(*given, **settings)
        if key not in films:
            films[key] = make(*given, **settings), []
        return Film(*films[key])

    return remembering


def fingerprint(net, z, y, operator, **settings):
    """What tells one fit from another: structure and weights, tensors, settings."""
    weights = [*net.state_dict().values(), *operator.state_dict().values()]
    given = [*weights, z, y, *settings.values()]
    tensors = [value.numpy().tobytes() for value in given if isinstance(value, torch.Tensor)]
    plain = {k: v for k, v in settings.items() if not isinstance(v, torch.Tensor)}
    plain |= {k: marshal.dumps(v.__code__) for k, v in plain.items() if isinstance(v, FunctionType)}
    words = repr((net, operator, plain)).encode()
    return hashlib.sha256(words + b"".join(tensors)).hexdigest()


class Film:
    """A stepper that looks its outputs up, as far as they are known."""

    def __init__(self, stepper: fit.Stepper, outputs: list[torch.Tensor]) -> None:
        self.stepper, self.outputs, self.k = stepper, outputs, 0

    def step(self) -> None:
        if self.k == len(self.outputs):
            self.stepper.step()
            self.outputs.append(self.stepper.output)
        self.k += 1

    @property
    def output(self) -> torch.Tensor:
        return self.outputs[self.k - 1].clone()


# ---- the comparison


def in_hidden(error):
    """Whether an error of a graded cell arose in a hidden test."""
    return "in a hidden test" in error.traceback


def disagreements(course, name, said, given):
    """Where the visible tests of a fresh run and the graded cells differ, as lines.

    A test that passes in the fresh run may cost points only by its hidden part; one that fails
    there has none.

    Args:
        said: {student: what ``tried`` says of the notebook, or None}.
        given: {student: {test cell: points}}.
    """
    lines = []
    for student, run in said.items():
        results = (run or {"results": {}})["results"]
        for cell in course.graded(student, name).cells:
            if assignments.kind(cell) != "test":
                continue
            score = given[student][cell.id]
            errors = [output for output in cell.outputs if output.output_type == "error"]
            hidden = any(in_hidden(error) for error in errors)
            for title in re.findall(r'^@assignment.visible\("(.*)"\)', cell.source, re.MULTILINE):
                line = results.get(title, "")
                if line.startswith("✓") and not score and not hidden:
                    lines.append(f"{student}, {title}: passed afresh, {score} in the grader")
                if line[:1] in ("✗", "☐") and score:
                    lines.append(f"{student}, {title}: failed afresh, {score} in the grader")
    return lines
