"""Notebooks that come back from Colab and from students, on the path of INSTRUCTORS.md."""

import copy
import csv
import json
import os
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
from conftest import JupyterLab
from course import ROOT, UNSAFE, Course, scores
from fresh import disagreements, tried
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from small import FULL, NAME, answer, cell, source

from dipcourse.grading import identify, mend
from tools import assignments

# ---- the damages; each function changes an answered notebook in place, or returns another text


def deleted_test(notebook):
    notebook.cells.remove(cell(notebook, "test-twice-large"))


def deleted_many(notebook):
    for id in ("setup", "test-twice-small", "test-twice-large", "test-half", "explain-why"):
        notebook.cells.remove(cell(notebook, id))


def stripped(notebook):
    for one in notebook.cells:
        one.metadata = {}


def through_colab(notebook):
    """Format 4.0, ids in the metadata, widgets without state, no marks, Colab's own metadata."""
    for one in notebook.cells:
        one.metadata = nbformat.from_dict({"id": one.pop("id")})
    notebook.nbformat_minor = 0
    widget = {"model_module": "@jupyter-widgets/controls", "model_name": "FloatProgressModel"}
    notebook.metadata = nbformat.from_dict(
        {
            "colab": {"name": "Copy of it", "provenance": []},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"0a1b": widget}},
        }
    )


def bare(notebook):
    """Neither ids nor marks."""
    for place, one in enumerate(notebook.cells):
        one.id, one.metadata = f"{place:08x}", {}


def doubled(notebook):
    """A test cell and an answer are there twice; one answer only in the copy."""
    for id in ("test-twice-small", "task-twice", "explain-why"):
        place = notebook.cells.index(cell(notebook, id))
        notebook.cells.insert(place + 1, copy.deepcopy(notebook.cells[place]))
        notebook.cells[place + 1].id = f"{place:08x}"
    cell(notebook, "explain-why").source = source_of_release("explain-why")
    cell(notebook, "task-twice").source = source_of_release("task-twice")


def same_ids(notebook):
    """Copied by a tool that copies ids as well."""
    place = notebook.cells.index(cell(notebook, "test-half"))
    notebook.cells.insert(place, copy.deepcopy(notebook.cells[place]))


def retyped(notebook):
    for id, kind in (("task-twice", "markdown"), ("test-half", "raw"), ("explain-why", "code")):
        one = cell(notebook, id)
        one.cell_type = kind
        one.pop("outputs", None), one.pop("execution_count", None)
        if kind == "code":
            one.update(outputs=[], execution_count=None)


def no_kernel(notebook):
    """No kernel and no language, but a widget whose state is gone."""
    widget = {"application/vnd.jupyter.widget-state+json": {"0a1b": {}}}
    notebook.metadata = nbformat.from_dict({"widgets": widget})


def old_format(notebook):
    return nbformat.writes(nbformat.convert(notebook, 3), version=3)


def edited(notebook):
    """Tests made easy, points raised, an import in the locked set-up cell."""
    cell(notebook, "test-half").source = "pass"
    cell(notebook, "test-half").metadata.nbgrader["points"] = 100
    cell(notebook, "setup").source += "\nimport math as mathematics"
    cell(notebook, "task-half").source = "def half(x):\n    return mathematics.ldexp(x, -1)"


def byte_order(notebook):
    """As an editor of Windows saves it."""
    return "\ufeff" + json.dumps(notebook)


def from_word(notebook):
    """Code that went through a word processor or a web page."""
    cell(notebook, "task-twice").source = "def twice(x):\n\u00a0\u00a0\u00a0\u00a0return 2\u202f* x"
    cell(notebook, "task-half").source = "def half(x):\n    return {“half”: x / 2}[“half”]"


