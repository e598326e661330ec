"""Every assignment grades right: a bank of answers goes through its tests.

Every answer goes through the test cells in a fork of a warm interpreter, in the environment of the
grader, and a sample through nbgrader itself, end to end: the two must agree. Submission k holds
variant k of every task. Among the bundles of wrong answers each task is right once: it must get
full marks among errors, and every wrong answer must lose points at its own task.
"""

import ast
import builtins
import functools
import importlib
import inspect
import operator
import re
import symtable
from dataclasses import dataclass
from functools import partial

import nbformat
import numpy
import pytest
import torch
from course import Course, answered, bank, own_tests, plain_scores, points, run_plainly
from fresh import disagreements, plainly

from dipcourse import assignment
from dipcourse.assignment import board, ours
from tools import assignments, notebooks
from tools.execute import execute, printed

SOURCES = {path.parent.name: notebooks.read(path) for path in assignments.sources()}
SAMPLE = 2  # bundles of wrong answers that nbgrader grades, too
EVERY = pytest.mark.parametrize("name", SOURCES)
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION$\n?", re.MULTILINE | re.DOTALL)


# ---- what the files say


def test_there_are_assignments():
    assert SOURCES


def test_what_is_generated_is_up_to_date():
    """`make assignments` writes it."""
    assert [str(path) for path, _ in assignments.stale()] == []


@EVERY
def test_bank_is_large_enough(name):
    tasks = {cell.id for cell in SOURCES[name].cells if assignments.kind(cell) == "task"}
    assert set(bank(name)) == tasks
    for task, answers in bank(name).items():
        assert len(answers["right"]) >= 3, task
        assert len(answers["wrong"]) >= 8, task
        assert own_tests(task, SOURCES[name]), task


@EVERY
def test_header_gives_the_points(name):
    """The table on top and the headings name the points that the test cells add up to."""
    of = points(SOURCES[name])
    text = "\n".join(c.source for c in SOURCES[name].cells if c.cell_type == "markdown")
    assert re.search(rf"\*\*together\*\* \| \*\*{sum(of.values())}\*\*", text)
    rows = [int(n) for n in re.findall(r"^\| \d+ \|.*\| (\d+) \|$", text, re.MULTILINE)]
    heads = [int(n) for n in re.findall(r"^## Task .*\((\d+) points", text, re.MULTILINE)]
    assert rows == heads
    assert sum(rows) == sum(of.values())
    for task in bank(name):
        heading = sum(of[test] for test in own_tests(task, SOURCES[name]))
        assert heading in heads, task
    assert min(of.values()) > 0


@EVERY
def test_ids_are_readable_and_unique(name):
    findings = notebooks.check_ids(SOURCES[name])
    assert [str(f) for f in findings if "the last is" not in str(f)] == []


@EVERY
def test_release_keeps_its_secrets(name):
    released = (notebooks.ROOT / "assignments" / name / f"{name}.ipynb").read_text("utf-8")
    for secret in ("HIDDEN TESTS", "SOLUTION", "assignment.hidden", "model answer", "# variant"):
        assert secret not in released
    notebook = nbformat.reads(released, as_version=4)
    stubs = [cell for cell in notebook.cells if assignments.kind(cell) == "task"]
    assert stubs
    assert all("raise NotImplementedError" in cell.source for cell in stubs)
    assert all(cell.metadata.nbgrader.grade_id == cell.id for cell in stubs)


@EVERY
def test_tests_stand_on_their_own(name):
    """A test cell knows what it imports and defines, the functions of its own task, nothing else.

    So no earlier task can cost points here, and no name that a student reuses (``sum``) either.
    """
    for task in bank(name):
        source = next(c.source for c in SOURCES[name].cells if c.id == task)
        mine = {
            n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)
        }
        for cell in SOURCES[name].cells:
            if cell.id in own_tests(task, SOURCES[name]):
                unknown = names_used(cell.source) - mine - {"AssertionError", "__name__"}
                assert unknown == set(), f"{cell.id}: {unknown & set(dir(builtins)) or unknown}"


