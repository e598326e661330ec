"""Which notebook is it, and what does it hold now: live in Colab, as it was saved elsewhere."""

import os
import sys
import time
from collections.abc import Container
from pathlib import Path

from dipcourse.handin import ipynb


def live() -> tuple[dict, str, str] | None:
    """The notebook that Colab shows: (notebook, words, file name), or None elsewhere.

    This asks Colab in a way that it does not promise to keep; without an answer, see ``saved``.
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


def saved(wanted: Container[str], path: str | Path | None) -> tuple[dict, str, str]:
    """The saved notebook: (notebook, words, file name).

    Raises:
        OSError: there is none, it is not clear which, or it is no notebook.
    """
    file = Path(path) if path else _own_file() or _guess(wanted)
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file}")
    written = time.strftime("%H:%M:%S", time.localtime(file.stat().st_mtime))
    notebook = ipynb.read(file)
    if notebook is None:
        raise OSError(f"{file.name} cannot be read as a notebook: save it again from Jupyter")
    return notebook, f"{file.name} as saved at {written}. Changed since? Save, repeat.", file.name


def _own_file() -> Path | None:
    """The file of this notebook, where VS Code or Jupyter says it; None elsewhere."""
    from IPython import get_ipython

    shell = get_ipython()
    named = shell.user_ns.get("__vsc_ipynb_file__") if shell else None
    named = named or os.environ.get("JPY_SESSION_NAME")
    if not named:
        return None
    return next((p for p in (Path(named), Path(Path(named).name)) if p.exists()), None)


def _guess(wanted: Container[str]) -> Path:
    """The notebook of this folder that holds most graded cells."""
    hits = {}
    for file in Path.cwd().glob("*.ipynb"):
        cells = (ipynb.read(file) or {"cells": []})["cells"]
        hits[file] = sum(ipynb.name_of(cell, wanted) is not None for cell in cells)
    best = [file for file in hits if hits[file] and hits[file] == max(hits.values())]
    if len(best) != 1:
        names = ", ".join(sorted(file.name for file in best)) or "none"
        raise FileNotFoundError(
            f"which notebook is it? Found here: {names}. Say submit_check(…, path='….ipynb')."
        )
    return best[0]


def newer_on_screen(notebook: dict, path: str | Path | None) -> str | None:
    """What was run in this kernel in a later version than the file holds; None if nothing.

    The file is older if it holds a version of a function that was run before the last one, or if
    this very cell is not in it.
    """
    from IPython import get_ipython

    if (shell := get_ipython()) is None:
        return None
    ran = shell.history_manager.input_hist_raw
    held = [ipynb.source_of(cell) for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    if path is None and ipynb.fingerprint(ran[-1]) not in map(ipynb.fingerprint, held):
        return "this cell"
    versions: dict[str, list[str]] = {}  # {function: cells that defined it, as they were run}
    for source in ran:
        for name in ipynb.defined(source):
            versions.setdefault(name, []).append(ipynb.fingerprint(source))
    for source in held:
        for name in ipynb.defined(source):
            *earlier, last = versions.get(name, [""])
            if ipynb.fingerprint(source) in earlier and ipynb.fingerprint(source) != last:
                return name
    return None