#: How each damaged notebook comes in: its name on the platform, and the student's name for us.
CLASS = {
    deleted_test: (f"Ada Lovelace_1_assignsubmission_file_/Copy of {NAME}.ipynb", "Ada-Lovelace_1"),
    deleted_many: (f"many_LATE_12_34_Copia di {NAME}-1.ipynb", "many"),
    stripped: (f"stripped_{NAME}.ipynb", "stripped"),
    through_colab: ("colab/Untitled0.ipynb", "colab"),
    bare: (f"bare/{NAME}.ipynb", "bare"),
    doubled: (f"twofiles_12_34_{NAME} (2).ipynb", "twofiles"),
    same_ids: (f"same_ids_3_assignsubmission_file_{NAME}.ipynb", "same_ids_3"),
    retyped: (f"retyped_12_34_{NAME}-3.ipynb", "retyped"),
    no_kernel: ("kernel/a1 Total Variation (kernel).ipynb", "kernel"),
    old_format: (f"old_{NAME}.ipynb", "old"),
    edited: (f"edited_{NAME}.ipynb", "edited"),
    byte_order: (f"bom_{NAME}.ipynb", "bom"),
    from_word: (f"from_word_{NAME}.ipynb.txt", "from_word"),
}
SILENT = {no_kernel, old_format}  # mended without a word: nothing of theirs changed
EXECUTED = {no_kernel, through_colab}  # what else could go wrong when they run

WARNS = (
    "__import__('sys').stderr.write('my warning') and __import__('logging').warning('log') or 2 * x"
)
PRINTS = "print('x' * 100_000) or x / 2"
LOOPS = "__import__('time').sleep(9999)"
AROUND = """
from dipcourse import assignment


def again(*_):
    assignment.near = lambda *a, **k: None


shell = get_ipython()
shell.events.register("pre_run_cell", again)
shell.input_transformers_cleanup.append(lambda lines: ["pass"])
shell.run_ast_nodes = again"""
SPY = f"""
!echo hello
import os
import socket
import subprocess
from pathlib import Path

course = Path({{course!r}})


def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return True
    return False


acts = [
    (os.listdir, course),
    (open, course / "gradebook.db"),
    (os.truncate, course / "names.csv", 0),
    (os.open, "solutions", os.O_RDONLY),
    (open, "{ROOT}/solutions/a1_total_variation/a1_total_variation.ipynb"),
    (open, "/etc/passwd"),
    (socket.create_connection, ("8.8.8.8", 53), 1),
    (Path("/course/own.txt").write_text, "mine"),
]
print("refused:", [refused(*act) for act in acts].count(True), "of", len(acts))
found = subprocess.run(["find", "/", "-name", "*.ipynb", "-o", "-name", "gradebook.db"],
                       capture_output=True, text=True).stdout
print("found:", [line for line in found.split() if "site-packages" not in line])
Path("own.txt").write_text("mine")
print("own:", Path("own.txt").read_text())
print("x" * 100_000)"""


WIDGETS = """
import ipywidgets as widgets
from IPython.display import clear_output, display


@widgets.interact(k=(0, 5))
def look(k=2):
    print("k is", k)


out, slider = widgets.Output(), widgets.IntSlider()
play = widgets.Play()
widgets.jslink((play, "value"), (slider, "value"))
display(out, widgets.HBox([play, slider]))
with out:
    print("in the widget")
    clear_output()
    print("and again")
out.__enter__()  # and never left"""


# ---- answers where they do not count; each function changes an answered notebook in place


def in_markdown(notebook):
    """An answer in a text cell, and the words in a comment."""
    cell(notebook, "task-half").source = source_of_release("task-half")
    cell(notebook, "explain-why").source = source_of_release("explain-why")
    notebook.cells.append(new_markdown_cell("My code:\n\n    def half(x):\n        return x / 2"))
    notebook.cells.append(new_code_cell("# " + "because it is so " * 6))


def below_its_tests(notebook):
    cell(notebook, "task-half").source = source_of_release("task-half")
    notebook.cells.append(new_code_cell("def half(x):\n    return x / 2"))


def in_reversed_order(notebook):
    notebook.cells.reverse()