@EVERY
def test_tests_overwrite_no_name_of_a_student(name):
    """What a test cell binds begins with an underscore, or is one of the set-up cell's imports."""
    setup = next(c.source for c in SOURCES[name].cells if c.id == "setup")
    known = names_bound(re.sub(r"%pip.*", "pass", setup))
    for cell in SOURCES[name].cells:
        if assignments.kind(cell) == "test":
            assert {n for n in names_bound(cell.source) - known if n[0] != "_"} == set(), cell.id


@EVERY
def test_each_test_cell_tests_one_function_alone(name):
    for task, function in functions(name).items():
        for cell in SOURCES[name].cells:
            if cell.id in own_tests(task, SOURCES[name]):
                line = f'assignment.alone("{function}", "{name}")'
                assert line in cell.source.splitlines(), cell.id


@EVERY
def test_names_in_statements_are_there(name):
    """What a statement writes as `math.inf` or `images.load` is imported by the set-up cell."""
    released = notebooks.read(notebooks.ROOT / "assignments" / name / f"{name}.ipynb")
    space = {"__name__": "notebook"}
    run_plainly(next(c for c in released.cells if c.id == "setup"), space)
    nodes = [node for task in tasks(name) for node in ast.walk(ast.parse(stub(task)))]
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    text = "\n".join(c.source for c in released.cells if c.cell_type == "markdown")
    found = set(re.findall(r"`([A-Za-z_]\w*(?:\.\w+)+)(?:\([^`]*\))?`", text))
    assert found
    for dotted in found:
        root, _, rest = dotted.partition(".")
        if root == "dipcourse":
            importlib.import_module(dotted)
        elif root not in arguments:
            assert root in space, dotted
            operator.attrgetter(rest)(space[root])


def tasks(name):
    """The cells of an assignment in which a student writes code."""
    return [cell for cell in SOURCES[name].cells if assignments.kind(cell) == "task"]


def definition(cell):
    """What a task asks for: the first function or class, as a node of the syntax tree."""
    kinds = ast.FunctionDef | ast.ClassDef
    return next(node for node in ast.parse(stub(cell)).body if isinstance(node, kinds))


def functions(name):
    """{task: the name of the function or class that it asks for}."""
    return {cell.id: definition(cell).name for cell in tasks(name)}


def stub(cell):
    """The source of a task without its solution, as students get it."""
    return SOLUTION.sub(r"\1raise NotImplementedError\n", cell.source)


def names_bound(source):
    """The global names that a cell assigns, defines or imports."""
    symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}


