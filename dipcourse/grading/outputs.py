"""Gives the cells of a submission their outputs: those of its execution, cut short."""

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import LimitOutput, NbGraderPreprocessor
from traitlets import Bool, Integer, Unicode

from dipcourse.grading import jobs
from dipcourse.grading.notes import Notes

ALL = "all\n"  # what stdin says when no more outcomes come


class SandboxedExecute(NbGraderPreprocessor):
    """Executes the student's cells in a sandbox and the tests, which it knows, in this process."""

    timeout = Integer(120, help="Seconds that a cell may take.").tag(config=True)
    unsafe = Bool(False, help="Whether to go on without a sandbox.").tag(config=True)
    kept = Unicode("", help="A folder of outcomes that are looked up; see ahead.py").tag(
        config=True
    )
    waits = Bool(False, help="Whether outcomes still come, as stdin tells.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Execute a notebook; nbgrader calls it."""
        where = resources["nbgrader"]
        job = jobs.job_of(nb, jobs.source_of(where), self.timeout, self.unsafe)
        if self.waits:
            wait_for(jobs.kept_at(self.kept, job))
        outcome = (jobs.look_up(self.kept, job) if self.kept else None) or done(job)
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        for count, (cell, outputs) in enumerate(zip(code, outcome["outputs"], strict=True), 1):
            cell.outputs = [nbformat.from_dict(output) for output in outputs]
            cell.execution_count = count
        notes = Notes(where["student"], where["assignment"])
        for line in outcome["incidents"]:
            notes.add("grade", line)
            self.log.warning("%s: %s", where["student"], line)
        return nb, resources


def done(job: dict[str, Any]) -> dict[str, Any]:
    """Execute a job in this process."""
    from dipcourse.grading import execute  # takes seconds, and most outcomes are looked up

    return execute.done(job)


def wait_for(outcome: Path) -> None:
    """Return when the file of an outcome is there, or when no more come."""
    while not outcome.exists() and next(arrivals(), None):
        pass


@functools.cache
def arrivals() -> Iterator[str]:
    """A line of stdin for each outcome that comes, until the line ALL.

    Raises:
        KeyboardInterrupt: stdin ends before that: who executes the jobs has ended.
    """
    for line in sys.stdin:
        if line == ALL:
            return
        yield line
    raise KeyboardInterrupt


class Shorten(LimitOutput):
    """Cuts what a cell prints, and its errors, to so many characters, as well as lines."""

    max_characters = Integer(20_000, help="of one cell").tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        cell, resources = super().preprocess_cell(cell, resources, index)
        left, kept = self.max_characters, []
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                if left == 0:
                    continue
                output.text, left = self.cut(output.text, left), max(left - len(output.text), 0)
            elif output.output_type == "error":
                output.evalue = self.cut(output.evalue, self.max_characters)
                frames = self.cut("\0".join(output.traceback), self.max_characters)
                output.traceback = frames.split("\0")
            kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
        return cell, resources

    def cut(self, text: str, length: int) -> str:
        """The text, or its beginning if it is longer."""
        return text if len(text) <= length else text[:length] + "\n... Output truncated ..."
