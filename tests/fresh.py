"""What is graded without nbgrader: many answers quickly, and what submit_check would say."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from course import ROOT

from dipcourse import handin
from dipcourse.grading import ENVIRONMENT
from tools import assignments

#: What nbgrader would find, in forks like those below: `plain_scores` of each file's answers.
PLAIN = """
import json, os, signal, sys
from pathlib import Path
from course import plain_scores
from tools import notebooks
source = notebooks.read(Path(sys.argv[1]))
for task in map(Path, sys.argv[2:]):
    child = os.fork()
    if child == 0:
        signal.alarm(300)
        scores = plain_scores(source, json.loads(task.read_text("utf-8")))
        said = {c: [type(s).__name__, str(s)] if isinstance(s, Exception) else s
                for c, s in scores.items()}
        task.with_suffix(".answer").write_text(json.dumps(said), "utf-8")
        os._exit(0)
    os.waitpid(child, 0)
"""

#: submit_check's run, in a fork of one process that has imported torch: a second for each.
WARM = """
import os, signal, sys
from dipcourse import assignment, degrade, fit, handin, images, metrics, nets, priors, show
import torch._dynamo
for task in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        sys.argv = ["", task, task + ".answer"]
        exec(handin._FRESH, {"__name__": "fresh"})
        os._exit(0)
    os.waitpid(child, 0)
"""


def plainly(source, answers):
    """Scores without nbgrader, in forks of one process that has imported torch.

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
        places = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        grading = {"NBGRADER_EXECUTION": "autograde", "PYTHONPATH": os.pathsep.join(places)}
        subprocess.run(
            [sys.executable, "-c", PLAIN, str(source), *map(str, tasks)],
            cwd=folder,
            env=os.environ | ENVIRONMENT | grading,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return [json.loads(task.with_suffix(".answer").read_text("utf-8")) for task in tasks]


def fresh(files):
    """What submit_check's run says about notebooks: {path: {"errors": …, "results": …} or None}."""
    said = {}
    with tempfile.TemporaryDirectory() as folder:
        tasks = {}
        for number, file in enumerate(files):
            notebook = handin.read_notebook(file) or {"cells": []}
            cells = [c for c in handin.code_cells(notebook) if not c[0].startswith("try-")]  # slow
            tasks[file] = Path(folder) / str(number)
            tasks[file].write_text(json.dumps(cells), encoding="utf-8")
        environment = (
            os.environ
            | handin.fresh_environment(folder)
            | {"OMP_NUM_THREADS": "1", "DIPCOURSE_SCALE": "smoke"}
        )
        halves = [list(tasks.values())[half::2] for half in range(2)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WARM, *map(str, half)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            for half in halves
        ]
        for process in processes:
            assert process.wait() == 0
        for file, task in tasks.items():
            answer = task.with_suffix(".answer")
            said[file] = json.loads(answer.read_text("utf-8")) if answer.exists() else None
    return said


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
