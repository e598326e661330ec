"""Every assignment grades right: a bank of answers goes through its tests.

Every answer goes through the tests of its task, while all other tasks are empty: a right one gets
everything in the grader's sandbox, a wrong one loses points. A sample goes through nbgrader itself,
end to end: the two must agree.
"""

import ast
import builtins
import copy
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
from course import Course, answered, own_tests, points, prepared, run_plainly, scores, stub
from fresh import disagreements, fits_kept, tried

from dipcourse import handin
from dipcourse.assignment import board, ours
from dipcourse.grading.__main__ import KEPT
from tools import assignments, notebooks
from tools.bank import bank

SOURCES = {path.parent.name: notebooks.read(path) for path in assignments.sources()}
EVERY = pytest.mark.parametrize("name", SOURCES)


# ---- what the files say


def test_each_assignment_is_released_and_nothing_else():
    folder = notebooks.ROOT / "assignments"
    files = [path for path in folder.rglob("*.*") if ".ipynb_checkpoints" not in path.parts]
    assert SOURCES
    assert sorted(files) == sorted(folder / name / f"{name}.ipynb" for name in SOURCES)


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
def test_a_right_answer_calls_functions_of_other_tasks(name):
    """So that `test_right_answers_get_everything`, where those are empty, means something."""
    asked = functions(name)
    calls = {
        other
        for task, answers in bank(name).items()
        for entry in answers["right"]
        for other in set(asked.values()) - {asked[task]}
        if other in names_read(entry["code"])
    }
    assert calls


def names_read(code):
    """The names that stand anywhere in a piece of code."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


@EVERY
def test_our_functions_are_right(name):
    """Those that stand in for a student's do what the statements say: they pass all tests."""
    asked = functions(name)
    stand_ins = {function.__name__ for function in ours.TASKS[name]}
    assert stand_ins == set(asked.values()) - {asked["task-project"]}
    answers = {
        task: inspect.getsource(getattr(ours, function))
        for task, function in asked.items()
        if function in stand_ins
    }
    tests = {test for task in answers for test in own_tests(task, SOURCES[name])}
    names = {key: value for key, value in vars(ours).items() if not key.startswith("__")}
    got = scores(SOURCES[name], prepared(SOURCES[name], names), answers, tests)
    assert got == {test: points(SOURCES[name])[test] for test in tests}


@EVERY
def test_visible_tests_complain_about_a_changed_argument(name):
    """About each argument of each function that can be changed: pictures, masks, lists, arrays."""
    released = notebooks.read(notebooks.ROOT / "assignments" / name / f"{name}.ipynb")
    space = prepared(released)
    for task in tasks(name):
        node, own, seen = definition(task), own_tests(task.id, released), set()
        if isinstance(node, ast.ClassDef):
            continue
        answer = {task.id: f"{task.source}\n\n\n{node.name} = spoil({node.name})"}
        with fits_kept():
            looks = space | {"spoil": partial(spoil, place=None, seen=seen)}
            scores(released, looks, answer, own[:1])
            for place in seen:
                spoilt = space | {"spoil": partial(spoil, place=place, seen=set())}
                said = (str(scores(released, spoilt, answer, [test])[test]) for test in own)
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


# ---- each answer of the bank, a sample through nbgrader


@dataclass(frozen=True)
class Try:
    """An answer on its way through the tests of its task.

    Attributes:
        task: its cell.
        kind: "right", "wrong", or "empty".
        words: of the bank.
        code: the answer.
        tests: those that it goes through: of a wrong answer the one that the bank names.
    """

    task: str
    kind: str
    words: str
    code: str
    tests: tuple


def tries(name):
    """All answers of an assignment's bank, the mini-project's first, and empty ones."""
    found = []
    for task, answers in sorted(bank(name).items(), key=lambda of: of[0] != "task-project"):
        own = own_tests(task, SOURCES[name])
        for entry in answers["right"] + answers["wrong"]:
            named = [entry["test"] or own[-1]] if entry["kind"] == "wrong" else own
            found.append(Try(task, entry["kind"], entry["words"], entry["code"], tuple(named)))
    for task in tasks(name):
        own = own_tests(task.id, SOURCES[name])
        found.append(Try(task.id, "empty", "", stub(task), tuple(own)))
    return found


