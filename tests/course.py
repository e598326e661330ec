"""A course folder for nbgrader in a temporary place, and what comes out of it.

``prepared`` and ``scores`` do without nbgrader: for questions that need many runs.
"""

import contextlib
import copy
import io
import os
import re
import subprocess
from pathlib import Path

from dipcourse.assignment import board
from dipcourse.grading.sandbox import NoSandbox, require_walls
from tools import assignments, notebooks

ROOT = notebooks.ROOT
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION$\n?", re.MULTILINE | re.DOTALL)


def unsafe():
    """Whether this machine has no sandbox, or one that does not work."""
    try:
        require_walls()
    except NoSandbox:
        return True
    return False


UNSAFE = unsafe()


class Course:
    """A folder with nbgrader's settings and sources, in which its commands run.

    Args:
        folder: where.
        sources: {assignment: notebook with the solutions}.
        start: how its commands and their kernels start.
    """

    def __init__(self, folder, sources, start):
        self.folder, self.start = Path(folder), start
        settings = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
        self.write("nbgrader_config.py", f"{settings}c.SandboxedExecute.unsafe = {UNSAFE}\n")
        self.sources = sources
        for name, notebook in sources.items():
            self.write(f"solutions/{name}/{name}.ipynb", notebook)

    def write(self, place, notebook):
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = notebook if isinstance(notebook, str) else notebooks.written(notebook)
        path.write_text(text, encoding="utf-8")

    def submit(self, student, assignment, notebook):
        self.write(f"submitted/{student}/{assignment}/{assignment}.ipynb", notebook)

    def released(self, name):
        return notebooks.read(self.folder / "assignments" / name / f"{name}.ipynb")

    def graded(self, student, name):
        return notebooks.read(self.folder / "autograded" / student / name / f"{name}.ipynb")

    def run(self, *command, fails=False):
        """Run nbgrader; return what it says."""
        environment = {k: v for k, v in os.environ.items() if k != "NBGRADER_EXECUTION"}
        process = subprocess.run(
            [*self.start.command, "-m", "nbgrader", *command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=environment | self.start.environment,
        )
        said = process.stdout + process.stderr
        assert bool(process.returncode) == fails, said[-6000:]
        return said

    def scores(self, assignment):
        """{student: {cell: points}}; None where nothing was graded."""
        with self.gradebook() as gradebook:
            return {
                submission.student.id: {
                    grade.cell.name: grade.auto_score
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                }
                for submission in gradebook.assignment_submissions(assignment)
            }

    def gradebook(self):
        from nbgrader.api import Gradebook  # takes seconds, which ``fresh`` can do without

        return Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}")


def answered(notebook, answers):
    """A copy of a notebook with the given sources, {id: source}."""
    done = copy.deepcopy(notebook)
    for cell in done.cells:
        cell.source = answers.get(cell.id, cell.source)
    return done


def own_tests(task, notebook):
    """The test cells of a task: those whose ids begin like it."""
    own = task.replace("task-", "test-")
    return [c.id for c in notebook.cells if c.id == own or c.id.startswith(f"{own}-")]


def points(notebook):
    """{id: points} of the graded cells of a source."""
    graded = [c for c in notebook.cells if assignments.kind(c) in ("test", "answer")]
    return {cell.id: assignments.points(cell) for cell in graded}


def stub(cell):
    """The source of a task without its solution, as students get it."""
    return SOLUTION.sub(r"\1raise NotImplementedError\n", cell.source)


def prepared(notebook, names=()):
    """The name space of a notebook, with ``names``, in which all but the tests has run once.

    No task is answered. The cells to look at and to hand in are left out.
    """
    space = {"__name__": "notebook", **dict(names)}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.id.startswith(("test-", "try-", "hand-in")):
            run_plainly(cell, space, stub(cell))
    return space


def scores(notebook, space, answers, tests):
    """{test cell: points, or what it raised} of some tests, with answers in a prepared space.

    The cells run in order, as a grader's kernel runs them, in a copy of the space.
    """
    space, found, strict = dict(space), {}, board.strict
    board.strict = True
    try:
        for cell in notebook.cells:
            if cell.id in answers:
                run_plainly(cell, space, answers[cell.id])
            elif cell.id in tests:
                found[cell.id] = _score(cell, space)
    finally:
        board.strict = strict
    return found


def _score(cell, space):
    """The points of a test cell, or what it raised."""
    try:
        value, _ = run_plainly(cell, space)
    except Exception as error:
        return error
    return assignments.points(cell) if value is None else value


def run_plainly(cell, space, source=None):
    """Execute a code cell, or another source for it.

    Returns:
        The value of its last line, if it is a number, and its output.
    """
    from dipcourse.grading.execute import evaluated  # takes seconds, as above

    code = re.sub(r"%pip.*", "pass", source or cell.source)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        value = evaluated(code, space)
    return value if isinstance(value, int | float) else None, said.getvalue()