NOT_HERE = "elsewhere, where it does not count: cell"
ELSEWHERE = {
    in_markdown: [
        f"`task-half` is empty; half is defined {NOT_HERE} 9, markdown",
        f"`explain-why` is empty; there is a text {NOT_HERE} 10, code",
    ],
    below_its_tests: [f"`task-half` is empty; half is defined {NOT_HERE} 9, code"],
    in_reversed_order: [
        "the answer `task-twice` stands below its tests, which ran without it",
        "the answer `task-half` stands below its tests, which ran without it",
    ],
}


def tricky(released, spy):
    """Notebooks of students who are loud, curious, or cheat: {name: notebook}."""
    cheat = answer(released, twice="0")
    return {
        "loud": with_cell(with_cell(answer(released, WARNS, PRINTS), spy), WIDGETS),
        "rogue": answer(released, f"{LOOPS} if x == 2 else 40"),
        "around": with_cell(cheat, AROUND),
    }


def spying(course):
    """The cell that looks for what it must not find."""
    return SPY.replace("{course!r}", repr(str(course.folder)))


def with_cell(notebook, source):
    """A copy with a cell of the student's own behind the set-up."""
    done = copy.deepcopy(notebook)
    place = next(i for i, one in enumerate(done.cells) if one.id == "task-twice")
    done.cells.insert(place, new_code_cell(source, id=f"own-{place}"))
    return done


def source_of_release(id):
    """A released cell's source: what a student finds."""
    return cell(source_of_release.notebook, id).source


def commands():
    """nbgrader's commands in INSTRUCTORS.md, in order."""
    page = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    return [line.split()[1:] for line in re.findall(r"^    (nbgrader .*)$", page, re.MULTILINE)]


#: The students whose notebooks are put in order and are not executed: a kernel takes seconds.
PUT_IN_ORDER = {"final", "zz-by-hand", *(misplace.__name__ for misplace in ELSEWHERE)}
PUT_IN_ORDER |= {student for damage, (_, student) in CLASS.items() if damage not in EXECUTED}
EXECUTES_SOME = f"""
from dipcourse.grading.outputs import SandboxedExecute


class ExecuteSome(SandboxedExecute):
    def preprocess(self, nb, resources):
        if resources["nbgrader"]["student"] in {PUT_IN_ORDER}:
            return nb, resources
        return super().preprocess(nb, resources)


c.Autograde.autograde_preprocessors[0] = ExecuteSome
"""


def grade_class(folder, start):
    """The path of the page with a class of damaged notebooks; what each command said."""
    course = Course(folder, {NAME: source()}, start)
    config = course.folder / "nbgrader_config.py"
    text = config.read_text(encoding="utf-8").replace("configure(c)", "configure(c, seconds=10)")
    config.write_text(text + EXECUTES_SOME, encoding="utf-8")
    course.said = {}
    for command in commands():
        if command[0] == "zip_collect":
            hand_in(course)
        if command[0] == "generate_feedback":
            mark_by_hand(course)
        some_fail = command[0] == "zip_collect" or command[0] == "autograde"
        fails = some_fail and "--student" not in command
        course.said.setdefault(command[0], course.run(*command, fails=fails))
    with open(course.folder / "grades.csv", encoding="utf-8") as file:
        course.table = {row["student"]: row for row in csv.DictReader(file)}
    return course


def mark_by_hand(course):
    """What formgrader does: a score and a comment for a cell."""
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("explain-why", NAME, NAME, "colab")
        grade.manual_score, grade.needs_manual_grade = 2, False
        gradebook.find_comment("explain-why", NAME, NAME, "colab").manual_comment = "Well said."
        gradebook.db.commit()


@pytest.fixture(scope="module")
def course(tmp_path_factory, start):
    return grade_class(tmp_path_factory.mktemp("class"), start)


