"""The check before handing in: complete, answered, runs from a fresh start, the right name."""

import json
import os
import subprocess
import sys
import types

import pytest
from conftest import output
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dipcourse import handin
from dipcourse.handin import fresh, ipynb

STUB, WORDS = "def twice(x):\n    raise NotImplementedError", "*Your answer*"
TEST = """\
from dipcourse import assignment


@assignment.visible("1a twice")
def small():
    assignment.near("twice of 2", twice(2), 4)"""
NAME = "a9_small"


def notebook(twice="return 2 * x", words="Because.", extra=""):
    cells = [
        new_code_cell(f"def twice(x):\n    {twice}", id="task-twice"),
        new_code_cell(TEST, id="test-twice"),
        new_markdown_cell(words, id="explain-why"),
        new_code_cell(extra, id="own"),
        new_code_cell(f"from dipcourse import handin\nhandin.submit_check('{NAME}')", id="last"),
    ]
    return new_notebook(cells=cells)


@pytest.fixture(autouse=True)
def known(tmp_path, monkeypatch):
    """One small assignment, and a folder to work in."""
    cells = {
        "task-twice": {"kind": "task", "stub": ipynb.fingerprint(STUB)},
        "test-twice": {"kind": "test", "stub": ipynb.fingerprint(TEST)},
        "explain-why": {"kind": "answer", "stub": ipynb.fingerprint(WORDS)},
    }
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({NAME: cells}), encoding="utf-8")
    monkeypatch.setattr(handin, "MANIFEST", manifest)
    for name in ("JPY_SESSION_NAME", "NBGRADER_EXECUTION", "DIPCOURSE_FRESH"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def no_run(monkeypatch):
    """A run from a fresh start takes seconds: here it goes well at once."""
    monkeypatch.setattr(fresh, "run", lambda *_: ([], []))


def said(book, capsys, file=f"{NAME}.ipynb", **options):
    """What submit_check returns and prints for a saved notebook."""
    with open(file, "w", encoding="utf-8") as target:
        json.dump(book, target)
    result = handin.submit_check(NAME, **options)
    return result, capsys.readouterr().out


def last(text):
    """The verdict, which stands in the last line."""
    return text.rstrip().splitlines()[-1]


def test_all_is_well(capsys):
    result, text = said(notebook(), capsys)
    assert result is True
    assert "✓ complete: every graded cell is there, once, and answered" in text
    assert "✓ passed: all 1 visible tests" in text
    assert "✓ runs from a fresh start" in text
    assert last(text) == f"✓ READY: hand in the file {NAME}.ipynb."


def test_missing_double_and_unanswered_cells(capsys, no_run):
    book = notebook(words=WORDS)
    book.cells += [
        new_code_cell(TEST, id="copy", metadata={"nbgrader": {"grade_id": "test-twice"}})
    ]
    del book.cells[0]
    obstacles, gaps = handin.examine(book, handin.graded_cells()[NAME])
    assert obstacles[0].startswith("✗ the cell task-twice is missing")
    assert obstacles[1].startswith("✗ the cell test-twice is there 2 times")
    assert gaps == ["☐ explain-why is not answered yet"]
    assert len(obstacles) == 2
    result, text = said(book, capsys)
    assert result is False
    assert last(text).startswith("✗ NOT READY: 2 obstacles above.")


def test_a_cell_that_became_text():
    book = notebook()
    book.cells[0].cell_type, book.cells[2].cell_type = "markdown", "raw"
    obstacles, gaps = handin.examine(book, handin.graded_cells()[NAME])
    assert obstacles == [
        "✗ the cell task-twice has become markdown: make it code again",
        "✗ the cell explain-why has become raw: make it markdown again",
    ]
    assert gaps == []


def test_white_space_is_no_answer():
    wanted = handin.graded_cells()[NAME]
    book = notebook(twice="raise NotImplementedError\n\n", words=WORDS + "\n")
    obstacles, gaps = handin.examine(book, wanted)
    assert obstacles == []
    assert len(gaps) == 2


def test_ids_in_the_metadata_and_sources_as_lists():
    """As Colab writes them."""
    book = json.loads(json.dumps(notebook()))
    for cell in book["cells"]:
        cell["metadata"] = {"id": cell.pop("id")}
        cell["source"] = cell["source"].splitlines(keepends=True)
    assert handin.examine(book, handin.graded_cells()[NAME]) == ([], [])


def test_what_goes_wrong_from_a_fresh_start(capsys):
    """What lives in the kernel alone, a question to the keyboard, which must not hang, a test."""
    book = notebook(twice="return x", extra="only_in_my_kernel + 1")
    book.cells.insert(3, new_code_cell("input()", id="asks"))
    result, text = said(book, capsys)
    assert result is False
    assert "✗ from a fresh start, cell own raises NameError" in text
    assert "✗ from a fresh start, cell asks raises EOFError" in text
    assert "✗ 1a twice" in text
    assert "mine 2, reference 4" in text
    assert last(text).startswith("✗ NOT READY: 2 obstacles above. Mend, save, and run")


def test_wrong_answers_are_shown_and_no_obstacle(capsys, monkeypatch):
    monkeypatch.setattr(fresh, "run", lambda *_: ([], ["✗ 1a twice: failed"]))
    result, text = said(notebook(twice="return x", words=WORDS), capsys)
    assert result is False
    assert last(text) == (
        "☐ NOT COMPLETE: 1 cell not answered, 1 test not passed. "
        f"If you stop here, hand in the file {NAME}.ipynb."
    )


def test_a_run_that_ends_early(capsys):
    result, text = said(notebook(extra="import os; os._exit(3)"), capsys)
    assert result is False
    assert "ended early" in text


def test_a_run_that_ends_late(capsys):
    result, text = said(notebook(extra="while True: pass"), capsys, seconds=1)
    assert result is False
    assert "more than 1 s" in text


def test_another_file_name(capsys, no_run):
    result, text = said(notebook(), capsys, file="Copy of it (2).ipynb")
    assert result is True
    assert last(text) == (
        f"✓ READY: hand in the file {NAME}.ipynb (now it is Copy of it (2).ipynb: rename it)."
    )


def test_two_candidates(capsys, no_run):
    said(notebook(), capsys, file="one.ipynb")
    result, text = said(notebook(), capsys, file="two.ipynb")
    assert result is False
    assert "one.ipynb, two.ipynb" in text
    assert said(notebook(), capsys, file="two.ipynb", path="two.ipynb")[0] is True


@pytest.mark.parametrize("content", [b'{"cells": [', b"[]", b"{}", b"\xff\xfe"])
def test_a_file_that_is_no_notebook(capsys, known, content, no_run):
    (known / "half.ipynb").write_bytes(content)
    assert handin.submit_check(NAME, path="half.ipynb") is False
    assert "half.ipynb cannot be read as a notebook: save it again" in capsys.readouterr().out
    assert said(notebook(), capsys)[0] is True, "beside it, the right one is found"


def in_kernel(monkeypatch, *ran):
    """A kernel in which these cells were run, the last one just now."""
    history = types.SimpleNamespace(input_hist_raw=["", *ran])
    shell = types.SimpleNamespace(user_ns={}, history_manager=history)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)


