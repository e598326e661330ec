"""Before you hand in: is the notebook complete, and does it run from a fresh start?"""

import ast
import codecs
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

MANIFEST = Path(__file__).parent / "_assignments.json"

#: What word processors and web pages put in the place of what a keyboard has.
SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u205f\u3000", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", None),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‘’‚‹›", "'"),
        **dict.fromkeys("–—−", "-"),
    }
)

_FRESH = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from dipcourse import assignment
cells, answer = json.load(open(sys.argv[1], encoding="utf-8")), sys.argv[2]
shell, errors = InteractiveShell.instance(colors="nocolor"), []
for name, source in cells:
    done = shell.run_cell(source, store_history=True)
    error = done.error_before_exec or done.error_in_exec
    if error is not None:
        errors.append([name, f"{type(error).__name__}: {error}"])
with open(answer, "w", encoding="utf-8") as file:
    json.dump({"errors": errors, "results": assignment.results}, file)
"""


def submit_check(name, path=None, seconds=600):
    """Say whether a notebook is ready to be handed in, and under which file name.

    In Colab the live notebook is read, elsewhere the file as it was saved last. Nothing is sent.
    The last line is the verdict.

    Args:
        name: the assignment: "a1_total_variation".
        path: the notebook's file. None: the one that this cell stands in.
        seconds: what the run from a fresh start may take.

    Returns:
        True if nothing is amiss, False otherwise; None inside that fresh run itself.

    Raises:
        ValueError: there is no such assignment.

    Built in assignment 1 (used).
    """
    if "DIPCOURSE_FRESH" in os.environ or "NBGRADER_EXECUTION" in os.environ:
        return None
    known = json.loads(MANIFEST.read_text(encoding="utf-8"))
    if name not in known:
        raise ValueError(f"no assignment {name!r}: there are {', '.join(sorted(known))}")
    try:
        notebook, where, file = _live() or _saved(known[name], path)
    except OSError as error:
        return _verdict(f"NOT CHECKED: {error}")
    print(f"{name}: {where}")
    if "google.colab" not in sys.modules and (what := _newer_on_screen(notebook, path)):
        return _verdict(
            f"NOT SAVED: the file does not hold {what} as you ran it last. Save (Ctrl+S, ⌘S), "
            "then run this cell again."
        )
    obstacles, gaps = examine(notebook, known[name])
    print(*obstacles, *gaps, sep="\n", end="\n" if obstacles or gaps else "")
    if not obstacles and not gaps:
        print("✅ complete: every graded cell is there, once, and answered")
    errors, failed = _run_fresh(notebook, seconds)
    if obstacles or errors:
        found = _count(len(obstacles + errors), "obstacle")
        return _verdict(f"NOT READY: {found} above. Mend, save, and run this cell again.")
    right = f"{name}.ipynb"
    under = right if file in ("", right) else f"{right} (now it is {file}: rename it)"
    if gaps or failed:
        left = f"{_count(len(gaps), 'cell')} not answered, {_count(len(failed), 'test')} not passed"
        return _verdict(f"NOT COMPLETE: {left}. If you stop here, hand in the file {under}.")
    return _verdict(f"READY: hand in the file {under}.")


def _verdict(words):
    """Print the last line, and return whether all is well."""
    marks = {"READY": "✅", "NOT COMPLETE": "⬜"}
    mark = marks.get(words.split(":")[0], "❌")
    print(f"\n{mark} {words}")
    return mark == "✅"


def _count(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")


def examine(notebook, wanted):
    """Look for graded cells that are missing, double or of another type, and for empty ones.

    Args:
        notebook: the notebook's JSON as a dict.
        wanted: {name of the cell: {"kind": "task" | "test" | "answer", "stub": fingerprint}}.

    Returns:
        Two lists of lines: what must be mended, and what is not answered yet.
    """
    found, obstacles, gaps = {}, [], []
    for cell in notebook["cells"]:
        if (own := _name(cell, wanted)) is not None:
            found.setdefault(own, []).append(cell)
    for name, what in wanted.items():
        cells = found.get(name, [])
        kind = "markdown" if what["kind"] == "answer" else "code"
        if not cells:
            obstacles.append(f"❌ the cell {name} is missing: take it from the released notebook")
        elif len(cells) > 1:
            obstacles.append(f"❌ the cell {name} is there {len(cells)} times: keep one")
        elif (came := cells[0].get("cell_type")) != kind:
            obstacles.append(f"❌ the cell {name} has become {came}: make it {kind} again")
        elif what["kind"] != "test" and fingerprint(source_of(cells[0])) == what["stub"]:
            gaps.append(f"⬜ {name} is not answered yet")
    return obstacles, gaps


def answered(notebook, release):
    """How many of a released notebook's open cells hold something else in another notebook.

    Args:
        notebook: the JSON of a notebook that was handed in, as a dict.
        release: the JSON of the released one.

    Returns:
        A number; 0 for a notebook that nobody worked on, and for one that is about other things.
    """
    stubs = {}
    for cell in release["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if mark.get("solution"):
            stubs[mark["grade_id"]] = source_of(cell)
    heads = {_head(stub): name for name, stub in stubs.items()}
    return len(
        {
            name
            for cell in notebook["cells"]
            if (name := _name(cell, stubs) or heads.get(_head(source_of(cell))))
            if fingerprint(source_of(cell)) != fingerprint(stubs[name])
        }
    )


def _head(source):
    """The first line of a cell, which says what it is about."""
    return source.strip().split("\n")[0]


def fingerprint(source):
    """A text that tells sources apart, white space aside.

    >>> fingerprint("a = 1") == fingerprint("a=1 ")
    True
    """
    return hashlib.md5(re.sub(r"\s+", "", source).encode()).hexdigest()


def typed(source):
    """A code cell with the signs of a keyboard, if it is Python only so; else as it is.

    >>> typed("def f(x):\\n\\u00a0\\u00a0return “x”")
    'def f(x):\\n  return "x"'
    >>> typed("print('a\\u00a0b')") == "print('a\\u00a0b')"
    True
    """
    other = source.translate(SIGNS)
    return other if not _is_python(source) and _is_python(other) else source


def _is_python(source):
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError):  # a null byte raises the second
        return False
    return True


def _name(cell, wanted):
    """Which graded cell this is: by nbgrader's mark, else by the id; None if it is none."""
    data = cell.get("metadata", {})
    names = (data.get("nbgrader", {}).get("grade_id"), cell.get("id"), data.get("id"))
    return next((name for name in names if name in wanted), None)