def names_used(source):
    """The global names that a cell uses without importing or defining them."""
    tree = ast.parse(source)
    known = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            known |= {(a.asname or a.name).split(".")[0] for a in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            known.add(node.name)
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - known


# ---- without nbgrader, in this process


@EVERY
def test_empty_tasks_cost_no_other_its_points(name):
    """Each task in turn is answered, all others are empty: its tests give it everything.

    The answer is the one of the bank that calls most functions of other tasks.
    """
    of, asked = points(SOURCES[name]), functions(name)
    empty = {task.id: stub(task) for task in tasks(name)}
    calls = set()
    for task, answers in bank(name).items():
        others = set(asked.values()) - {asked[task]}
        answer = max(answers["right"], key=lambda entry: len(others & names_read(entry["code"])))
        own = own_tests(task, SOURCES[name])
        got = plain_scores(SOURCES[name], empty | {task: answer["code"]}, own)
        assert got == {test: of[test] for test in own}, (task, answer["words"])
        calls |= others & names_read(answer["code"])
    assert calls, "no right answer of the bank calls a function of another task"


def names_read(code):
    """The names that stand anywhere in a piece of code."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


@EVERY
def test_our_functions_are_right(name, monkeypatch):
    """Those that stand in for a student's do what the statements say: they pass all tests."""
    asked = functions(name)
    stand_ins = {function.__name__ for function in ours.TASKS[name]}
    monkeypatch.setattr(assignment, "own", lambda *_: None)
    assert stand_ins == set(asked.values()) - {asked["task-project"]}
    answers = {
        task: inspect.getsource(getattr(ours, function))
        for task, function in asked.items()
        if function in stand_ins
    }
    tests = {test for task in answers for test in own_tests(task, SOURCES[name])}
    names = {key: value for key, value in vars(ours).items() if not key.startswith("__")}
    got = plain_scores(SOURCES[name], answers, tests, names)
    assert got == {test: points(SOURCES[name])[test] for test in tests}


@EVERY
def test_visible_tests_complain_about_a_changed_argument(name):
    """About each argument of each function that can be changed: pictures, masks, lists, arrays."""
    released = notebooks.read(notebooks.ROOT / "assignments" / name / f"{name}.ipynb")
    for task in tasks(name):
        node, own, seen = definition(task), own_tests(task.id, released), set()
        if isinstance(node, ast.ClassDef):
            continue
        code = f"{task.source}\n\n\n{node.name} = spoil({node.name})"
        plain_scores(
            released, {task.id: code}, own, {"spoil": partial(spoil, place=None, seen=seen)}
        )
        for place in seen:
            names = {"spoil": partial(spoil, place=place, seen=set())}
            said = (
                str(plain_scores(released, {task.id: code}, [test], names)[test]) for test in own
            )
            complaint = f"changes its argument {node.args.args[place].arg}: work on a copy"
            assert any(complaint in line for line in said), (task.id, place)


def spoil(function, place, seen):
    """The function, which then adds 1 to the argument at a place; ``seen``: where that can be."""

    @functools.wraps(function)
    def spoilt(*values, **named):
        result = function(*values, **named)
        kinds = torch.Tensor | numpy.ndarray | list
        seen.update(k for k, value in enumerate(values) if isinstance(value, kinds) and len(value))
        if place in seen:
            value = values[place]
            value = value.data if isinstance(value, torch.Tensor) else value
            value[0] = value[0] + 1
        return result

    return spoilt


@EVERY
def test_try_cells_stop_nobody(name, monkeypatch):
    """Functions that are empty, raise, leave, or return nonsense: each cell says so and goes on."""
    monkeypatch.setattr(board, "strict", False)
    space = {"__name__": "notebook"}
    cells = [c for c in SOURCES[name].cells if c.cell_type == "code"]
    for cell in cells:
        if assignments.kind(cell) not in ("task", "test") and not cell.id.startswith("try-"):
            run_plainly(cell, space)
    if "record" in space:  # the fit of a4
        space["record"] = functools.cache(partial(space["record"], steps=3))
    for body in ("raise NotImplementedError", "raise KeyError", "raise SystemExit", "return None"):
        for function in functions(name).values():
            exec(f"def {function}(*_, **__):\n    {body}", space)
        for cell in cells:
            if cell.id.startswith("try-"):
                said = run_plainly(cell, space)[1]
                assert body == "return None" or "nothing to see" in said, cell.id


# ---- through nbgrader


def wrong_bundles(name):
    """Return [{task: entry, or None for right}]: each wrong answer once, each task right once."""
    answers = bank(name)
    size = max(len(of["wrong"]) for of in answers.values())
    columns = []
    for turn, of in enumerate(answers.values()):
        column = [of["wrong"][k % len(of["wrong"])] for k in range(size)]
        columns.append([*column[:turn], None, *column[turn:]])
    return [dict(zip(answers, row, strict=True)) for row in zip(*columns, strict=True)]


def replaced(notebook):
    """A submission without answers that replaces what the tests stand on."""
    trick = """
import builtins, os, sys, types
import numpy, torch
from dipcourse import assignment, check
always = lambda *a, **k: True
assignment.near = assignment.below = assignment.above = assignment.own = always
assignment.hidden = assignment.visible = lambda name: always
assignment.is_tensor = lambda what, got, **k: torch.zeros(1)
assignment.board.strict = False
check.compare = lambda *a: (True, "")
torch.allclose = torch.equal = numpy.allclose = always
torch.Tensor.__eq__ = torch.Tensor.__le__ = always
os.environ.pop("NBGRADER_EXECUTION", None)
sys.modules["dipcourse.assignment"] = types.SimpleNamespace(near=always)
builtins.abs = builtins.float = lambda *a: 0.0
"""
    done = answered(notebook, {})
    place = next(i for i, c in enumerate(done.cells) if assignments.kind(c) == "task")
    done.cells.insert(place, nbformat.v4.new_code_cell(trick, id="trick"))
    return done


def half_done(name, released):
    """The first half of the tasks answered, the test cells of the first deleted by the student."""
    solutions = {c.id: c.source for c in SOURCES[name].cells}
    tasks = list(bank(name))
    order = [c.id for c in SOURCES[name].cells if c.id in tasks]
    done = order[: len(order) // 2]
    notebook = answered(released, {task: solutions[task] for task in done})
    gone = own_tests(order[0], notebook)
    notebook.cells = [c for c in notebook.cells if c.id not in gone]
    return notebook, done


@dataclass(frozen=True)
class Graded:
    """An assignment's bank, graded once for all tests.

    Attributes:
        name: the assignment.
        course: nbgrader's folder, with the submissions of ``through_nbgrader``.
        release: the released notebook as a student runs it, and how that went.
        bundles: of wrong answers, see ``wrong_bundles``.
        right, wrong: for each submission or bundle {test cell: score}, from forks.
    """

    name: str
    course: Course
    release: tuple
    bundles: list
    right: list
    wrong: list


def grade(name, folder):
    """Grade everything: each answer in a fork, and a sample end to end through nbgrader."""
    course, solutions = opened(name, folder)
    released, bundles = course.released(name), wrong_bundles(name)
    right = [solutions, *right_answers(name)]
    correct = {task: solutions[task] for task in bank(name)}
    wrong = [
        correct | {task: entry["code"] for task, entry in bundle.items() if entry}
        for bundle in bundles
    ]
    for student, notebook in through_nbgrader(name, released, right, wrong).items():
        course.submit(student, name, notebook)
    course.run("autograde", name)
    source = course.folder / "solutions" / name / f"{name}.ipynb"
    scores = plainly(source, right + wrong)
    release = released, execute(released, course.folder, "smoke", timeout=120)
    return Graded(name, course, release, bundles, scores[: len(right)], scores[len(right) :])


def right_answers(name):
    """Submission k holds variant k of every task: {task: code}."""
    answers = bank(name)
    return [
        {task: of["right"][k % len(of["right"])]["code"] for task, of in answers.items()}
        for k in range(max(len(of["right"]) for of in answers.values()))
    ]


def through_nbgrader(name, released, right, wrong):
    """The submissions that nbgrader itself grades: {student: notebook}."""
    notebooks = {
        "untouched": released,
        "replaced": replaced(released),
        "half": half_done(name, released)[0],
        "reference": answered(released, right[0]),
        "right1": answered(released, right[1]),
    }
    return notebooks | {f"wrong{k}": answered(released, wrong[k]) for k in range(SAMPLE)}


def opened(name, folder):
    """A course folder with one assignment released, and the sources of its cells."""
    course = Course(folder, {name: SOURCES[name]})
    course.run("generate_assignment", name, "--force")
    return course, {cell.id: cell.source for cell in SOURCES[name].cells}


@pytest.fixture(scope="module", params=SOURCES)
def graded(request, tmp_path_factory):
    return grade(request.param, tmp_path_factory.mktemp(request.param))


def lost(scores, name):
    """The automatically graded cells that did not get all their points."""
    of = points(SOURCES[name])
    return {c for c, score in scores.items() if c.startswith("test") and score != of[c]}


def test_right_answers_get_everything(graded):
    assert len(graded.right) >= 4
    for k, scores in enumerate(graded.right):
        assert lost(scores, graded.name) == set(), f"right{k}"


def test_words_wait_for_a_person(graded):
    """An answer in words has no automatic score; without one it gets 0."""
    scores = graded.course.scores(graded.name)
    words = [cell for cell in points(SOURCES[graded.name]) if cell.startswith("explain")]
    assert {scores["reference"][cell] for cell in words} <= {None}
    assert {scores["untouched"][cell] for cell in words} <= {0}


def test_untouched_gets_nothing_and_runs(graded):
    """Visible tests stop nobody: outside the grader every cell of the release runs."""
    released, run = graded.release
    assert set(graded.course.scores(graded.name)["untouched"].values()) == {0}
    assert run.ok, run
    tests = [c for c in released.cells if assignments.kind(c) == "test"]
    assert all("⬜" in printed(cell) for cell in tests)
    assert not any(printed(cell, "stderr") for cell in released.cells)


def test_replacing_the_tools_earns_nothing(graded):
    assert set(graded.course.scores(graded.name)["replaced"].values()) == {0}


def test_half_done_gets_its_points_although_test_cells_were_deleted(graded):
    name, course = graded.name, graded.course
    _, done = half_done(name, course.released(name))
    scores, of = course.scores(name)["half"], points(SOURCES[name])
    full = {test for task in done for test in own_tests(task, SOURCES[name])}
    assert {cell for cell, score in scores.items() if score} == full
    assert all(scores[cell] == of[cell] for cell in full)


def test_wrong_answers_lose_points_at_their_task_alone(graded):
    name = graded.name
    for k, bundle in enumerate(graded.bundles):
        gone = lost(graded.wrong[k], name)
        for task, entry in bundle.items():
            own = gone & set(own_tests(task, SOURCES[name]))
            if entry is None:
                assert own == set(), f"wrong{k}: {task} is right"
            else:
                assert own, f"wrong{k}: {task}, {entry['words']}"
                assert entry["test"] in {None, *own}, f"{task}, {entry['words']}: {own}"


def test_nbgrader_gives_the_same_points(graded):
    """Forks stand for it: so they must agree where both have graded."""
    by_nbgrader = graded.course.scores(graded.name)
    sample = {"reference": graded.right[0], "right1": graded.right[1]}
    sample |= {f"wrong{k}": graded.wrong[k] for k in range(SAMPLE)}
    for student, scores in sample.items():
        for cell, score in scores.items():
            same = 0 if isinstance(score, list) else score
            assert by_nbgrader[student][cell] == same, (student, cell)


def test_submit_check_agrees_with_the_grader(graded):
    """It runs the visible tests afresh; a point is lost only where they fail, or to hidden ones."""
    students = [s for s in graded.course.scores(graded.name) if s != "replaced"]
    assert disagreements(graded.course, graded.name, students) == []


def outputs(course, name, *students):
    """What the cells of graded notebooks put out: (student and cell, output)."""
    return [
        (f"{student}, {cell.id}", output)
        for student in students
        for cell in course.graded(student, name).cells
        for output in cell.get("outputs", [])
    ]


def test_grading_is_silent(graded):
    """Nothing on stderr; the reference does not warn either, which a test prints as plain text."""
    name, course = graded.name, graded.course
    for where, output in outputs(course, name, "reference", "right1", "wrong0"):
        assert output.get("name") != "stderr", f"{where}: {output.text}"
    for where, output in outputs(course, name, "reference"):
        assert "Warning" not in output.get("text", ""), f"{where}: {output.text}"


def test_messages_are_words(graded):
    """Every failed test says something, in more than the name of an error."""
    for result in graded.wrong:
        for cell, score in result.items():
            if isinstance(score, list) and score[0] == "AssertionError":
                assert len(score[1].split()) >= 5, (cell, score)
