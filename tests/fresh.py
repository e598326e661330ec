"""Whether submit_check, which runs the visible tests afresh, and the grader say the same."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from dipcourse import handin
from tools import assignments

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


def fresh(files):
    """What submit_check's run says about notebooks: {path: {"errors": …, "results": …} or None}."""
    said = {}
    with tempfile.TemporaryDirectory() as folder:
        tasks = {}
        for number, file in enumerate(files):
            notebook = handin.read_notebook(file) or {"cells": []}
            tasks[file] = Path(folder) / str(number)
            tasks[file].write_text(json.dumps(handin.code_cells(notebook)), encoding="utf-8")
        environment = os.environ | handin.fresh_environment(folder) | {"OMP_NUM_THREADS": "1"}
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
            hidden = any("a hidden test" in error.evalue for error in errors)
            for title in re.findall(r'^@assignment.visible\("(.*)"\)', cell.source, re.MULTILINE):
                line = results.get(title, "")
                if line.startswith("✅") and not score and not hidden:
                    lines.append(f"{student}, {title}: passed afresh, {score} in the grader")
                if line[:1] in ("❌", "⬜") and score:
                    lines.append(f"{student}, {title}: failed afresh, {score} in the grader")
    return lines
