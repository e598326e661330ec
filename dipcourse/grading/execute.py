"""Runs a submission: its cells in a sandbox, the tests here."""

import ast
import atexit
import contextlib
import functools
import importlib
import inspect
import io
import os
import re
import signal
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output

from dipcourse.assignment import board, stage
from dipcourse.grading import ENVIRONMENT
from dipcourse.grading.jobs import failed
from dipcourse.grading.sandbox import course, remote, wire
from dipcourse.grading.sandbox.walls import Sandbox
from dipcourse.handin import ipynb

GRADING = {"NBGRADER_EXECUTION": "autograde"}
#: What a teacher may set so that all machines compute alike; it holds on both sides.
INSTRUCTIONS = "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"
TEST = "<test>"
UNDER_TEST = re.compile(r"""^assignment\.alone\(["'](\w+)["']""", re.MULTILINE)


def done(job: dict[str, Any]) -> dict[str, Any]:
    """Execute a job.

    Returns:
        {"outputs": those of each code cell, "incidents": lines for a person}.
    """
    cells = [(source, answer) for source, answer in job["cells"]]
    sandbox = sandbox_of(job["assignment"], tuple(cells), job["unsafe"])
    with Submission(sandbox, job["assignment"], job["seconds"]) as submission:
        outputs = [
            submission.test(source) if is_test else submission.run(source)
            for source, is_test in job["code"]
        ]
    return {"outputs": outputs, "incidents": submission.incidents}


@functools.cache
def sandbox_of(assignment: str, cells: tuple[tuple[str, bool], ...], unsafe: bool) -> Sandbox:
    """The sandbox for an assignment; it serves all submissions of this process."""
    sources = [source for source, _ in cells]
    variables = ENVIRONMENT | GRADING
    variables |= {name: os.environ[name] for name in INSTRUCTIONS if name in os.environ}
    sandbox = Sandbox(assignment, sources, variables, unsafe)
    sandbox.tasks = [name for source, answer in cells if answer for name in ipynb.defined(source)]
    atexit.register(sandbox.close)
    return sandbox


