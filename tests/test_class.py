"""The one command that grades a class: ``python -m dipcourse.grading``."""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import nbformat
import psutil
import pytest
from course import UNSAFE, Course
from small import FULL, NAME, answer, cell, source

from dipcourse.grading import __main__ as command
from dipcourse.grading import ahead, oddities, outputs, record, summary
from tools import classroom

SAFE = ["--unsafe"] if UNSAFE else []
SLOW = "__import__('time').sleep(0.8) or 2 * x"
HOSTILE = {f"hostile{k}": attack for k, attack in enumerate(classroom.HOSTILE.values())}
DAMAGED = {f"damaged{k}": damage for k, damage in enumerate(classroom.DAMAGES)}
ONLY_GRADE = ["--only", "collect", "--only", "grade"]
COMMAND = ["-m", "dipcourse.grading", "a1", "--seconds", "4"]
STUDENTS = {
    "ada": {},
    "ben": {"twice": "3 * x"},
    "cem": {"half": "x / 3"},
    "dan": {"twice": "__import__('os')._exit(1)"},
    "eve": {"twice": SLOW},
}


@pytest.fixture
def empty(tmp_path, start):
    """A course folder in which nothing has happened."""
    return Course(tmp_path, {NAME: source()}, start)


@pytest.fixture
def course(empty):
    """The same with the downloads of five students and a file that is no notebook."""
    course = empty
    course.run("generate_assignment", NAME, "--force")
    released = course.released(NAME)
    for student, answers in STUDENTS.items():
        course.write(f"downloads/{student}_{NAME}.ipynb", answer(released, **answers))
    course.write(f"downloads/fay_{NAME}.ipynb", '{"cells": [')
    course.write("names.csv", "name\nada\nben\ncem\ndan\neve\nfay\ngil\n")
    return course


def run(course, *words):
    """The command's process, at its end."""
    command = [*course.start.command, *COMMAND, *words, *SAFE]
    return subprocess.run(command, cwd=course.folder, capture_output=True, text=True)


def table(course):
    with open(course.folder / "grades.csv", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def outcomes(course):
    return {path: path.stat().st_mtime_ns for path in course.folder.glob(".executed/*/*.json")}


def test_a_class_is_graded_whatever_comes_between(course):
    """A worker dies, the command is stopped, goes on, and finds one notebook changed and many new.

    Among the new ones is every attack and every damage of ``tools.classroom``.
    """
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "downloads", "--workers", "1", *ONLY_GRADE, *SAFE],
        cwd=course.folder,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        start_new_session=True,
    )
    await_outcome(course, process)
    assert process.poll() is None, process.communicate()[1]
    for one in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may have ended
            if "dipcourse.grading.worker" in one.cmdline():
                one.kill()
    await_outcome(course, process, beyond=len(outcomes(course)))
    at_work = psutil.Process(process.pid).children(recursive=True)
    assert any("autograde" in one.cmdline() for one in at_work)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of its programs get it
    said = process.communicate()[1]
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert process.returncode == 130
    assert psutil.wait_procs(at_work, timeout=10)[1] == []
    kept = outcomes(course)
    assert 0 < len(kept) < len(STUDENTS)

    changed = answer(course.released(NAME), twice="x + x")
    course.write(f"downloads/ada_{NAME}.ipynb", changed)  # the first to be done
    hand_in_the_others(course)
    graded = run(course, "downloads", "--roster", "names.csv", "--workers", "2")
    assert graded.returncode == 1, graded.stderr
    assert kept.items() <= outcomes(course).items()
    # ada's second; of the damaged ones only that with a copied cell is not ada's first, once mended
    assert len(outcomes(course)) == len(STUDENTS) + 1 + len(HOSTILE) + 1
    rows = table(course)
    full = float(sum(FULL.values()))
    scores = {name: rows[name]["score"] for name in STUDENTS}
    want = {"ada": full, "ben": 1.0, "cem": 3.0, "dan": 1.0, "eve": full}
    assert scores == {name: str(points) for name, points in want.items()}
    nobody_is_lost_or_costs_another(rows, full)
    assert rows["gil"]["state"] == "nothing handed in"
    assert rows["fay"]["score"] == rows["gil"]["score"] == ""
    assert "fay: COULD NOT BE GRADED: the file cannot be read" in graded.stdout
    assert "twice ended its process" in rows["dan"]["notes"]
    with open(course.folder / "report" / NAME / "points.csv", encoding="utf-8") as file:
        tests = [row for row in csv.DictReader(file) if row["task"][:4] == "test"]
    assert all(float(row["points"] or 0) or row["reason"] for row in tests)  # no silent zero
    other = [row["points"] for row in tests if row["task"] == "test-half" and row["points"]]
    assert sorted(set(map(float, other))) == [0.0, 1.0]
    assert other.count("0.0") == 1  # cem's alone
    page = (course.folder / "report" / NAME / "summary.html").read_text("utf-8")
    assert "test-twice-small" in page
    assert "twice ended its process" in page
    assert "dan: __import__" in page
    pages = list(course.folder.glob("feedback/*/*/*.html"))
    assert len(pages) == len(STUDENTS) + len(HOSTILE) + len(DAMAGED) - 1
    assert not any("secretly" in page.read_text("utf-8") for page in pages)  # no hidden test
    go_on_after_marking(course, full)


