"""Every lesson runs from a fresh kernel at smoke scale, as it is and with its exercises answered.

One run does both: first the lesson as a student gets it, with its stubs; then, in the same kernel,
each answer in place of its stub and the cells that check it.
"""

import copy

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import notebooks
from tools.execute import execute, printed

LESSONS = notebooks.lessons()
OPEN, WRONG, RIGHT = "⬜", "❌", "✅"


def with_answers(notebook):
    """Return a copy that goes on after its end with each answer and the cells that check it."""
    longer = copy.deepcopy(notebook)
    found = notebooks.answers(notebook)
    for place, stub in enumerate(notebook.cells):
        if notebooks.is_stub(stub):
            answer = new_code_cell(found[stub.id], id=f"{stub.id}-answered")
            checks = [
                new_code_cell(c.source, id=f"{c.id}-again") for c in checking(notebook, place)
            ]
            longer.cells += [answer, *checks]
    return longer


def checking(notebook, place):
    """Return the code cells between the stub at this place and its answer."""
    cells = []
    for cell in notebook.cells[place + 1 :]:
        if (
            cell.cell_type == "markdown"
            and f"answer: {notebook.cells[place].id} -->" in cell.source
        ):
            break
        if cell.cell_type == "code":
            cells.append(cell)
    return cells


def complaints(notebook, run):
    """Return what is wrong with a notebook that `with_answers` made and that has run."""
    if not run.ok:
        return [f"cell {run.cell}: {run.error}"]
    found = []
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        text = printed(cell)
        if noise := printed(cell, "stderr"):
            found.append(f"cell {cell.id} writes to stderr: {noise[-200:]}")
        if WRONG in text:
            found.append(f"cell {cell.id}: {text}")
        if cell.id.endswith("-again") and OPEN in text:
            found.append(f"cell {cell.id} is open with the answer in place: {text}")
        if notebooks.is_stub(cell):
            checks = checking(notebook, place)
            if not any(OPEN in printed(check) for check in checks):
                found.append(f"cell {cell.id}: no check says {OPEN} as long as it is a stub")
            again = {f"{check.id}-again" for check in checks}
            if not any(RIGHT in printed(c) for c in notebook.cells if c.id in again):
                found.append(f"cell {cell.id}: no check says {RIGHT} with the answer in place")
    return found


@pytest.mark.lesson
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_runs_as_is_and_answered(path):
    notebook = with_answers(notebooks.read(path))
    run = execute(notebook, path.parent, "smoke", timeout=120)
    assert complaints(notebook, run) == []


def test_there_are_lessons():
    assert LESSONS


# ---- the test itself can fail


STUB = "def twice(x):\n    raise NotImplementedError"
CHECK = """\
try:
    print("✅" if twice(2) == 4 else "❌")
except NotImplementedError:
    print("⬜")"""
ANSWER = "<details>\n\n<!-- answer: exercise-a -->\n```python\ndef twice(x):\n    return {}\n```\n"


def small(stub=STUB, check=CHECK, answer="2 * x", last="print('end')"):
    return new_notebook(
        cells=[
            new_code_cell(stub, id="exercise-a"),
            new_code_cell(check, id="check-a"),
            new_markdown_cell(ANSWER.format(answer), id="answer-a"),
            new_code_cell(last, id="last"),
        ]
    )


CASES = {
    "all is well": (small(), None),
    "a wrong answer": (small(answer="3 * x"), "cell check-a-again: ❌"),
    "no check": (small(check="pass"), "cell exercise-a: no check says ⬜"),
    "a cell that raises": (small(last="1 / 0"), "cell last: ZeroDivisionError"),
    "a stub that stops Run All": (small(check="twice(2)"), "cell check-a: NotImplementedError"),
    "a warning": (
        small(last="import warnings\nwarnings.warn('old')"),
        "cell last writes to stderr",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_goes_wrong_is_named(case, tmp_path):
    notebook, complaint = CASES[case]
    longer = with_answers(notebook)
    found = complaints(longer, execute(longer, tmp_path, "smoke"))
    if complaint is None:
        assert found == []
    else:
        assert any(line.startswith(complaint) for line in found), found