def hand_in(course):
    """Lay out what a learning platform would let you download, and one folder by hand."""
    released = source_of_release.notebook = course.released(NAME)
    good = answer(released)
    place = f"downloaded/{NAME}/archive"
    for student, notebook in tricky(released, spying(course)).items():
        course.write(f"{place}/{student}_{NAME}.ipynb", notebook)
    other = ROOT / "assignments" / "a2_random_unet" / "a2_random_unet.ipynb"
    course.write(f"{place}/other_{NAME}.ipynb", other.read_text(encoding="utf-8"))
    for damage, (name, _) in CLASS.items():
        notebook = copy.deepcopy(good)
        course.write(f"{place}/{name}", damage(notebook) or json.dumps(notebook))
    for misplace in ELSEWHERE:
        notebook = copy.deepcopy(good)
        misplace(notebook)
        course.write(f"{place}/{misplace.__name__}_{NAME}.ipynb", notebook)
    course.write(f"{place}/final/{NAME}.ipynb", good)
    course.write(f"{place}/final/{NAME}_final.ipynb", released)
    course.write(f"{place}/Pat_9_assignsubmission_file_/report.pdf", "no notebook")
    course.write("names.csv", 'name\nada\n"Nobody, Nemo"\n')
    course.write(f"{place}/twofiles_12_34_{NAME} (1).ipynb", answer(released, "0"))
    course.write(f"{place}/broken_{NAME}.ipynb", '{"cells": [')
    foreign = new_notebook(cells=[new_code_cell("print('my shopping list')")])
    course.write(f"{place}/foreign_{NAME}.ipynb", foreign)
    course.write(f"{place}/dead_{NAME}.ipynb", answer(released, "__import__('os')._exit(1)"))
    prints_a_score = "get_ipython().displayhook(2.0) or print('my own output') or x"
    cheat = answer(released, prints_a_score, half="x / 0")
    course.write(f"{place}/score_{NAME}.ipynb", cheat)
    with zipfile.ZipFile(course.folder / place / "ada.zip", "w") as archive:
        archive.writestr(f"{NAME}.ipynb", json.dumps(good))
    course.write(f"submitted/zz-by-hand/{NAME}/Copy of {NAME}.ipynb", good)
    course.write(f"submitted/zz-by-hand/{NAME}/{NAME}.ipynb", released)


def auto(course, student):
    """The points of the tests: nbgrader's, or those of what it would have run."""
    if student not in PUT_IN_ORDER:
        return {c: s for c, s in course.scores(NAME)[student].items() if c.startswith("test")}
    notebook = course.graded(student, NAME)
    for place, one in enumerate(notebook.cells):
        one.id = one.metadata.get("nbgrader", {}).get("grade_id", f"own-{place}")
    code = {one.id: one.source for one in notebook.cells if one.cell_type == "code"}
    theirs = {id: text for id, text in code.items() if id not in FULL}
    found = scores(notebook, {"__name__": "notebook"}, theirs, FULL)
    return {c: 0 if isinstance(score, Exception) else score for c, score in found.items()}


@pytest.mark.parametrize("damage", CLASS, ids=lambda damage: damage.__name__)
def test_damage_is_mended_and_named(course, damage):
    student = CLASS[damage][1]
    assert auto(course, student) == FULL
    marked = damage in (deleted_many, through_colab)  # 0 without an answer; mark_by_hand
    assert course.table[student]["state"] == ("graded" if marked else "1 to mark by hand")
    named = [line for line in course.said["autograde"].splitlines() if f"{student}: " in line]
    assert bool(named) == (damage not in SILENT), named
    page = course.folder / "feedback" / student / NAME / f"{NAME}.html"
    assert ("Put in order before grading" in page.read_text("utf-8")) == bool(named)


def test_a_missing_answer_in_words_is_0_and_said(course):
    student = CLASS[deleted_many][1]
    assert course.scores(NAME)[student]["explain-why"] == 0
    assert f"{student}: the cell `explain-why` was missing" in course.said["autograde"]


def test_the_answered_copy_counts(course):
    """The student left the stub alone and answered in a copy of the cell."""
    graded = course.graded("twofiles", NAME)
    assert "Because." in cell(graded, "explain-why").source or any(
        "Because." in c.source and c.metadata.get("nbgrader") for c in graded.cells
    )
    assert course.scores(NAME)["twofiles"]["explain-why"] is None


