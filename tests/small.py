"""A small assignment with two functions, for tests of the grading: it is graded in an instant."""

import copy

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import assignments

NAME = "a1_total_variation"
FULL = {"test-twice-small": 2, "test-twice-large": 1, "test-half": 1}
TEST = """\
# Test {title}
from dipcourse import assignment

assignment.alone("{function}", "a1_total_variation")


@assignment.visible("{title}")
def check_{name}():
    assignment.near("{function} of {x}", {function}({x}), {y})


### BEGIN HIDDEN TESTS
@assignment.hidden("more numbers")
def secretly_{name}():
    assignment.near("{function} of 1000", {function}(1000), {big})
### END HIDDEN TESTS"""


def source():
    """A small assignment under the name of a real one, so that the page's commands fit."""
    twice = {"function": "twice", "big": 2000}
    half = {"function": "half", "x": 3, "y": 1.5, "big": 500}
    cells = [
        new_markdown_cell("# A small assignment", id="title"),
        new_code_cell("from dipcourse import assignment", id="setup"),
        new_code_cell(stub("twice", "2 * x"), id="task-twice"),
        new_code_cell(
            TEST.format(title="1a small (2 points)", name="small", x=2, y=4, **twice),
            id="test-twice-small",
        ),
        new_code_cell(
            TEST.format(title="1b large (1 point)", name="large", x=20, y=40, **twice),
            id="test-twice-large",
        ),
        new_code_cell(stub("half", "x / 2"), id="task-half"),
        new_code_cell(TEST.format(title="2 half (1 point)", name="half", **half), id="test-half"),
        new_markdown_cell(
            "**Why? (2 points)**\n\n### BEGIN SOLUTION\nA model answer.\n### END SOLUTION",
            id="explain-why",
        ),
    ]
    notebook = new_notebook(cells=cells)
    assignments.tidy(notebook, NAME)
    return notebook


def stub(name, answer):
    return f"def {name}(x):\n    ### BEGIN SOLUTION\n    return {answer}\n    ### END SOLUTION"


def cell(notebook, id):
    return next(cell for cell in notebook.cells if cell.get("id") == id)


def answer(released, twice="2 * x", half="x / 2"):
    """The released notebook with everything answered."""
    done = copy.deepcopy(released)
    cell(done, "task-twice").source = f"def twice(x):\n    return {twice}"
    cell(done, "task-half").source = f"def half(x):\n    return {half}"
    cell(done, "explain-why").source = "**Why? (2 points)**\n\nBecause."
    return done