CHECK = f"from dipcourse import handin\nhandin.submit_check('{NAME}')"
FIRST, SECOND = (f"def twice(x):\n    return {factor} * x" for factor in (1, 2))


@pytest.mark.parametrize(
    ("ran", "saved", "newer"),
    {
        "saved": ([FIRST, SECOND, CHECK], "return 2 * x", None),
        "an answer that was run is not saved": ([FIRST, SECOND, CHECK], "return 1 * x", "twice"),
        "this cell is not saved": ([SECOND, f"{CHECK}  # now"], "return 2 * x", "this cell"),
        "saved, and not run yet": ([FIRST, CHECK], "return 2 * x", None),
        "back to the first version, and run": ([FIRST, SECOND, FIRST, CHECK], "return 1 * x", None),
        "a new kernel": ([CHECK], "return 2 * x", None),
    }.values(),
)
def test_a_file_that_is_older_than_the_screen(capsys, monkeypatch, no_run, ran, saved, newer):
    in_kernel(monkeypatch, *ran)
    result, text = said(notebook(twice=saved), capsys)
    if newer is None:
        assert "NOT SAVED" not in text
    else:
        assert result is False
        assert last(text).startswith(f"✗ NOT SAVED: the file does not hold {newer} as you ran it")


def test_a_file_from_a_windows_editor(capsys, known, monkeypatch, no_run):
    in_kernel(monkeypatch, CHECK)
    raw = json.dumps(notebook()).encode("utf-16")
    (known / f"{NAME}.ipynb").write_bytes(raw)
    assert handin.submit_check(NAME) is True
    (known / f"{NAME}.ipynb").write_bytes(json.dumps(notebook()).encode("utf-8-sig"))
    assert handin.submit_check(NAME) is True


