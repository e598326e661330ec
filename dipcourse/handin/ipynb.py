"""Notebook files as Jupyter, Colab and students leave them, and the sources of their cells."""

import ast
import codecs
import hashlib
import json
import re
from collections.abc import Container
from pathlib import Path

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


def read(file: Path) -> dict | None:
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


def text_of(raw: bytes) -> str:
    """Bytes as text: UTF-8, or what the mark at the beginning says that Windows wrote.

    >>> text_of("é".encode("utf-8-sig")), text_of("é".encode("utf-16"))
    ('é', 'é')

    Raises:
        UnicodeDecodeError: it is no text.
    """
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if marked else "utf-8-sig")


def name_of(cell: dict, wanted: Container[str]) -> str | None:
    """Which graded cell this is: by nbgrader's mark, else by the id; None if it is none."""
    data = cell.get("metadata", {})
    mark = data.get("nbgrader")
    marked = mark.get("grade_id") if isinstance(mark, dict) else None
    return next((name for name in (marked, cell.get("id"), data.get("id")) if name in wanted), None)


def source_of(cell: dict) -> str:
    """The source of a cell, which may be kept as a list of lines."""
    source = cell.get("source", cell.get("input", ""))  # format 3
    return source if isinstance(source, str) else "".join(source)


def code_cells(notebook: dict) -> list[list[str]]:
    """The code cells of a notebook's JSON as a list of [id, source], as the grader runs them."""
    return [
        [cell.get("id") or f"cell {place}", typed(source_of(cell))]
        for place, cell in enumerate(notebook["cells"])
        if cell.get("cell_type") == "code"
    ]


def typed(source: str) -> str:
    """A code cell with the signs of a keyboard, if it is Python only so; else as it is.

    >>> typed("def f(x):\\n\\u00a0\\u00a0return “x”")
    'def f(x):\\n  return "x"'
    >>> typed("print('a\\u00a0b')") == "print('a\\u00a0b')"
    True
    """
    other = source.translate(SIGNS)
    return other if not _is_python(source) and _is_python(other) else source


def _is_python(source: str) -> bool:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError):  # a null byte raises the second
        return False
    return True


def defined(source: str) -> list[str]:
    """The names of the functions and classes that a cell defines.

    >>> defined("def psnr(a, b): ...")
    ['psnr']
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # magics, or a slip
        return []
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]


def fingerprint(source: str) -> str:
    """A text that tells sources apart, white space aside.

    >>> fingerprint("a = 1") == fingerprint("a=1 ")
    True
    """
    return hashlib.md5(re.sub(r"\s+", "", source).encode()).hexdigest()


def first_line(source: str) -> str:
    """The first line of a cell, which says what it is about."""
    return source.strip().split("\n")[0]
