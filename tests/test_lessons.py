"""Every lesson runs from a fresh kernel at smoke scale: as it is, answered, again, and by readers.

One run does it all: first the lesson as a student gets it, with its stubs; then, in the same
kernel, each answer in place of its stub and the cells that check it; then every cell once more;
and last what readers do: write a step, paint, vote, and run some cells again.

Once more means from the last cell to the first: so each cell meets what all later ones have left
behind, which would be made anew in time if they ran from the top. It has to show the same text,
numbers and pictures. A fit or a figure that is the same again is looked up (tests/remembered.py).
"""

import copy
import itertools
import re
import sys

import numpy as np
import pytest
import remembered
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dipcourse import degrade, fit, nets, show
from dipcourse.fit import together
from dipcourse.show import picture
from tools import notebooks
from tools.execute import execute, printed

pytestmark = pytest.mark.usefixtures("warm_kernels")

LESSONS = notebooks.lessons()
REMEMBER = f"__import__('runpy').run_path({remembered.__file__!r})['remember']()"
OPEN, WRONG, RIGHT = "☐", "✗", "✓"
PROGRESS = re.compile(r"\r[^\n]*\n?")
EVER_NEW = re.compile(r"\b[0-9a-f]{32}\b|\b0x[0-9a-f]+|\b\d+(\.\d+)? s\b")  # ids and times

# cells that are put behind a cell, to see what it has made: what a slider shows, a faster machine
PROBES = {
    "01": {"panel": "view(0.34)"},
    "07": {"panel": "variance_rule(louder, 4, 6)"},
    "90": {"stage": "PATIENCE = 10**9  # how fast the machine is decides nothing"},
}

# what readers do after Run All: the id of a cell is run again, a line of code stands for a click
READERS = {
    "00": [
        ("my-step", "my_step = 0", "my_step = 20"),
        "assert torch.equal(mine, history.frame(history.nearest(20)))",
        "check-psnr",
        "curves",
    ],
    "01": [
        ("my-weight", "my_weight = 0.04", "my_weight = 0.45"),
        "assert list(chosen) == [0.04, 0.16, 0.34, 0.8, 0.45]",
        ("restore", "priors.total_variation(x_hat)", "quadratic(x_hat)"),  # as its answer proposes
        "stairs",
        "restore",
        "stairs",
    ],
    "02": [
        "for _ in range(3):\n    steered.step()",
        "steer-by-timetable",
        "assert len(drives['your drive']) == 3",
        "steer",
        "steer-by-timetable",
        "assert 'your drive' not in drives",
    ],
    "04": [
        ("my-step", "my_step = 0", "my_step = 20"),
        "assert torch.equal(mine, plain.frame(plain.nearest(20)))",
        "show-peak",
        "assert mark['my step'] == 20",
        ("paper-fit", "RUN_IT = False", "RUN_IT = True"),
        "assert len(wide.loss) == 2",
        "paper-table",
        ("own-photo", "MY_PHOTO = None", "MY_PHOTO = '../images/face.png'"),
        "own-removed",
        "assert torch.equal(own, live.crop(top, left, SIDE)(images.load('../images/face.png')))",
    ],
    "05": [
        ("paper-fit", "RUN_IT = False", "RUN_IT = True"),
        "assert len(wide.loss) == 2",
        "paper-table",
        "from dipcourse.live import mask as drawing",
        "ellipse, blot = holes['a region'], degrade.hole_mask(SMALL, SMALL, 3, 5, 20, 30)",
        "drawn.canvas.drawn = drawing.encode(ellipse * blot)",
        "fill-hole",
        "assert torch.equal(mask, ellipse * blot)",
        "check-channels",
        "drawn.canvas.drawn = drawing.encode(blot)",
        "fill-hole",
        "assert torch.equal(mask, blot)",
        "drawn.canvas.drawn = ''",
        "fill-hole",
        "assert torch.equal(mask, ellipse)",
    ],
    "06": [
        ("paper-fit", "RUN_IT = False", "RUN_IT = True"),
        "assert len(wide.loss) == 2",
        "paper-table",
        ("own-photo", "MY_PHOTO = None", "MY_PHOTO = '../images/face.png'"),
        "own-enlarged",
        "assert own_y.shape == (1, 3, SQUARE, SQUARE)",
    ],
    "13": [
        ("own-sound", "MY_SOUND = None", "MY_SOUND = '../dipcourse/_sounds/voice.wav'"),
        "own-curves",
        "assert len(own_targets['sound']) == len(voice)",
    ],
    "14": [
        ("choose", 'pick_photo("chelsea")', 'pick_photo("page")'),  # grey, of another shape
        "photo",
        "noisy",
        "run-denoise",
        "judge-denoise",
        "pair",
        "run-flash",
        ("own-photo", "MY_PHOTO = None", "MY_PHOTO = '../images/face.png'"),
        "own-restored",
        "assert own.shape == (1, 3, SIDE, SIDE)",
    ],
    "90": [
        "from dipcourse.live import mask as drawing",
        "voted_on = recordings.load('90_noisy').steps",
        "vote",
        "heal",
        "for _ in range(25):\n    healing.step()",
        "look",
        "boxes[2].value, boxes[3].value = 12, 7",
        "reveal",
        "best = mark.pop('best step')",
        "assert mark == {f'C (12)': voted_on[picks['C']], 'D (7)': voted_on[picks['D']]}",
        "against",
        "assert step == voted_on[picks['C']]",
        "noise",
        "for _ in range(4):\n    denoising.step()",
        "reveal",
        "assert len(history) == len(voted_on)  # it is this fit that has votes",
        "vote",
        "reveal",
        "assert list(mark) == ['best step']",
        "assert len(history.loss) == 4",
        "boxes[5].value = 1",
        "reveal",
        "assert mark['F (1)'] == 3",
        "draw",
        "drawn.canvas.drawn = drawing.encode(degrade.hole_mask(SIDE, SIDE, 10, 10, 20, 20))",
        "heal",
        "assert mask.sum() == SIDE**2 - 100",
        "look",
        "stage",
        "reveal",
        "farewell",
        "heal",
        "assert torch.equal(mask, scribble)",
    ],
}


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


