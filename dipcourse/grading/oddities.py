"""What a teacher may want to look at in a class: answers that are alike, code that reaches far."""

import ast
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader import utils

FEW = 40  # nodes of a syntax tree: answers that are shorter are alike by chance
#: Modules that tasks have no use for: they lead to files, processes, networks, or other code.
FAR_MODULES = {
    *("builtins", "ctypes", "gc", "http", "importlib", "inspect", "io", "marshal", "mmap"),
    *("multiprocessing", "nbformat", "nbgrader", "os", "pathlib", "pickle", "requests", "resource"),
    *("shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "threading", "traceback"),
    *("types", "urllib"),
}
FAR_NAMES = {
    *("In", "Out", "__import__", "compile", "eval", "exec", "get_ipython", "globals", "locals"),
    *("open", "vars"),
}


def notebooks_of(assignment: str) -> Iterator[tuple[str, list[NotebookNode]]]:
    """(student, code cells that were not released as they are) of each graded notebook."""
    name = f"{assignment}.ipynb"
    released = nbformat.read(Path("assignments", assignment, name), as_version=4)
    known = {cell.source for cell in released.cells}
    for path in sorted(Path("autograded").glob(f"*/{assignment}/{name}")):
        cells = nbformat.read(path, as_version=4).cells
        written = [c for c in cells if c.cell_type == "code" and c.source not in known]
        yield path.parts[1], [cell for cell in written if not is_test(cell)]


def is_test(cell: NotebookNode) -> bool:
    """Whether a cell is one with tests."""
    return bool(utils.is_grade(cell)) and not utils.is_solution(cell)


def reaching(assignment: str) -> list[tuple[str, list[str]]]:
    """(student, what their code reaches for) of those whose code does."""
    found = [
        (student, sorted({word for cell in cells for word in far(cell.source)}))
        for student, cells in notebooks_of(assignment)
    ]
    return [(student, words) for student, words in found if words]


def far(source: str) -> set[str]:
    """The modules, names and attributes in a cell with which one leaves it.

    >>> sorted(far("import os, torch\\nf.__globals__['x'] = open('y')"))
    ['.__globals__', 'import os', 'open']
    """
    try:
        tree = ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", source, flags=re.MULTILINE))
    except SyntaxError:
        return set()
    found = set()
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        found |= {f"import {m}" for m in modules if m.split(".")[0] in FAR_MODULES}
        if isinstance(node, ast.Name) and node.id in FAR_NAMES:
            found.add(node.id)
        if isinstance(node, ast.Attribute) and is_inner(node.attr):
            found.add(f".{node.attr}")
    return found


def is_inner(name: str) -> bool:
    """Whether an attribute belongs to Python's machinery; classes need ``__init__``."""
    return name.startswith("__") and name.endswith("__") and name not in ("__init__", "__name__")


def alike(assignment: str) -> list[tuple[str, list[str]]]:
    """(task, students) whose answers are the same but for names, comments and layout."""
    groups = defaultdict(list)
    for student, cells in notebooks_of(assignment):
        for cell in filter(utils.is_solution, cells):
            if mark := shape(cell.source):
                groups[cell.metadata.nbgrader.grade_id, mark].append(student)
    return [(task, students) for (task, _), students in groups.items() if len(students) > 1]


def shape(source: str) -> str:
    """What stays of an answer without names, comments and doc strings; "" if it is short.

    >>> one = "def f(a):\\n    b = (a + 1) * (a - 2) / (a + 3)\\n    return b * b * b + b - 2 * b"
    >>> shape(one) == shape(one.replace("b", "total")) != ""
    True
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    known: dict[str, str] = {}
    words = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        words.append(type(node).__name__)
        name = getattr(node, "id", None) or getattr(node, "arg", None)
        if isinstance(name, str):
            words.append(known.setdefault(name, str(len(known))))
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            words.append(repr(node.value))
    if len(words) < FEW:
        return ""
    return hashlib.sha256(" ".join(words).encode()).hexdigest()