def sample(name, released):
    """What nbgrader itself grades: {student: ({task: answer}, notebook)}.

    In "mixed" right answers, wrong ones and an untouched task stand side by side, and the tests of
    a right one were deleted; the mini-project gets a part of the points. "reference" holds the
    solutions, no answers of the bank.
    """
    answers = bank(name)
    *order, untouched, project = [task.id for task in tasks(name)]
    right = order[::2]
    mixed = {task: partly_right(answers[task]["wrong"])["code"] for task in [*order, project]}
    mixed |= {task: answers[task]["right"][0]["code"] for task in right}
    mixed |= {task.id: stub(task) for task in tasks(name) if task.id == untouched}
    solutions = {cell.id: cell.source for cell in SOURCES[name].cells}
    return {
        "reference": ({}, answered(released, solutions)),
        "mixed": (mixed, without(own_tests(right[0], released), answered(released, mixed))),
    }


def partly_right(entries):
    """The answer that gets a part of the points, if there is one; else the first."""
    return next((e for e in entries if "a part of the points" in e["words"]), entries[0])


def without(ids, notebook):
    """The notebook after a student has deleted some of its cells."""
    notebook.cells = [cell for cell in notebook.cells if cell.id not in ids]
    return notebook


def replaced(notebook):
    """The submission with a cell that replaces what the tests stand on."""
    trick = """
import os, sys, types
import numpy
from dipcourse import assignment, check
always = lambda *a, **k: True
assignment.near = assignment.below = assignment.above = always
assignment.hidden = assignment.visible = lambda name: always
assignment.is_tensor = lambda what, got, **k: got
assignment.board.strict = False
assignment.attempt = lambda show: None  # what there is to look at takes long
check.compare = lambda *a: (True, "")
numpy.allclose = always
os.environ.pop("NBGRADER_EXECUTION", None)
sys.modules["dipcourse.assignment"] = types.SimpleNamespace(near=always)
"""
    place = next(i for i, c in enumerate(notebook.cells) if assignments.kind(c) == "task")
    notebook.cells.insert(place, nbformat.v4.new_code_cell(trick, id="trick"))
    return notebook


@dataclass(frozen=True)
class Graded:
    """An assignment's bank, graded once for all tests.

    Attributes:
        name: the assignment.
        course: nbgrader's folder, with the submissions of ``sample``.
        sample: {student: {task: answer}} of those that hold the bank's.
        tried: [(Try, {test cell: score})], without nbgrader.
        afresh: {"mixed" and "release": what submit_check's run says}.
    """

    name: str
    course: Course
    sample: dict
    tried: list
    afresh: dict


def grade(name, folder, start):
    """Grade everything: each answer of the bank, and a sample end to end through nbgrader."""
    course = Course(folder, {name: SOURCES[name]}, start)
    course.run("generate_assignment", name, "--force")
    handed_in, attempts = sample(name, course.released(name)), tries(name)
    release = folder / "assignments" / name / f"{name}.ipynb"
    mixed = folder / "mixed.ipynb"
    mixed.write_text(notebooks.written(handed_in["mixed"][1]), encoding="utf-8")
    for student, (_, notebook) in handed_in.items():
        course.submit(student, name, replaced(notebook) if student == "mixed" else notebook)
    found, said = tried(
        folder,
        name,
        [(one.task, one.code, one.tests, one.kind == "wrong") for one in attempts],
        [mixed, release],
        start,
    )
    course.run("autograde", name, f"--SandboxedExecute.kept={KEPT}")
    return Graded(
        name,
        course,
        {student: answers for student, (answers, _) in handed_in.items()},
        list(zip(attempts, found, strict=True)),
        {"mixed": said[mixed], "release": said[release]},
    )


@pytest.fixture(scope="module", params=SOURCES)
def graded(request, tmp_path_factory, start):
    return grade(request.param, tmp_path_factory.mktemp(request.param), start)


def lost(scores, name):
    """The test cells that did not get all their points."""
    of = points(SOURCES[name])
    return {cell for cell, score in scores.items() if score != of[cell]}


def of_kind(graded, kind):
    """The tries of one kind: (Try, {test cell: score})."""
    return [(one, found) for one, found in graded.tried if one.kind == kind]


