"""Make assignments/ from solutions/, the only hand-edited copy of an assignment.

    python -m tools.assignments                 write what is generated; then commit it
    python -m tools.assignments --check         say what is out of date; exit code 1 if anything
    python -m tools.assignments --variants FILE --out FOLDER
                                                a private course folder: see INSTRUCTORS.md

In a source, the id of a cell says what it is:

    setup       locked: the student may not change it
    task-…      the student's code; what lies between BEGIN and END SOLUTION is cut out
    test-…      locked, graded: "(2 points)" in its first line
    explain-…   the student's words, graded by hand: "(6 points)" in its first line

From it come nbgrader's metadata and the badge, and, for submit_check,
dipcourse/handin/_assignments.json.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat

from dipcourse.handin import ipynb
from tools import notebooks

ROOT = notebooks.ROOT
SOURCE, RELEASE, MANIFEST = "solutions", "assignments", "dipcourse/handin/_assignments.json"
POINTS = re.compile(r"\((\d+) points?\)")
KINDS = {"setup": "setup", "task": "task", "test": "test", "explain": "answer"}
VARIANT = re.compile(r"^(?P<head>\s*(?P<name>\w+) = ).*?(?P<tail>  # variant)$", re.MULTILINE)


def sources(root=ROOT):
    """Return the paths of the source notebooks: solutions/<assignment>/<assignment>.ipynb."""
    return sorted((root / SOURCE).glob("*/*.ipynb"))


def kind(cell):
    """Return "setup", "task", "test", "answer", or None for a cell that is not graded."""
    return KINDS.get(cell.id.split("-")[0])


def points(cell):
    """Return the points that the first line of a cell names; 0 if none."""
    found = POINTS.search(cell.source.split("\n")[0])
    return int(found[1]) if found else 0


def mark(cell):
    """Return nbgrader's metadata of a cell, or None."""
    what = kind(cell)
    if what is None:
        return None
    graded = what in ("test", "answer")
    return {
        **({"points": points(cell)} if graded else {}),
        "grade": graded,
        "grade_id": cell.id,
        "locked": what in ("setup", "test"),
        "schema_version": 3,
        "solution": what in ("task", "answer"),
        "task": False,
    }


def tidy(notebook, name):
    """Strip a source and write what is generated in it, in place."""
    notebooks.strip(notebook)
    notebooks.write_badge(notebook, f"{name}/{name}.ipynb", RELEASE)
    for cell in notebook.cells:
        if (marked := mark(cell)) is not None:
            cell.metadata["nbgrader"] = nbformat.from_dict(marked)


def manifest(released):
    """Return what submit_check needs to know of a released notebook."""
    return {
        cell.id: {"kind": kind(cell), "stub": ipynb.fingerprint(cell.source)}
        for cell in released.cells
        if kind(cell) in ("task", "test", "answer")
    }


def release(course):
    """Run nbgrader in a course folder with sources; return {assignment: released notebook}."""
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "*"]
    options = ["--no-db", "--force", "--log-level=ERROR"]
    process = subprocess.run([*command, *options], cwd=course, capture_output=True, text=True)
    written = {p.parent.name: course / RELEASE / p.parent.name / p.name for p in sources(course)}
    missing = [name for name, path in written.items() if not path.exists()]
    if process.returncode or missing:
        raise SystemExit(f"{missing}: {process.stdout[-2000:]}{process.stderr[-4000:]}")
    return {name: notebooks.read(path) for name, path in written.items()}


def generated(root=ROOT):
    """Return {path: text} of all files that are generated, the tidied sources among them."""
    texts, known = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        shutil.copy(root / "nbgrader_config.py", course)
        for path in sources(root):
            notebook = notebooks.read(path)
            tidy(notebook, path.parent.name)
            texts[path] = notebooks.written(notebook)
            copy = course / path.relative_to(root)
            copy.parent.mkdir(parents=True)
            copy.write_text(texts[path], encoding="utf-8")
        for name, notebook in release(course).items():
            texts[root / RELEASE / name / f"{name}.ipynb"] = notebooks.written(notebook)
            known[name] = manifest(notebook)
    texts[root / MANIFEST] = json.dumps(known, indent=1, ensure_ascii=False) + "\n"
    return texts


def stale(root=ROOT):
    """Return what is out of date: [(path, text that it should have, or None to delete it)]."""
    texts = generated(root)
    extra = [p for p in (root / RELEASE).rglob("*") if p.is_file() and p not in texts]
    differing = [
        (path, text)
        for path, text in texts.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return differing + [(path, None) for path in extra if ".ipynb_checkpoints" not in path.parts]


# ---- a private copy of the course


def vary(notebook, variants):
    """Put the constants and cells of a file of variants into a source, in place.

    Args:
        notebook: the source of an assignment.
        variants: {"constants": {name: value}, "cells": {id: source}}; a constant is a line
            ``NAME = value  # variant`` of a test cell.

    Raises:
        SystemExit: a name or an id that the source does not have.
    """
    constants, cells = variants.get("constants", {}), variants.get("cells", {})
    used = set()

    def put(found):
        if found["name"] not in constants:
            return found[0]
        used.add(found["name"])
        return f"{found['head']}{constants[found['name']]!r}{found['tail']}"

    for cell in notebook.cells:
        if cell.id in cells:
            used.add(cell.id)
            cell.source = cells[cell.id].strip("\n")
        if kind(cell) == "test":
            cell.source = VARIANT.sub(put, cell.source)
    if unknown := (constants.keys() | cells.keys()) - used:
        raise SystemExit(f"the source has no {', '.join(sorted(unknown))}")


def private(variants, out, root=ROOT):
    """Write a course folder with varied sources, ready for nbgrader; no badge, it is public."""
    wanted = tomllib.loads(Path(variants).read_text(encoding="utf-8"))
    if root in (out.resolve(), *out.resolve().parents):
        raise SystemExit("choose a folder outside this repository: the repository is public")
    names = {path.parent.name for path in sources(root)}
    if unknown := wanted.keys() - names:
        raise SystemExit(f"there is no assignment {', '.join(sorted(unknown))}")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "nbgrader_config.py", out)
    for path in sources(root):
        notebook = notebooks.read(path)
        vary(notebook, wanted.get(path.parent.name, {}))
        tidy(notebook, path.parent.name)
        notebook.cells[0].source = notebooks.BADGE.sub("", notebook.cells[0].source)
        copy = out / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(notebooks.written(notebook), encoding="utf-8")
        print(copy)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.assignments", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--variants", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.variants:
        private(options.variants, options.out)
        return 0
    wrong = stale()
    for path, text in wrong:
        print(f"{'out of date' if options.check else 'written'}: {path.relative_to(ROOT)}")
        if options.check:
            continue
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