def source_of(cell):
    source = cell.get("source", cell.get("input", ""))  # format 3
    return source if isinstance(source, str) else "".join(source)


def _live():
    """The notebook that Colab shows: (notebook, words, file name), or None elsewhere.

    This asks Colab in a way that it does not promise to keep; without an answer, see ``_saved``.
    """
    if "google.colab" not in sys.modules:
        return None
    try:
        from google.colab import _message

        notebook = _message.blocking_request("get_ipynb", timeout_sec=20)["ipynb"]
    except Exception as error:
        print(f"Colab does not show its live notebook ({type(error).__name__}).")
        return None
    file = notebook.get("metadata", {}).get("colab", {}).get("name", "")
    return notebook, "the notebook as it is in Colab now", file


def _saved(wanted, path):
    """The saved notebook: (notebook, words, file name).

    Raises:
        OSError: there is none, it is not clear which, or it is no notebook.
    """
    file = Path(path) if path else _own_file() or _guess(wanted)
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file}")
    saved = time.strftime("%H:%M:%S", time.localtime(file.stat().st_mtime))
    notebook = read_notebook(file)
    if notebook is None:
        raise OSError(f"{file.name} cannot be read as a notebook: save it again from Jupyter")
    return notebook, f"{file.name} as saved at {saved}. Changed since? Save, repeat.", file.name


def read_notebook(file):
    """A notebook's JSON as a dict with a list of cells, or None if the file holds no notebook.

    Args:
        file: a Path.
    """
    try:
        notebook = json.loads(text_of(file.read_bytes()))
    except ValueError:  # neither JSON nor text
        return None
    if not isinstance(notebook, dict):
        return None
    if "worksheets" in notebook:  # format 3, of 2014
        notebook["cells"] = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
    if not isinstance(notebook.get("cells"), list):
        return None
    notebook["cells"] = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    return notebook