def test_what_is_generated_is_up_to_date(graded):
    """`make assignments` writes it: the marks in the source, the release, what submit_check knows.

    The release of the course folder is compared with that of the repository.
    """
    name, released = graded.name, graded.course.released(graded.name)
    tidied = copy.deepcopy(SOURCES[name])
    assignments.tidy(tidied, name)
    for folder, notebook in {"solutions": tidied, "assignments": released}.items():
        committed = notebooks.ROOT / folder / name / f"{name}.ipynb"
        assert notebooks.written(notebook) == committed.read_text(encoding="utf-8"), folder
    assert assignments.manifest(released) == handin.graded_cells()[name]


def test_right_answers_get_everything(graded):
    """Although all other tasks are empty; the solutions do, together, from nbgrader."""
    reference = graded.course.scores(graded.name)["reference"]
    tests = {cell: score for cell, score in reference.items() if cell.startswith("test")}
    assert tests.keys() == set().union(*(one.tests for one, _ in graded.tried))
    assert lost(tests, graded.name) == set()
    for one, found in of_kind(graded, "right"):
        assert found.keys() == set(one.tests)
        assert lost(found, graded.name) == set(), f"{one.task}, {one.words}: {found}"


def test_wrong_answers_lose_points(graded):
    """At the test that the bank names, or at the only one."""
    of = points(SOURCES[graded.name])
    for one, found in of_kind(graded, "wrong"):
        named = one.tests[-1]
        words = f"{one.task}, {one.words}: {named} gives {of[named]} points"
        assert named in lost(found, graded.name), words


def test_empty_tasks_get_nothing(graded):
    for one, found in of_kind(graded, "empty"):
        assert {score[0] for score in found.values()} == {"NotImplementedError"}, one.task


def test_messages_are_words(graded):
    """Every failed test says something, in more than the name of an error."""
    for _, found in graded.tried:
        for cell, score in found.items():
            if isinstance(score, list) and score[0] == "AssertionError":
                assert len(score[1].split()) >= 5, (cell, score)


def test_nbgrader_gives_the_same_points(graded):
    """The bank goes without it: so they must agree where both have graded.

    Right answers get everything among wrong ones, although their test cells were deleted; wrong
    ones gain nothing by a cell that replaces what the tests stand on.
    """
    by_nbgrader = graded.course.scores(graded.name)
    without_it = {(one.task, one.code): (one.kind, found) for one, found in graded.tried}
    compared = set()
    for student, answers in graded.sample.items():
        for answer in answers.items():
            kind, found = without_it[answer]
            compared.add(kind)
            for cell, score in found.items():
                same = 0 if isinstance(score, list) else score
                assert by_nbgrader[student][cell] == same, (student, kind, cell)
    assert compared == {"right", "wrong", "empty"}


def test_words_wait_for_a_person(graded):
    """An answer in words has no automatic score; without one it gets 0."""
    scores = graded.course.scores(graded.name)
    words = [cell for cell in points(SOURCES[graded.name]) if cell.startswith("explain")]
    assert {scores["reference"][cell] for cell in words} <= {None}
    assert {scores["mixed"][cell] for cell in words} <= {0}


def test_release_runs(graded):
    """Visible tests stop nobody outside the grader; `test_try_cells_stop_nobody` does the rest."""
    run = graded.afresh["release"]
    assert (run["errors"], run["stderr"]) == ([], "")
    tests = [c for c in SOURCES[graded.name].cells if assignments.kind(c) == "test"]
    assert len(run["results"]) == len(tests)
    assert all(line.startswith("☐") for line in run["results"].values())


def test_submit_check_agrees_with_the_grader(graded):
    """It runs the visible tests afresh; a point is lost only where they fail, or to hidden ones."""
    said, given = {"mixed": graded.afresh["mixed"]}, graded.course.scores(graded.name)
    assert {line[0] for line in said["mixed"]["results"].values()} >= {"✓", "✗"}
    assert disagreements(graded.course, graded.name, said, given) == []


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
    for where, output in outputs(course, name, "reference", "mixed"):
        assert output.get("name") != "stderr", f"{where}: {output.text}"
    for where, output in outputs(course, name, "reference"):
        assert "Warning" not in output.get("text", ""), f"{where}: {output.text}"
