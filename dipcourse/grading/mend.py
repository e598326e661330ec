"""nbgrader's preprocessors for notebooks that have been through Colab and through many hands."""

import ast
import html
import json
import os
import re
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute, LimitOutput, NbGraderPreprocessor
from traitlets import Integer

from dipcourse import handin
from dipcourse.grading import ENVIRONMENT, answers
from dipcourse.grading.notes import Notes

HIDDEN = re.compile(r"^.*BEGIN HIDDEN TESTS.*\n(.*\n)*?.*END HIDDEN TESTS.*\n?", re.MULTILINE)
WRAP = "<style>pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }</style>"
VALID_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
SCHEMA = 3


class Mend(NbGraderPreprocessor):
    """Puts a submission in order, and says on top of it what was done; the first to sanitise.

    A cell is known by nbgrader's metadata, else by its id (every source cell has the same name
    for both), else by its text. What cannot be mended is an error of this student alone.
    """

    def preprocess(self, nb, resources):
        where = resources["nbgrader"]
        self.student = where["student"]
        self.notes = Notes(self.student, where["assignment"])
        released = self.cells_of(where)
        tidy(nb)
        other, hits = looks_like(nb)
        known = self.identify(nb, released)
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
        if lines := self.notes.lines():
            nb.cells.insert(0, new_markdown_cell(report(lines), id="mended"))
        return nb, resources

    def note(self, text):
        """Say something about this student's notebook, in the log, the feedback and the table."""
        self.notes.add("grade", text)
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

    def restore_locked(self, nb, known, released):
        """Give locked cells back their text, tests their hidden part.

        What a student wrote into a locked cell that is no test runs behind it: imports, say.
        """
        for name, cell in known.items():
            wanted, written = released[name], cell.source
            if not wanted.locked:
                continue
            cell.source = wanted.source
            if same_text(written, wanted.source):
                continue
            if wanted.grade:
                self.note(f"the test `{name}` was changed; it is restored")
                continue
            self.note(f"the locked cell `{name}` was changed; it is restored, your text follows it")
            if wanted.kind == "code":
                place = next(i for i, one in enumerate(nb.cells) if one is cell)
                nb.cells.insert(place + 1, new_code_cell(written))

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

    def retype_signs(self, nb, known, released):
        """Put the signs of a keyboard in the place of those of a word processor, in code."""
        tests = [known[name] for name, wanted in released.items() if wanted.locked]
        for place, cell in enumerate(nb.cells, 1):
            if cell.cell_type != "code" or any(cell is test for test in tests):
                continue
            source = handin.typed(cell.source)
            if source != cell.source:
                cell.source = source
                words = "spaces or signs in it are not those of a keyboard (from Word, a web page?)"
                self.note(f"the code cell {place} is mended: {words}")


class Trim(NbGraderPreprocessor):
    """Takes away the empty lines that cut-out tests leave at the end of released cells."""

    def preprocess_cell(self, cell, resources, index):
        cell.source = cell.source.rstrip()
        return cell, resources