def text_of(raw):
    """Bytes as text: UTF-8, or what the mark at the beginning says that Windows wrote.

    >>> text_of("é".encode("utf-8-sig")), text_of("é".encode("utf-16"))
    ('é', 'é')

    Raises:
        UnicodeDecodeError: it is no text.
    """
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if marked else "utf-8-sig")


def _own_file():
    """The file of this notebook, where VS Code or Jupyter says it; None elsewhere."""
    from IPython import get_ipython

    shell = get_ipython()
    named = shell.user_ns.get("__vsc_ipynb_file__") if shell else None
    named = named or os.environ.get("JPY_SESSION_NAME")
    if not named:
        return None
    return next((p for p in (Path(named), Path(Path(named).name)) if p.exists()), None)


def _guess(wanted):
    """The notebook of this folder that holds most graded cells."""
    hits = {}
    for file in Path.cwd().glob("*.ipynb"):
        cells = (read_notebook(file) or {"cells": []})["cells"]
        hits[file] = sum(_name(cell, wanted) is not None for cell in cells)
    best = [file for file in hits if hits[file] and hits[file] == max(hits.values())]
    if len(best) != 1:
        names = ", ".join(sorted(file.name for file in best)) or "none"
        raise FileNotFoundError(
            f"which notebook is it? Found here: {names}. Say submit_check(…, path='….ipynb')."
        )
    return best[0]


def _run_fresh(notebook, seconds):
    """Run the code cells in a new process; print and return errors, and lines of failed tests."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        task, answer = Path(folder) / "cells.json", Path(folder) / "answer.json"
        task.write_text(json.dumps(code_cells(notebook)), encoding="utf-8")
        environment = os.environ | fresh_environment(folder)
        start = time.perf_counter()
        command = [sys.executable, "-c", _FRESH, str(task), str(answer)]
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        try:
            done = subprocess.run(command, env=environment, timeout=seconds, **options)
        except subprocess.TimeoutExpired:
            errors, results = [f"❌ from a fresh start it takes more than {seconds} s"], []
        else:
            errors, results = _read(answer, done)
    failed = [line for line in results if not line.startswith("✅")]
    if results and not failed:
        print(f"✅ passed: all {len(results)} visible tests")
    if not errors:
        print(f"✅ runs from a fresh start, in {time.perf_counter() - start:.0f} s")
    print(*errors, *failed, sep="\n", end="\n" if errors or failed else "")
    return errors, failed


def code_cells(notebook):
    """The code cells of a notebook's JSON as a list of [id, source], as the grader runs them."""
    return [
        [cell.get("id") or f"cell {place}", typed(source_of(cell))]
        for place, cell in enumerate(notebook["cells"])
        if cell.get("cell_type") == "code"
    ]


def fresh_environment(folder):
    """Environment variables of a run from a fresh start, which may write into the folder."""
    places = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {
        "DIPCOURSE_FRESH": "1",
        "IPYTHONDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "MPLBACKEND": "agg",
    }


def _read(answer, process):
    """What the new process says: errors, and the line of each visible test."""
    if not answer.exists():
        words = process.stderr.strip()[-300:]
        return [f"❌ the run from a fresh start ended early: {words}"], []
    said = json.loads(answer.read_text(encoding="utf-8"))
    errors = [
        f"❌ from a fresh start, cell {name} raises {error}" for name, error in said["errors"]
    ]
    return errors, list(said["results"].values())


def _newer_on_screen(notebook, path):
    """What was run in this kernel in a later version than the file holds; None if nothing.

    The file is older if it holds a version of a function that was run before the last one, or if
    this very cell is not in it.
    """
    from IPython import get_ipython

    if (shell := get_ipython()) is None:
        return None
    ran = shell.history_manager.input_hist_raw
    held = [source_of(cell) for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    if path is None and fingerprint(ran[-1]) not in map(fingerprint, held):
        return "this cell"
    versions = {}  # {function: the cells that defined it, in the order in which they were run}
    for source in ran:
        for name in defined(source):
            versions.setdefault(name, []).append(fingerprint(source))
    for source in held:
        for name in defined(source):
            *earlier, last = versions.get(name, [None])
            if fingerprint(source) in earlier and fingerprint(source) != last:
                return name
    return None


def defined(source):
    """The names of the functions and classes that a cell defines.

    >>> defined("def psnr(a, b): ...")
    ['psnr']
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # magics, or a slip
        return []
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