def test_a_copy_without_a_mark_is_known_by_its_id_in_the_metadata():
    """As `submit_check` knows it: where the original is empty, the answered copy counts."""
    wanted = identify.Released(
        "task-twice", "def twice(x):\n    pass", "code", "", False, None, False, True, False
    )
    cells = [new_code_cell(wanted.source), new_code_cell("def twice(x):\n    return 2 * x")]
    notebook = new_notebook(cells=cells)
    for one in notebook.cells:
        one.metadata["id"] = wanted.name
        del one["id"]
    mend.tidy(notebook)
    known, lines = identify.cells(notebook.cells, {wanted.name: wanted})
    assert known == {wanted.name: notebook.cells[1]}
    assert lines == [
        "the cell `task-twice` had lost its mark and was found by its id",
        "the cell `task-twice` was there 2 times",
    ]


def test_own_text_in_a_locked_cell_still_runs(course):
    assert auto(course, "edited")["test-half"] == 1
    graded = course.graded("edited", NAME)
    assert "secretly_half" in cell(graded, "test-half").source


@pytest.mark.parametrize("student", ["ada", "zz-by-hand"])
def test_whole_notebooks_pass_untouched(course, student):
    """One came in a zip, the other was put into ``submitted`` under a strange name."""
    assert auto(course, student) == FULL
    assert f"{student}: the cell" not in course.said["autograde"]


def test_of_two_copies_the_later_is_graded_and_the_other_named(course):
    said = course.said["zip_collect"]
    assert f"twofiles: twofiles_12_34_{NAME} (1).ipynb is left out" in said


def test_an_empty_copy_is_not_graded_and_named(course):
    """One was collected, the other put into ``submitted`` by hand."""
    assert auto(course, "final") == FULL
    assert f"{NAME}_final.ipynb is left out for {NAME}.ipynb" in course.table["final"]["notes"]
    assert auto(course, "zz-by-hand") == FULL
    words = f"Copy of {NAME}.ipynb is graded as {NAME}.ipynb"
    assert words in course.table["zz-by-hand"]["notes"]


@pytest.mark.parametrize(
    ("student", "why"),
    {
        "broken": "the file cannot be read as a notebook",
        "foreign": f"this does not look like {NAME}; is it the right file?",
        "other": f"this does not look like {NAME}, but like a2_random_unet",
    }.items(),
)
def test_what_cannot_be_graded_is_no_zero(course, student, why):
    """It stops nobody else, and is named, with its reason, in the log and in the table."""
    line = f"There was an error processing assignment '{NAME}' for student '{student}'"
    assert line in course.said["autograde"]
    assert f"{student}: {why}" in course.said["autograde"]
    assert course.table[student]["score"] == ""
    assert course.table[student]["state"].startswith(f"COULD NOT BE GRADED: {why}")


def test_failures_are_one_line_each(course):
    assert "Traceback" not in course.said["autograde"]
    assert 'File "' not in course.said["autograde"]


def test_who_handed_in_no_notebook_has_a_line(course):
    assert course.table["Pat_9"]["state"] == "COULD NOT BE GRADED: no notebook among report.pdf"
    line = "Pat_9: not understood: no notebook among Pat_9_assignsubmission_file_/report.pdf"
    assert line in course.said["zip_collect"]


def test_who_handed_in_nothing_has_a_line(course):
    """The last export of the page takes the roster."""
    assert course.table["Nobody, Nemo"]["state"] == "nothing handed in"
    assert course.table["ada"]["notes"] == ""
    assert "not on the roster" in course.table["rogue"]["notes"]


@pytest.mark.parametrize("misplace", ELSEWHERE, ids=lambda misplace: misplace.__name__)
def test_an_answer_that_does_not_count_where_it_stands_is_named(course, misplace):
    """In the log, in the table, and on top of the graded notebook."""
    student = misplace.__name__
    top = course.graded(student, NAME).cells[0].source
    for line in ELSEWHERE[misplace]:
        assert f"{student}: {line}" in course.said["autograde"]
        assert line in course.table[student]["notes"]
        assert line in top


