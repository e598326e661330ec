"""Before you hand in: is the notebook complete, and does it run from a fresh start?"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

MANIFEST = Path(__file__).parent / "_assignments.json"

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
        print(f"❌ {error}")
        return False
    print(f"{name}: {where}")
    complaints = examine(notebook, known[name])
    print(*complaints or ["✅ every graded cell is there, once, and answered"], sep="\n")
    amiss = complaints + _run_fresh(notebook, seconds)
    right = f"{name}.ipynb"
    if file == right:
        print(f"Hand in the file {right}.")
    else:
        print(f"Hand it in under the name {right}" + (f" (now it is {file})." if file else "."))
    print("All is well." if not amiss else f"To look at: {len(amiss)}. You can hand in as it is.")
    return not amiss


def examine(notebook, wanted):
    """Lines about cells that are missing, double or not answered.

    Args:
        notebook: the notebook's JSON as a dict.
        wanted: {name of the cell: {"kind": "task" | "test" | "answer", "stub": fingerprint}}.

    Returns:
        List of lines; empty if all is well.
    """
    found, lines = {}, []
    for cell in notebook.get("cells", []):
        if (own := _name(cell, wanted)) is not None:
            found.setdefault(own, []).append(_source(cell))
    for name, what in wanted.items():
        sources = found.get(name, [])
        if not sources:
            lines.append(f"❌ the cell {name} is missing: take it from the released notebook")
        elif len(sources) > 1:
            lines.append(f"❌ the cell {name} is there {len(sources)} times: keep one")
        elif what["kind"] != "test" and fingerprint(sources[0]) == what["stub"]:
            lines.append(f"⬜ {name} is not answered yet")
    return lines


def fingerprint(source):
    """A text that tells sources apart, white space aside.

    >>> fingerprint("a = 1") == fingerprint("a=1 ")
    True
    """
    return hashlib.md5(re.sub(r"\s+", "", source).encode()).hexdigest()


def _name(cell, wanted):
    """Which graded cell this is: by nbgrader's mark, else by the id; None if it is none."""
    data = cell.get("metadata", {})
    names = (data.get("nbgrader", {}).get("grade_id"), cell.get("id"), data.get("id"))
    return next((name for name in names if name in wanted), None)


def _source(cell):
    source = cell.get("source", "")
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
    notebook = _notebook(file)
    if notebook is None:
        raise OSError(f"{file.name} cannot be read as a notebook: save it again from Jupyter")
    return notebook, f"{file.name} as saved at {saved}. Changed since? Save, repeat.", file.name


def _notebook(file):
    """A notebook's JSON as a dict, or None if the file holds no notebook."""
    try:
        notebook = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:  # neither JSON nor text
        return None
    return notebook if isinstance(notebook, dict) and "cells" in notebook else None


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
        cells = (_notebook(file) or {"cells": []})["cells"]
        hits[file] = sum(_name(cell, wanted) is not None for cell in cells)
    best = [file for file in hits if hits[file] and hits[file] == max(hits.values())]
    if len(best) != 1:
        names = ", ".join(sorted(file.name for file in best)) or "none"
        raise FileNotFoundError(
            f"which notebook is it? Found here: {names}. Say submit_check(…, path='….ipynb')."
        )
    return best[0]


def _run_fresh(notebook, seconds):
    """Run the code cells in a new process; print and return what went wrong."""
    import tempfile

    cells = [
        [cell.get("id") or f"cell {place}", _source(cell)]
        for place, cell in enumerate(notebook.get("cells", []))
        if cell.get("cell_type") == "code"
    ]
    with tempfile.TemporaryDirectory() as folder:
        task, answer = Path(folder) / "cells.json", Path(folder) / "answer.json"
        task.write_text(json.dumps(cells), encoding="utf-8")
        places = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "DIPCOURSE_FRESH": "1",
            "IPYTHONDIR": folder,
            "PYTHONPATH": os.pathsep.join(filter(None, places)),
            "MPLBACKEND": "agg",
        }
        start = time.perf_counter()
        command = [sys.executable, "-c", _FRESH, str(task), str(answer)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            lines = [f"❌ from a fresh start it takes more than {seconds} s"]
        else:
            lines = _read(answer, done)
    if lines:
        print(*lines, sep="\n")
    else:
        print(f"✅ runs from a fresh start, in {time.perf_counter() - start:.0f} s")
    return lines


def _read(answer, process):
    """What the new process says."""
    if not answer.exists():
        return [f"❌ the run from a fresh start ended early: {process.stderr.strip()[-300:]}"]
    said = json.loads(answer.read_text(encoding="utf-8"))
    lines = [f"❌ from a fresh start, cell {name} raises {error}" for name, error in said["errors"]]
    failed = [line for line in said["results"].values() if not line.startswith("✅")]
    if said["results"] and not failed and not lines:
        print(f"✅ all {len(said['results'])} visible tests pass")
    return lines + failed
