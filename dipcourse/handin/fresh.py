"""Does a notebook run from a fresh start: in a new process, its code cells in order."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dipcourse.handin import ipynb

#: What the new process runs; its arguments are the file of the cells and that of the answer.
CODE = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from dipcourse.assignment import board
cells, answer = json.load(open(sys.argv[1], encoding="utf-8")), sys.argv[2]
shell, errors = InteractiveShell.instance(colors="nocolor"), []
for name, source in cells:
    done = shell.run_cell(source, store_history=True)
    error = done.error_before_exec or done.error_in_exec
    if error is not None:
        errors.append([name, f"{type(error).__name__}: {error}"])
with open(answer, "w", encoding="utf-8") as file:
    json.dump({"errors": errors, "results": board.results}, file)
"""


def run(notebook: dict, seconds: float) -> tuple[list[str], list[str]]:
    """Run the code cells in a new process; print and return errors, and lines of failed tests."""
    with tempfile.TemporaryDirectory() as folder:
        task, answer = Path(folder) / "cells.json", Path(folder) / "answer.json"
        task.write_text(json.dumps(ipynb.code_cells(notebook)), encoding="utf-8")
        errors: list[str] = []
        results: list[str] = []
        start = time.perf_counter()
        try:
            done = subprocess.run(
                [sys.executable, "-c", CODE, str(task), str(answer)],
                env=os.environ | environment(folder),
                timeout=seconds,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            errors = [f"✗ from a fresh start it takes more than {seconds} s"]
        else:
            errors, results = _read(answer, done)
    failed = [line for line in results if not line.startswith("✓")]
    if results and not failed:
        print(f"✓ passed: all {len(results)} visible tests")
    if not errors:
        print(f"✓ runs from a fresh start, in {time.perf_counter() - start:.0f} s")
    print(*errors, *failed, sep="\n", end="\n" if errors or failed else "")
    return errors, failed


def environment(folder: str | Path) -> dict[str, str]:
    """Environment variables of a run from a fresh start, which may write into the folder."""
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {
        "DIPCOURSE_FRESH": "1",
        "IPYTHONDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "MPLBACKEND": "agg",
    }


def _read(answer: Path, process: subprocess.CompletedProcess[str]) -> tuple[list[str], list[str]]:
    """What the new process says: errors, and the line of each visible test."""
    if not answer.exists():
        words = process.stderr.strip()[-300:]
        return [f"✗ the run from a fresh start ended early: {words}"], []
    said = json.loads(answer.read_text(encoding="utf-8"))
    errors = [f"✗ from a fresh start, cell {name} raises {error}" for name, error in said["errors"]]
    return errors, list(said["results"].values())