def test_widgets_cost_nothing(course):
    """Not even an output widget that is never left: tests and marks are not caught by it."""
    assert auto(course, "loud") == FULL
    assert "and again" in own_output(course, "loud", WIDGETS)


def test_submit_check_and_the_grader_agree(course, start):
    """Where nobody cheats, and no cell has lost its type, which submit_check calls an obstacle."""
    others = {"rogue", "around", "score", "dead", "loud", CLASS[retyped][1]}
    others |= {name for name, row in course.table.items() if row["state"].startswith("COULD NOT")}
    students = {name for name in course.scores(NAME) if name not in others}
    assert len(students) > 16
    place = "submitted/{}/{}/{}.ipynb"
    files = {name: course.folder / place.format(name, NAME, NAME) for name in students}
    _, said = tried(None, NAME, [], list(files.values()), start)
    afresh = {student: said[file] for student, file in files.items()}
    given = {student: auto(course, student) for student in students}
    assert disagreements(course, NAME, afresh, given) == []


def test_changed_tests_are_named_and_others_pass_in_silence(course):
    assert "edited: the test `test-half` was changed; it is restored" in course.said["autograde"]
    assert "Attribute" not in course.said["autograde"]


def outputs(course, student, id):
    """What the cell of a graded notebook prints, and its errors."""
    found = cell(course.graded(student, NAME), id).outputs
    return "".join(o.get("text", o.get("evalue", "")) for o in found)


def own_output(course, student, source):
    """The same of a cell of the student's own."""
    own = next(one for one in course.graded(student, NAME).cells if one.source == source)
    return outputs(course, student, own.id)


def test_what_is_printed_costs_nothing_and_is_cut(course):
    """In a test it could tell what is tested, so nobody sees it."""
    assert auto(course, "loud") == FULL
    said = outputs(course, "loud", "test-twice-small") + outputs(course, "loud", "test-half")
    assert "warning" not in said
    assert "xxx" not in said
    said = own_output(course, "loud", spying(course))
    assert said.endswith("... Output truncated ...")
    assert len(said) < 21_000


def test_what_runs_around_cells_earns_nothing(course):
    """Such a notebook defines nothing, and the tests know nothing of it."""
    assert set(auto(course, "around").values()) == {0}
    assert "not defined" in outputs(course, "around", "test-twice-small")


@pytest.mark.skipif(UNSAFE, reason="bubblewrap is not there, or does not work")
def test_a_submission_sees_nothing_of_the_course_folder(course):
    assert auto(course, "loud") == FULL
    said = own_output(course, "loud", spying(course))
    assert "not run while grading: echo hello" in said
    assert "refused: 8 of 8" in said
    assert "found: []" in said
    assert "own: mine" in said


def test_an_endless_loop_costs_its_task_alone(course):
    """Once: the other tests of its task are not run, those of other tasks find all in place."""
    said = outputs(course, "rogue", "test-twice-small")
    assert said.startswith("twice was stopped after 10 seconds")
    assert "it is not run again" in outputs(course, "rogue", "test-twice-large")
    assert auto(course, "rogue") == {**dict.fromkeys(FULL, 0), "test-half": 1}
    assert "twice was stopped after 10 seconds" in course.table["rogue"]["notes"]


def test_code_that_ends_its_process_costs_its_task_alone(course):
    assert auto(course, "dead") == {**dict.fromkeys(FULL, 0), "test-half": 1}
    assert "twice ended its process" in outputs(course, "dead", "test-twice-small")
    assert "twice ended its process" in course.table["dead"]["notes"]


def test_a_score_cannot_be_printed(course):
    assert set(auto(course, "score").values()) == {0}


def test_table_counts(course):
    assert float(course.table["ada"]["score"]) == 4
    assert float(course.table["ada"]["of"]) == 6
    assert course.table["ada"]["state"] == "1 to mark by hand"