def with_probes(notebook, probes):
    """Return a copy with more code cells: {id of the cell in front: code}."""
    longer = copy.deepcopy(notebook)
    for place, cell in reversed(list(enumerate(notebook.cells))):
        if cell.id in probes:
            longer.cells.insert(place + 1, new_code_cell(probes[cell.id], id=f"{cell.id}-probe"))
    return longer


def again(notebook):
    """Return the code cells from the last to the first, each answer in place of its stub."""
    found = notebooks.answers(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        new_code_cell(found.get(cell.id, cell.source), id=f"{cell.id}-once-more")
        for cell in reversed(code)
    ]


def as_readers_do(notebook, acts):
    """Return cells for what readers do, in order.

    Args:
        notebook: the lesson.
        acts: list of the id of a cell; or (id, old, new): the cell, edited; or code.
    """
    sources = {cell.id: cell.source for cell in notebook.cells}
    cells = []
    for number, act in enumerate(acts):
        id, *edit = (act,) if isinstance(act, str) else act
        source = sources.get(id, id)
        if edit:
            assert edit[0] in source, f"{id} has no {edit[0]}"
            source = source.replace(*edit)
        name = id if id in sources else "click"
        cells.append(new_code_cell(source, id=f"{name}-reader-{number}"))
    return cells


def shown(cell):
    """Return what a cell shows, without what is new in each run: [text, pictures and pages …]."""
    text = PROGRESS.sub("", printed(cell))
    for output in cell.outputs:
        for kind, data in sorted(output.get("data", {}).items()):
            text += f"\n{kind}: {'' if kind.endswith('view+json') else data}"
    return EVER_NEW.sub("…", text)


def changes(notebook):
    """Return the cells that show something else when they run once more, and where it begins."""
    cells = {cell.id: cell for cell in notebook.cells}
    found = []
    for id, cell in cells.items():
        if not id.endswith("-once-more"):
            continue
        name = id.removesuffix("-once-more")
        first, second = shown(cells.get(f"{name}-again", cells[name])), shown(cell)
        if first != second:
            at = next(i for i in itertools.count() if first[i : i + 1] != second[i : i + 1])
            parts = (text[max(at - 60, 0) : at + 60] for text in (first, second))
            views = " became ".join(map(repr, parts))
            found.append(f"cell {name} shows something else when it runs again: {views}")
    return found


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
    return found + changes(notebook)


def everything(notebook, probes, acts):
    """Return the notebook that does it all: answers, every cell once more, readers."""
    lesson = with_probes(notebook, probes)
    longer = with_answers(lesson)
    longer.cells += again(lesson) + as_readers_do(lesson, acts)
    return longer


@pytest.mark.lesson
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_runs_as_is_answered_again_and_by_readers(path):
    number = path.name[:2]
    lesson = notebooks.read(path)
    notebook = everything(lesson, PROBES.get(number, {}), READERS.get(number, []))
    notebook.cells.insert(0, new_code_cell(REMEMBER, id="remember"))
    run = execute(notebook, path.parent, "smoke", timeout=120)
    assert complaints(notebook, run) == []


def test_there_are_lessons():
    assert LESSONS


# ---- the test itself can fail


STUB = "def twice(x):\n    raise NotImplementedError"
CHECK = """\
try:
    print("✓" if twice(2) == 4 else "✗")
except NotImplementedError:
    print("☐")"""
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
    "a wrong answer": (small(answer="3 * x"), "cell check-a-again: ✗"),
    "no check": (small(check="pass"), "cell exercise-a: no check says ☐"),
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