def hand_in_the_others(course):
    """Write the downloads of those who attack, and of those whose notebook was damaged."""
    released = course.released(NAME)
    for student, attack in HOSTILE.items():
        notebook = answer(released)
        cell(notebook, "task-twice").source = f"def twice(x):\n    {attack}\n    return 2 * x"
        course.write(f"downloads/{student}_{NAME}.ipynb", notebook)
    for student, damage in DAMAGED.items():
        notebook = answer(released)
        text = damage(notebook) or nbformat.writes(notebook)
        course.write(f"downloads/{student}_{NAME}.ipynb", text)


def nobody_is_lost_or_costs_another(rows, full):
    """What can be mended costs nothing, an attack at most the points of its own task."""
    assert rows.keys() == {*STUDENTS, *HOSTILE, *DAMAGED, "fay", "gil"}
    for student, damage in DAMAGED.items():
        if damage is classroom.cut_off:
            assert rows[student]["state"].startswith("COULD NOT BE GRADED")
        else:
            assert float(rows[student]["score"]) == full, student
    for student in HOSTILE:
        assert FULL["test-half"] <= float(rows[student]["score"]) <= full, student


def go_on_after_marking(course, full):
    """Ada's words are marked, Cem hands in a file that cannot be read, the command runs again."""
    done = outcomes(course)
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("explain-why", NAME, NAME, "ada")
        grade.manual_score, grade.needs_manual_grade = 2, False
        gradebook.db.commit()
    course.write(f"downloads/cem_{NAME}.ipynb", '{"cells": [')
    again = run(course, "downloads", "--roster", "names.csv", "--workers", "1")
    count = 6 + len(HOSTILE) + len(DAMAGED)
    assert f"{count} students handed in; {count - 3} are graded already." in again.stdout
    assert outcomes(course) == done
    rows = table(course)
    assert (rows["ada"]["score"], rows["ada"]["state"]) == (str(full + 2), "graded")
    assert rows["cem"]["score"] == ""
    assert rows["cem"]["state"].startswith("COULD NOT BE GRADED: the file cannot be read")
    assert list(course.folder.glob("feedback/cem/*/*.html")) == []
    with zipfile.ZipFile(course.folder / "report" / NAME / "upload.zip") as file:
        pages = {f"{student}_{NAME}.html" for student in ("ada", "ben", "dan", "eve")}
        assert pages <= set(file.namelist())
        assert len(file.namelist()) == count - 3


