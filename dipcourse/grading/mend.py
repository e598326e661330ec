"""nbgrader's preprocessors for notebooks that have been through Colab and through many hands."""

import os
import re
from collections import defaultdict
from types import SimpleNamespace

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute, NbGraderPreprocessor

from dipcourse.grading import ENVIRONMENT

HIDDEN = re.compile(r"^.*BEGIN HIDDEN TESTS.*\n(.*\n)*?.*END HIDDEN TESTS.*\n?", re.MULTILINE)
VALID_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
SCHEMA = 3


class Mend(NbGraderPreprocessor):
    """Puts a submission in order, and says on top of it what was done; the first to sanitise.

    A cell is known by nbgrader's metadata, else by its id (every source cell has the same name
    for both), else by its text. What cannot be mended is an error of this student alone.
    """

    def preprocess(self, nb, resources):
        where = resources["nbgrader"]
        self.student, self.notes = where["student"], []
        released = self.cells_of(where)
        tidy(nb)
        known = self.identify(nb, released)
        if not known:
            raise ValueError(
                f"{self.student}: no cell of {where['notebook']} is left in this notebook; "
                "is it the right file?"
            )
        for name, cell in known.items():
            self.restore(cell, released[name])
        self.keep_edits(nb, known, released)
        self.add_missing(nb, known, released)
        if self.notes:
            nb.cells.insert(0, new_markdown_cell(report(self.notes), id="mended"))
        return nb, resources

    def note(self, text):
        """Say something about this student's notebook, in the log and in the feedback."""
        self.notes.append(text)
        self.log.warning("%s: %s", self.student, text)

    def cells_of(self, where):
        """The released cells that nbgrader knows, in order: {name: what it is}."""
        with Gradebook(where["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(where["notebook"], where["assignment"])
            points = {c.name: c.max_score for c in [*notebook.grade_cells, *notebook.task_cells]}
            graded = {cell.name for cell in notebook.grade_cells}
            solutions = {cell.name for cell in notebook.solution_cells}
            tasks = {cell.name for cell in notebook.task_cells}
            return {
                cell.name: SimpleNamespace(
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

    def identify(self, nb, released):
        """Find the cell of each released one: {name: cell}; the others lose nbgrader's mark."""
        candidates = defaultdict(list)
        for cell in nb.cells:
            mark = cell.metadata.get("nbgrader")
            name = mark.get("grade_id") if isinstance(mark, dict) else None
            if name not in released and cell.id in released:
                name = cell.id
            if name in released:
                candidates[name].append(cell)
        for name, cells in candidates.items():
            if not any("nbgrader" in cell.metadata for cell in cells):
                self.note(f"the cell `{name}` had lost its mark and was found by its id")
        taken = {id(cell) for cells in candidates.values() for cell in cells}
        for name in released:
            if name not in candidates:
                for cell in nb.cells:
                    if id(cell) not in taken and alike(cell, released[name]):
                        candidates[name].append(cell)
                        taken.add(id(cell))
                if name in candidates:
                    self.note(f"the cell `{name}` had lost its mark and was found by its text")
        chosen = {name: self.choose(released[name], cells) for name, cells in candidates.items()}
        for cell in nb.cells:
            if not any(cell is one for one in chosen.values()):
                cell.metadata.pop("nbgrader", None)
        return {name: chosen[name] for name in released if name in chosen}

    def choose(self, wanted, cells):
        """Of several cells that claim to be one: the answered, then the one with its id."""
        answered = [c for c in cells if not same_text(c.source, wanted.source)]
        pool = answered if wanted.solution and answered else cells
        chosen = next((c for c in pool if c.id == wanted.name), pool[-1])
        if len(cells) > 1:
            words = f"the cell `{wanted.name}` was there {len(cells)} times"
            if wanted.solution and wanted.grade and len(answered) > 1:
                words += "; more than one holds an answer, and this one counts: " + repr(
                    chosen.source[:60]
                )
            self.note(words)
        return chosen

    def restore(self, cell, wanted):
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

    def keep_edits(self, nb, known, released):
        """What a student wrote into a locked cell that is no test runs behind it: imports, say."""
        for name, cell in known.items():
            wanted = released[name]
            if wanted.grade or not wanted.locked or same_text(cell.source, wanted.source):
                continue
            self.note(f"the locked cell `{name}` was changed; it is restored, your text follows it")
            copy = new_code_cell(cell.source) if wanted.kind == "code" else None
            if copy:
                place = next(i for i, one in enumerate(nb.cells) if one is cell)
                nb.cells.insert(place + 1, copy)

    def add_missing(self, nb, known, released):
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


class Trim(NbGraderPreprocessor):
    """Takes away the empty lines that cut-out tests leave at the end of released cells."""

    def preprocess_cell(self, cell, resources, index):
        cell.source = cell.source.rstrip()
        return cell, resources


class GuardedExecute(Execute):
    """nbgrader's execution on one thread, without a GPU: see ``dipcourse.grading.ENVIRONMENT``."""

    def start_new_kernel(self, **options):
        """Start the kernel with the environment for grading."""
        options["env"] = {**os.environ, **(options.get("env") or {}), **ENVIRONMENT}
        return super().start_new_kernel(**options)

    def preprocess_cell(self, cell, resources, index):
        """Execute a cell; of a test cell's results only its own, the last, is a score."""
        cell, resources = super().preprocess_cell(cell, resources, index)
        if utils.is_grade(cell) and cell.cell_type == "code":
            values = [o for o in cell.outputs if o.output_type == "execute_result"]
            failed = any(output.output_type == "error" for output in cell.outputs)
            no_scores = values if failed else values[:-1]
            cell.outputs = [o for o in cell.outputs if not any(o is one for one in no_scores)]
        return cell, resources


class HideTests(NbGraderPreprocessor):
    """For the feedback: no hidden tests, neither in a cell nor in the trace of an error."""

    def preprocess_cell(self, cell, resources, index):
        if utils.is_grade(cell) and cell.cell_type == "code":
            cell.source = HIDDEN.sub("", cell.source + "\n").rstrip()
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = short(output, cell.execution_count)
        return cell, resources


def short(error, count):
    """A trace without the test cell's own lines: the student's code and the message."""
    message = f"{error.ename}: {error.evalue}"
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", frame) for frame in error.traceback]
    theirs = [
        frame
        for frame, text in zip(error.traceback, plain, strict=True)
        if (found := re.match(r"(?:Cell )?In\s*\[(\d+)\]", text)) and int(found[1]) != count
    ]
    return [*theirs, message]


def tidy(nb):
    """What breaks a reader: widgets without state, ids that are double, odd or not there."""
    nb.metadata.pop("widgets", None)
    nb.nbformat, nb.nbformat_minor = 4, max(nb.get("nbformat_minor", 0), 5)
    seen = set()
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


def retype(cell, kind):
    """Make a cell of another type, in place."""
    cell.cell_type = kind
    for key in ("outputs", "execution_count", "attachments"):
        cell.pop(key, None)
    if kind == "code":
        cell.outputs, cell.execution_count = [], None


def same_text(a, b):
    """Whether two sources agree, hidden tests and white space apart."""
    a, b = (re.sub(r"\s+", "", HIDDEN.sub("", text + "\n")) for text in (a, b))
    return a == b


def alike(cell, wanted):
    """Whether a cell without id and mark is the wanted one: the same text, or the same first line.

    The first line names what a cell is about: ``def psnr(a, b):`` or ``# Test 1a · …``.
    """
    first, wanted_first = (text.strip().split("\n")[0] for text in (cell.source, wanted.source))
    return same_text(cell.source, wanted.source) or (len(first) > 9 and first == wanted_first)


def how_much(wanted):
    """What a missing cell means for the score."""
    if wanted.grade and wanted.solution:
        return ", without an answer"
    return ", without your code" if wanted.solution else ""


def report(notes):
    """The text on top of a mended notebook."""
    lines = "\n".join(f"- {note}" for note in notes)
    return f"**Put in order before grading**\n\n{lines}"