class GuardedExecute(Execute):
    """nbgrader's execution with ``dipcourse.grading.ENVIRONMENT`` and ``guard`` in the kernel."""

    def on_comm_open_jupyter_widget(self, msg):
        """There is no page with widgets here: what one would catch is the cell's own output."""

    def start_new_kernel(self, **options):
        """Start the kernel with the environment for grading; we are in the course folder."""
        course = {"DIPCOURSE_COURSE": os.getcwd()}
        options["env"] = {**os.environ, **(options.get("env") or {}), **ENVIRONMENT, **course}
        return super().start_new_kernel(**options)

    def preprocess_cell(self, cell, resources, index):
        """Execute a cell; of a test cell's results only its own, the last, is a score.

        nbgrader gives 0 for anything on stderr: in a test cell it becomes plain output.
        """
        cell, resources = super().preprocess_cell(cell, resources, index)
        if utils.is_grade(cell) and cell.cell_type == "code":
            failed = any(output.output_type == "error" for output in cell.outputs)
            if not failed and (words := self.foul(cell)):
                cell.outputs.append(new_output("error", ename="NotCounted", evalue=words))
                failed = True
            values = [o for o in cell.outputs if o.output_type == "execute_result"]
            no_scores = values if failed else values[:-1]
            cell.outputs = [o for o in cell.outputs if not any(o is one for one in no_scores)]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.name = "stdout"
        return cell, resources

    def foul(self, cell):
        """Why a test that passed does not count, from ``guard`` in the kernel; "" if it does."""
        ask = "__import__('sys').modules['dipcourse.grading.guard'].report()"
        message = self.kc.execute("", silent=True, user_expressions={"report": ask})
        reply = self.wait_for_reply(message)
        try:
            text = reply["content"]["user_expressions"]["report"]["data"]["text/plain"]
            source, replaced = json.loads(ast.literal_eval(text))
        except (TypeError, KeyError, ValueError, SyntaxError):
            return "the grader got no answer after this test; it does not count"
        if source.strip() != TransformerManager().transform_cell(cell.source).strip():
            return "other code was run than this test; it does not count"
        if replaced:
            names = ", ".join(replaced)
            return (
                f"what tests stand on was replaced while this one ran ({names}); it does not count"
            )
        return ""


class Shorten(LimitOutput):
    """Cuts what a cell prints, and its errors, to so many characters, as well as lines."""

    max_characters = Integer(20_000, help="of one cell").tag(config=True)

    def preprocess_cell(self, cell, resources, index):
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

    def cut(self, text, length):
        return text if len(text) <= length else text[:length] + "\n... Output truncated ..."


class HideTests(NbGraderPreprocessor):
    """For the feedback: no hidden tests, neither in a cell nor in the trace of an error."""

    def preprocess_cell(self, cell, resources, index):
        if utils.is_grade(cell) and cell.cell_type == "code":
            cell.source = HIDDEN.sub("", cell.source + "\n").rstrip()
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = short(output, cell.execution_count)
        return cell, resources


def polish(notebooks, **_):
    """Long lines of a feedback page are wrapped, its index names the tests; nbgrader calls it.

    Args:
        notebooks: paths "autograded/<student>/<assignment>/<notebook>.ipynb".
    """
    for place in map(Path, notebooks):
        page = Path("feedback", *place.parts[-3:]).with_suffix(".html")
        text = page.read_text(encoding="utf-8").replace("</head>", f"{WRAP}</head>", 1)
        for cell in nbformat.read(place, as_version=4).cells:
            title = cell.source.split("\n")[0]
            if utils.is_grade(cell) and title.startswith("# "):
                link = f'<a href="#{cell.metadata.nbgrader.grade_id}">'
                text = text.replace(f"{link}Test cell", link + html.escape(title[2:]))
        page.write_text(text, encoding="utf-8")


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


def theirs(nb, known, where):
    """The cells of a notebook that are a student's own: no released cell, no released text."""
    release = Path("assignments", where["assignment"], f"{where['notebook']}.ipynb")
    notebook = handin.read_notebook(release) if release.exists() else {"cells": []}
    texts = {handin.fingerprint(handin.source_of(cell)) for cell in notebook["cells"]}
    ours = {id(cell) for cell in known.values()}
    return [
        cell
        for cell in nb.cells
        if id(cell) not in ours and handin.fingerprint(cell.source) not in texts
    ]


def looks_like(nb):
    """The assignment of this course whose graded cells a notebook's ids name most, and how many."""
    marks = [cell.metadata.get("nbgrader") for cell in nb.cells]
    names = {cell.id for cell in nb.cells}
    names |= {mark.get("grade_id") for mark in marks if isinstance(mark, dict)}
    known = json.loads(handin.MANIFEST.read_text(encoding="utf-8"))
    hits = {assignment: len(names & cells.keys()) for assignment, cells in known.items()}
    best = max(hits, key=hits.get)
    return best, hits[best]


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