def test_feedback_shows_message_and_output_and_no_hidden_tests(course):
    page = course.folder / "feedback" / "score" / NAME / f"{NAME}.html"
    text = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
    assert "twice of 2: mine 2, reference 4" in re.sub(r"\s+", " ", text)
    for path in (course.folder / "feedback").rglob("*.html"):
        text = re.sub(r"<[^>]+>", "", path.read_text(encoding="utf-8"))
        assert "secretly" not in text, path
        assert "HIDDEN TESTS" not in text
        assert "1000)" not in text


def test_feedback_index_names_the_tests_and_lines_are_wrapped(course):
    page = course.folder / "feedback" / "ada" / NAME / f"{NAME}.html"
    text = page.read_text(encoding="utf-8")
    assert '<a href="#test-half">Test 2 half (1 point)</a>' in text
    assert ">Test cell<" not in text
    assert "white-space: pre-wrap" in text


def test_feedback_shows_where_the_students_code_failed(course):
    page = course.folder / "feedback" / "score" / NAME / f"{NAME}.html"
    text = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
    assert "ZeroDivisionError" in text
    assert "return x / 0" in text


def test_marks_by_hand_reach_the_table(course):
    page = course.folder / "feedback" / "colab" / NAME / f"{NAME}.html"
    assert "Well said." in page.read_text(encoding="utf-8")
    row = course.table["colab"]
    assert (float(row["score"]), row["state"]) == (6, "graded")


def test_formgrader_shows_the_course_and_grades(course, monkeypatch):
    """Its button grades in the server's own process, which has an event loop and threads."""
    monkeypatch.chdir(course.folder)
    before = course.scores(NAME)["colab"]
    server = JupyterLab(course.folder)
    try:
        (found,) = server.ask("GET", "formgrader/api/assignments")
        said = server.ask("POST", f"formgrader/api/submission/{NAME}/colab/autograde")
    finally:
        server.close()
    assert (found["name"], found["max_score"], found["max_written_score"]) == (NAME, 6, 2)
    assert said["success"], said["log"]
    assert course.scores(NAME)["colab"] == before


def test_page_names_real_commands():
    words = [command[0] for command in commands()]
    path = ["generate_assignment", "zip_collect", "autograde", "autograde"]
    assert words == [*path, "generate_feedback", "export", "export"]


def test_private_copy_differs_only_in_its_variants(tmp_path):
    """The recipe of the page, on the real source."""
    out = tmp_path / "our-course"
    out.mkdir()
    (out / "variants.toml").write_text(
        f"[{NAME}.constants]\nFIRST_SEED = 4711\n\n[{NAME}.cells]\n"
        "test-data-values = '''\n# Test 3a · data_term: other values (1 point)\npass\n'''\n",
        encoding="utf-8",
    )
    page = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    (words,) = re.findall(r"^    python (-m tools.assignments --variants .*)$", page, re.MULTILINE)
    command = [word.replace("../", f"{tmp_path}/") for word in words.split()]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, env=os.environ)
    texts = [
        (folder / "solutions" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8")
        for folder in (ROOT, out)
    ]
    assert "FIRST_SEED = 11 " in texts[0]
    assert texts[1].count("FIRST_SEED = 4711 ") >= 3
    assert "other values (1 point)" in texts[1]
    assert "colab-badge" in texts[0]
    assert "colab-badge" not in texts[1]
    changed = [
        a.id
        for a, b in zip(*(nbformat.reads(t, 4).cells for t in texts), strict=True)
        if a.source != b.source
    ]
    expected = {"test-psnr-values", "test-tv-values", "test-denoise-first", "test-data-values"}
    assert set(changed[1:]) == expected


def test_private_copy_refuses_what_it_does_not_know(tmp_path):
    notebook = source()
    with pytest.raises(SystemExit, match="SEEED"):
        assignments.vary(notebook, {"constants": {"SEEED": 1}})
    (tmp_path / "v.toml").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match="outside"):
        assignments.private(tmp_path / "v.toml", ROOT / "solutions" / "ours")
