"""Puts a notebook that has been through Colab and through many hands in order, to be graded."""

import re
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from dipcourse import handin
from dipcourse.grading import answers, identify
from dipcourse.grading.identify import Released
from dipcourse.grading.notes import Notes
from dipcourse.handin import ipynb

VALID_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
SCHEMA = 3


class Mend(NbGraderPreprocessor):
    """Puts a submission in order, and says on top of it what was done; the first to sanitise.

    What cannot be mended is an error of this student alone.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Mend a notebook in place; nbgrader calls it."""
        where = resources["nbgrader"]
        self.student = where["student"]
        self.notes = Notes(self.student, where["assignment"])
        released = self.cells_of(where)
        tidy(nb)
        other, hits = looks_like(nb)
        known, lines = identify.cells(nb.cells, released)
        for line in lines:
            self.note(line)
        mine = sum(released[name].grade or released[name].solution for name in known)
        if mine == 0 or hits > mine:
            words = f", but like {other}" if hits else ""
            raise ValueError(
                f"this does not look like {where['notebook']}{words}; is it the right file?"
            )
        for name, cell in known.items():
            self.restore(cell, released[name])
        self.restore_locked(nb, known, released)
        self.add_missing(nb, known, released)
        self.retype_signs(nb, known, released)
        for line in answers.elsewhere(nb.cells, known, released, theirs(nb, known, where)):
            self.note(line)
        if notes := self.notes.lines():
            nb.cells.insert(0, new_markdown_cell(report(notes), id="mended"))
        return nb, resources

    def note(self, text: str) -> None:
        """Say something about this student's notebook, in the log, the feedback and the table."""
        self.notes.add("grade", text)
        self.log.warning("%s: %s", self.student, text)

    def cells_of(self, where: dict[str, str]) -> dict[str, Released]:
        """The released cells that nbgrader knows, in order: {name: what it is}."""
        with Gradebook(where["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(where["notebook"], where["assignment"])
            points = {c.name: c.max_score for c in [*notebook.grade_cells, *notebook.task_cells]}
            graded = {cell.name for cell in notebook.grade_cells}
            solutions = {cell.name for cell in notebook.solution_cells}
            tasks = {cell.name for cell in notebook.task_cells}
            return {
                cell.name: Released(
                    name=cell.name,
                    source=cell.source,
                    kind=cell.cell_type,
                    checksum=cell.checksum,
                    locked=cell.locked,
                    points=points.get(cell.name),
                    grade=cell.name in graded,
                    solution=cell.name in solutions,
                    task=cell.name in tasks,
                )
                for cell in notebook.source_cells
            }

    def restore(self, cell: NotebookNode, wanted: Released) -> None:
        """Give a cell back its type and its mark."""
        if cell.cell_type != wanted.kind:
            self.note(f"the cell `{wanted.name}` had become {cell.cell_type}, not {wanted.kind}")
            retype(cell, wanted.kind)
        mark = {
            "grade": wanted.grade,
            "grade_id": wanted.name,
            "locked": wanted.locked,
            "schema_version": SCHEMA,
            "solution": wanted.solution,
            "task": wanted.task,
            "cell_type": wanted.kind,
            "checksum": wanted.checksum,
        }
        if wanted.points is not None:
            mark["points"] = wanted.points
        cell.metadata["nbgrader"] = NotebookNode(mark)

    def restore_locked(
        self, nb: NotebookNode, known: dict[str, NotebookNode], released: dict[str, Released]
    ) -> None:
        """Give locked cells back their text, tests their hidden part.

        What a student wrote into a locked cell that is no test runs behind it: imports, say.
        """
        for name, cell in known.items():
            wanted, written = released[name], cell.source
            if not wanted.locked:
                continue
            cell.source = wanted.source
            if identify.same_text(written, wanted.source):
                continue
            if wanted.grade:
                self.note(f"the test `{name}` was changed; it is restored")
                continue
            self.note(f"the locked cell `{name}` was changed; it is restored, your text follows it")
            if wanted.kind == "code":
                place = next(i for i, one in enumerate(nb.cells) if one is cell)
                nb.cells.insert(place + 1, new_code_cell(written))

    def add_missing(
        self, nb: NotebookNode, known: dict[str, NotebookNode], released: dict[str, Released]
    ) -> None:
        """Put released cells that are gone back behind the one before them."""
        before = None
        for name, wanted in released.items():
            if name not in known:
                self.note(f"the cell `{name}` was missing and is back{how_much(wanted)}")
                make = new_code_cell if wanted.kind == "code" else new_markdown_cell
                known[name] = make(wanted.source, id=name)
                self.restore(known[name], wanted)
                after = [i for i, one in enumerate(nb.cells) if one is before]
                nb.cells.insert(after[0] + 1 if after else 0, known[name])
            before = known[name]

    def retype_signs(
        self, nb: NotebookNode, known: dict[str, NotebookNode], released: dict[str, Released]
    ) -> None:
        """Put the signs of a keyboard in the place of those of a word processor, in code."""
        tests = [known[name] for name, wanted in released.items() if wanted.locked]
        for place, cell in enumerate(nb.cells, 1):
            if cell.cell_type != "code" or any(cell is test for test in tests):
                continue
            source = ipynb.typed(cell.source)
            if source != cell.source:
                cell.source = source
                words = "spaces or signs in it are not those of a keyboard (from Word, a web page?)"
                self.note(f"the code cell {place} is mended: {words}")


def tidy(nb: NotebookNode) -> None:
    """What breaks a reader: widgets without state, ids that are double, odd or not there."""
    nb.metadata.pop("widgets", None)
    nb.nbformat, nb.nbformat_minor = 4, max(nb.get("nbformat_minor", 0), 5)
    seen: set[str] = set()
    for place, cell in enumerate(nb.cells):
        if not isinstance(cell.get("metadata"), dict):
            cell["metadata"] = NotebookNode()
        own = (
            cell.get("id")
            or cell.metadata.get("id")
            or cell.metadata.get("nbgrader", {}).get("grade_id")
        )
        own = own if isinstance(own, str) and VALID_ID.fullmatch(own) else f"cell-{place}"
        cell["id"] = own if own not in seen else f"copy-{place}-of-{own}"[:64]
        seen.add(cell["id"])
        if cell.cell_type == "code":
            cell.setdefault("outputs", [])
            cell.setdefault("execution_count", None)


def theirs(
    nb: NotebookNode, known: dict[str, NotebookNode], where: dict[str, str]
) -> list[NotebookNode]:
    """The cells of a notebook that are a student's own: no released cell, no released text."""
    release = Path("assignments", where["assignment"], f"{where['notebook']}.ipynb")
    notebook = ipynb.read(release) if release.exists() else None
    released = notebook["cells"] if notebook else []
    texts = {ipynb.fingerprint(ipynb.source_of(cell)) for cell in released}
    ours = {id(cell) for cell in known.values()}
    return [
        cell
        for cell in nb.cells
        if id(cell) not in ours and ipynb.fingerprint(cell.source) not in texts
    ]


def looks_like(nb: NotebookNode) -> tuple[str, int]:
    """The assignment of this course whose graded cells a notebook's ids name most, and how many."""
    marks = [cell.metadata.get("nbgrader") for cell in nb.cells]
    names = {cell.id for cell in nb.cells}
    names |= {mark.get("grade_id") for mark in marks if isinstance(mark, dict)}
    known = handin.graded_cells()
    hits = {assignment: len(names & cells.keys()) for assignment, cells in known.items()}
    best = max(hits, key=hits.__getitem__)
    return best, hits[best]


def retype(cell: NotebookNode, kind: str) -> None:
    """Make a cell of another type, in place."""
    cell.cell_type = kind
    for key in ("outputs", "execution_count", "attachments"):
        cell.pop(key, None)
    if kind == "code":
        cell.outputs, cell.execution_count = [], None


def how_much(wanted: Released) -> str:
    """What a missing cell means for the score."""
    if wanted.grade and wanted.solution:
        return ", without an answer"
    return ", without your code" if wanted.solution else ""


def report(notes: list[str]) -> str:
    """The text on top of a mended notebook."""
    lines = "\n".join(f"- {note}" for note in notes)
    return f"**Put in order before grading**\n\n{lines}"