def test_jupyter_says_which_file(capsys, monkeypatch, known, no_run):
    said(notebook(words=WORDS), capsys, file="one.ipynb")
    in_kernel(monkeypatch, CHECK)
    monkeypatch.setenv("JPY_SESSION_NAME", str(known / "two.ipynb"))
    result, text = said(notebook(), capsys, file="two.ipynb")
    assert (result, "two.ipynb as saved" in text) == (True, True)


def fake_colab(monkeypatch, blocking_request):
    """Modules as Colab has them."""
    message = types.SimpleNamespace(blocking_request=blocking_request)
    module = types.ModuleType("google.colab")
    module._message = message
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", module)


def test_colab_shows_its_live_notebook(capsys, monkeypatch, no_run):
    live = notebook()
    live.metadata["colab"] = {"name": "Copy of it.ipynb"}
    fake_colab(
        monkeypatch, lambda what, timeout_sec: {"ipynb": live} if what == "get_ipynb" else None
    )
    result = handin.submit_check(NAME)
    text = capsys.readouterr().out
    assert result is True
    assert "the notebook as it is in Colab now" in text
    assert f"the file {NAME}.ipynb (now it is Copy of it.ipynb: rename it)" in text


def test_colab_that_does_not_answer(capsys, monkeypatch, no_run):
    fake_colab(monkeypatch, lambda *a, **k: None)
    result, text = said(notebook(), capsys)
    assert result is True
    assert "Colab does not show its live notebook" in text
    assert "as saved at" in text


def test_inside_the_run_and_the_grader_it_is_silent(capsys, monkeypatch):
    for name in ("NBGRADER_EXECUTION", "DIPCOURSE_FRESH"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert handin.submit_check(NAME) is None
    assert capsys.readouterr().out == ""


def test_unknown_assignment():
    with pytest.raises(ValueError, match="a9_small"):
        handin.submit_check("a0")


LIGHT = """
import sys
from dipcourse import handin
from dipcourse.grading import collect, mend
assert "torch" not in sys.modules
"""


def test_commands_of_nbgrader_read_notebooks_without_torch():
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


IN_COLAB = """
import sys
from dipcourse import handin
handin.submit_check("a1_total_variation", sys.argv[1])
"""


@pytest.mark.environment
def test_release_can_be_checked_in_colab(colab, installed, tmp_path):
    """Without nbgrader, with the old IPython: the real assignment, untouched."""
    from tools import notebooks

    released = notebooks.ROOT / "assignments" / "a1_total_variation" / "a1_total_variation.ipynb"
    text = output(colab, "-c", IN_COLAB, released, folder=tmp_path, path=[installed])
    assert "✗" not in text, text
    assert "☐ task-psnr is not answered yet" in text
    assert "☐ 1a psnr: two greys: not written yet" in text
    assert os.sep not in text.splitlines()[0]