class TimedOut(BaseException):
    """A cell took too long; no ``except Exception`` of a test may catch it."""


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """A block that ``TimedOut`` ends after so many seconds."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimedOut

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def printing_to(file: io.StringIO) -> Iterator[None]:
    """A block that prints into a file, warnings too."""
    with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        yield


class Submission:
    """One notebook: its cells run in the sandbox, tests here call its functions.

    If its process ends or is stopped, a new one runs the cells again that have run so far.

    Args:
        sandbox: where it runs.
        assignment: which one it is.
        seconds: what one cell may take.

    Attributes:
        incidents: lines about what a person should know.
    """

    def __init__(self, sandbox: Sandbox, assignment: str, seconds: int) -> None:
        self.sandbox, self.assignment, self.seconds = sandbox, assignment, seconds
        self.incidents: list[str] = []
        self.ran: list[str] = []
        self.stopped: dict[str, str] = {}
        self.testing = False

    def __enter__(self) -> "Submission":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.connection.close()
        self.sandbox.end()

    def start(self) -> None:
        """Have a new process, which runs again what has run; what twice fails to is left out."""
        failed_once: list[str] = []
        while (source := self.first_that_fails()) is not None:
            if source in failed_once:
                self.ran.remove(source)
                self.incidents.append("a cell that had run did not run again, and is left out")
            failed_once.append(source)

    def first_that_fails(self) -> str | None:
        """Have a new process; the first cell that has run and does not run in it, if any."""
        known = functools.partial(course.has, self.assignment)
        connection = self.sandbox.submission()
        self.peer = remote.Peer(connection, self.course, names=standing, known=known)
        for source in self.ran:
            try:
                self.shown(source)
            except (TimedOut, wire.Broken):
                self.peer.connection.close()
                return source
        return None

    def again(self) -> None:
        """Start again, in place of a process that ended or was stopped."""
        self.peer.connection.close()
        self.start()

    def course(self, name: str) -> Any:
        """A function of the course, for a cell of the student's: not while tests run."""
        if self.testing:
            raise RuntimeError(f"{name} is not there while your functions are tested")
        if not course.served(self.assignment, name):
            raise RuntimeError(f"{name} is not there while a notebook is graded")
        module, _, part = name.rpartition(".")
        function = getattr(importlib.import_module(module), part, None)
        if not inspect.isfunction(function) or function.__module__ != module:
            raise RuntimeError(f"{name} is not there while a notebook is graded")
        return function

    def shown(self, source: str) -> list[NotebookNode]:
        """What a cell of the student's shows; raises ``TimedOut`` or ``Broken`` if cut off."""
        with limited(self.seconds), remote.believed("outputs that are none"):
            return [nbformat.from_dict(one) for one in self.peer.ask("cell", source=source)]

    def run(self, source: str) -> list[NotebookNode]:
        """The outputs of a cell of the student's."""
        try:
            outputs: list[NotebookNode] = self.tried_twice(lambda: self.shown(source))
        except (TimedOut, wire.Broken) as error:
            words = self.fallen("a cell", error)
            return [new_output("error", ename="NotFinished", evalue=words, traceback=[words])]
        self.ran.append(source)
        return outputs

    def test(self, source: str) -> list[NotebookNode]:
        """The outputs of a test cell, its score among them."""
        found = UNDER_TEST.search(source)
        name = found[1] if found else ""
        if name in self.stopped:
            return [failed("NotRunAgain", f"{name} {self.stopped[name]}; it is not run again")]
        printed = io.StringIO()
        try:
            result = self.tried_twice(lambda: self.tested(source, printed))
        except (TimedOut, wire.Broken) as error:
            words = self.fallen(name or "a test", error)
            self.stopped |= {name: words} if name else {}
            result = [failed("NotFinished", f"{name or 'this test'} {words}")]
        text = printed.getvalue()
        return [*([new_output("stream", text=text)] if text else []), *result]

    def tried_twice(self, attempt: Callable[[], Any]) -> Any:
        """What an attempt returns; if its process ends, what a second one in a new process does.

        What ended it may be the work of an earlier cell or test, which shows late.
        """
        try:
            return attempt()
        except wire.Broken:
            self.again()
            return attempt()

    def tested(self, source: str, printed: io.StringIO) -> list[NotebookNode]:
        """The value of a test cell, or its error; raises ``TimedOut`` or ``Broken`` if cut off."""
        printed.seek(0)
        printed.truncate()
        strict = board.strict
        self.testing = board.strict = True
        try:
            with limited(self.seconds), printing_to(printed):
                value = evaluated(source, {"__name__": "__test__", **self.functions()})
                self.peer.ask("forget")
            return [] if value is None else [score(value)]
        except (Exception, SystemExit) as error:
            return [told(error, source)]
        finally:
            self.testing, board.strict = False, strict
            self.peer.forget()

    def functions(self) -> dict[str, Any]:
        """{name: function of the submission} of those that tasks ask for and that are there."""
        known = self.peer.ask("names", names=self.sandbox.tasks)
        return {
            name: remote.RemoteFunction(self.peer, {"name": name}, name, known[name])
            for name in self.sandbox.tasks
            if name in known
        }

    def fallen(self, what: str, error: BaseException) -> str:
        """Have a new process after the last one ended or was stopped; say what happened."""
        words = f"was stopped after {self.seconds} seconds"
        if isinstance(error, wire.Broken):
            words = f"ended its process ({self.sandbox.killed or error})"
        self.incidents.append(f"{what} {words}")
        self.again()
        return words


def standing() -> dict[str, Any]:
    """What stands in for functions of the submission while one is tested."""
    watched = stage.Watched
    return {name: one for name, one in stage.standing.items() if not isinstance(one, watched)}


def evaluated(source: str, space: dict[str, Any]) -> Any:
    """Execute a test cell; the value of its last line, if that is an expression."""
    tree, last = ast.parse(source), None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    exec(compile(tree, TEST, "exec"), space)
    return None if last is None else eval(compile(last, TEST, "eval"), space)


def score(value: Any) -> NotebookNode:
    """The value of a test cell, as nbgrader reads it."""
    data = {"text/plain": repr(value)}
    return new_output("execute_result", data=data, execution_count=None)


def told(error: BaseException, source: str) -> NotebookNode:
    """What a student is told of an error in a test cell."""
    kind, words = type(error).__name__, str(error)
    _, _, where = getattr(error, "origin", (None, None, ""))
    hidden = source.find("BEGIN HIDDEN TESTS")
    frames = traceback.extract_tb(error.__traceback__)
    at = next((frame.lineno for frame in frames if frame.filename == TEST), 0) or 0
    in_hidden = hidden >= 0 and at > source[:hidden].count("\n")
    if in_hidden and not isinstance(error, AssertionError | NotImplementedError):
        words = "what it says is left out: it could tell what was tested"
    place = f"in a {'hidden' if in_hidden else 'visible'} test"
    return failed(kind, words, place, *([where] if where else []))