def await_outcome(course, process, beyond=0):
    """Wait until there are more outcomes than so many, or the command has ended."""
    while len(outcomes(course)) <= beyond and process.poll() is None:
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no one assignment is called 'nothing'"),
        (["a1", "no-such-folder"], "there is no no-such-folder"),
        (["a1"], "nothing was handed in"),
        (["a1", "."], "holds the course itself"),
        (["a1", "empty"], "there is nothing in empty"),
        (["a1", "--roster", "no-such.csv"], "no-such.csv cannot be read: No such file"),
    ],
)
def test_what_it_cannot_do_it_says(empty, monkeypatch, capsys, words, said):
    monkeypatch.chdir(empty.folder)
    monkeypatch.setattr(command, "release", lambda name: None)
    (empty.folder / "empty").mkdir()
    assert command.main([*words, *SAFE]) == 2
    assert said in capsys.readouterr().err


def test_it_wants_a_course_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["a1"]) == 2
    assert "run this in the course folder" in capsys.readouterr().err


def test_without_bubblewrap_it_refuses_and_says_why(empty, monkeypatch, capsys):
    monkeypatch.chdir(empty.folder)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert command.main(["a1", "downloads"]) == 2
    assert "bubblewrap (bwrap) is not installed" in capsys.readouterr().err
    assert not (empty.folder / "submitted").exists()


def test_one_job_that_nobody_can_do_stops_no_other():
    class Dead:
        def result(self):
            raise RuntimeError("the grader's process has ended")

    outcome = json.loads(ahead.outcome_of(Dead(), {"code": [["x = 1", False], ["test", True]]}))
    (nothing, (error,)), (line,) = outcome["outputs"], outcome["incidents"]
    assert nothing == []
    assert error["ename"] == "NotFinished"
    assert "the grader's process has ended" in line


@pytest.mark.parametrize("module", ["worker", "ahead", "outputs", "__main__"])
def test_only_who_executes_loads_torch(module):
    code = f"import sys, dipcourse.grading.{module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nbgrader_waits_for_outcomes_as_long_as_some_come(tmp_path, monkeypatch):
    def say(text):
        outputs.arrivals.cache_clear()
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    here, there = tmp_path / "here.json", tmp_path / "there.json"
    here.touch()
    say("")
    outputs.wait_for(here)
    say(f"\n\n{outputs.ALL}")
    outputs.wait_for(there)  # no more come, so nbgrader executes it
    outputs.wait_for(there)
    say("\n")
    with pytest.raises(KeyboardInterrupt):  # nobody executes any more
        outputs.wait_for(there)
    outputs.arrivals.cache_clear()


def test_only_who_was_graded_in_this_run_counts_as_graded(tmp_path, monkeypatch):
    """If nbgrader ends early, old notebooks still lie in their places."""
    monkeypatch.chdir(tmp_path)
    for student in ("ada", "ben"):
        path = tmp_path / "autograded" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.touch()
    os.utime(path, (1, 1))
    marks = {"ada": "one", "ben": "two", "cem": "three"}
    record.keep(NAME, marks, ".executed", since=time.time() - 60)
    assert record.kept(NAME, ".executed") == {"ada": "one"}


def test_code_that_reaches_far_is_named():
    own = "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n    %timeit 1"
    assert oddities.far(own) == oddities.far("import torch\nfrom torch import nn") == set()
    assert oddities.far("from os import path") == {"import os"}
    assert oddities.far("().__class__.__base__") == {".__class__", ".__base__"}


def test_long_answers_that_differ_in_names_alone_are_alike():
    body = (
        "def f({a}):\n    {b} = ({a} + 1) * ({a} - 2) / ({a} + 3)\n    return {b} * {b} + 2 * {b}"
    )
    one, two = body.format(a="x", b="y"), body.format(a="first", b="second")
    assert oddities.shape(one) == oddities.shape(two) != ""
    assert oddities.shape(one) != oddities.shape(one.replace("+ 3", "+ 4"))
    assert oddities.shape("def f(x):\n    return x") == ""
    assert json.dumps(summary.shares([0, 1, 9.5, 10], 10)) == "[1, 1, 0, 0, 0, 0, 0, 0, 0, 2]"