def numbered(*sources):
    """A notebook of code cells with the ids a, b, c, …"""
    return new_notebook(
        cells=[new_code_cell(s, id="abcdefghijk"[n]) for n, s in enumerate(sources)]
    )


def test_what_changes_when_it_runs_again_is_named(tmp_path):
    notebook = numbered(
        "import random, time, uuid\nn, rows, rng = 1, [], random.Random(0)",
        "print(n)",
        "from IPython.display import HTML\nHTML(f'<b>{n}</b>')",
        "rows.append(n)\nprint(rows)",
        "print(rng.random())",
        "print('\\r 60% |', 'in', round(time.time(), 1), 's', uuid.uuid4().hex)",
        "print(f'{uuid.uuid4().hex}: {time.time():.1f} s')",
        "k = 1\nprint(k)",
        "n, k = 2, 2",
    )
    longer = everything(notebook, {}, [])
    found = complaints(longer, execute(longer, tmp_path, "smoke"))
    assert [line.split(" shows")[0] for line in found] == [f"cell {id}" for id in "edcb"]
    assert found[-1].endswith("'1\\n' became '2\\n'")


def test_what_breaks_when_it_runs_again_is_named(tmp_path):
    longer = everything(numbered("n = [1]", "n[0]", "n = 3"), {}, [])
    (found,) = complaints(longer, execute(longer, tmp_path, "smoke"))
    assert found.startswith("cell b-once-more: TypeError")


def test_what_a_reader_meets_is_named(tmp_path):
    acts = ["n = 3", "assert n == 3", ("b", "n)", "-n)"), "a", "b", "assert n == 2"]
    longer = everything(numbered("n = 1", "print(n)"), {"b": "print('probe')"}, acts)
    (found,) = complaints(longer, execute(longer, tmp_path, "smoke"))
    assert found.startswith("cell click-reader-5: AssertionError")
    texts = {cell.id: printed(cell) for cell in longer.cells}
    assert (texts["b-probe"], texts["b-reader-2"], texts["b-reader-4"]) == (
        "probe\n",
        "-3\n",
        "1\n",
    )


def test_a_fit_is_looked_up_only_if_all_of_it_is_the_same():
    made = []

    def make(*arguments, **settings):
        made.append(settings)
        return fit.fit(*arguments, **settings)

    asked = remembered.looked_up(make)

    def fitted(start=0.0, y=0.5, **settings):
        net, y = nets.PixelImage(torch.full((1, 1, 8, 8), start)), torch.full((1, 1, 8, 8), y)
        history = asked(net, None, y, degrade.Identity(), steps=3, progress=False, **settings)
        assert torch.equal(history.final, net(None))
        return history

    first, again = fitted(), fitted()
    assert len(made) == 1
    assert (first.loss == again.loss).all()
    for other in ({"start": 0.1}, {"y": 0.6}, {"lr": 0.1}):
        assert fitted(**other).loss[-1] != first.loss[-1]
    assert len(made) == 4
    for _ in range(2):
        fitted(prior=lambda x: 0 * x.sum())  # what it reads may have changed
    assert len(made) == 6


def test_a_plan_is_looked_up_only_if_all_of_it_is_the_same(monkeypatch):
    made, make = [], together._make

    def counted(plan, *signals):
        made.append(plan)
        return make(plan, *signals)

    monkeypatch.setattr(together, "_make", remembered.plans_looked_up(counted))

    def fitted(**settings):
        net, y = nets.PixelImage(torch.zeros(1, 1, 8, 8)), torch.full((1, 1, 8, 8), 0.5)
        plan = fit.plan(net, None, y, degrade.Identity(), steps=3, **settings)
        (history,) = fit.side_by_side([plan], progress=False)
        assert torch.equal(history.final, net(None))
        return history

    assert (fitted().loss == fitted().loss).all()
    assert len(made) == 1
    fitted(lr=0.1)
    assert len(made) == 2


def test_a_figure_is_looked_up_only_if_all_that_is_drawn_is_the_same(monkeypatch):
    made, write = [], picture._written

    def counted(*arguments):
        made.append(arguments)
        return write(*arguments)

    monkeypatch.setattr(picture, "_written", remembered.calls_looked_up(counted))
    x = torch.full((1, 1, 8, 8), 0.5)
    first, again = (show.images({"x": x}, display=False) for _ in range(2))
    assert first.png == again.png
    other = show.images({"x": 0.9 * x}, display=False)  # the caption is the same
    assert (other.png == first.png, other.alt == first.alt) == (False, True)
    for rate in (1.0, 1.0, 2.0):
        show.curves({"loss": rate * np.arange(3)}, display=False)
    assert len(made) == 4


def test_a_fit_with_a_notebooks_own_code_is_not_looked_up(monkeypatch):
    assert remembered.by_value(fit.fit) is not None
    own = type("Own", (nets.PixelImage,), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "Own", own, raising=False)
    assert remembered.by_value(own(torch.zeros(1, 1, 8, 8))) is None
