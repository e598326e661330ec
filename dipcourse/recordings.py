"""Fits and tables of results that were made beforehand: they stand in where a run takes too long.

``python -m tools.measured`` makes them: ``record`` the fits, ``tables`` the tables.
"""

import json
from pathlib import Path
from typing import Any

from dipcourse.history import History

FOLDER = Path(__file__).parent / "_recordings"

Table = dict[str, Any]  # what a JSON file of results holds, with "rows", a list of dicts


def load(name: str) -> History:
    """A recorded fit.

    Args:
        name: such as "00_overfit": lesson and fit.

    Returns:
        History. Its curves are exact. Its frames are JPEG that keeps noise: their PSNR to the true
        frames is at least ``settings["codec psnr"]``, some 10 dB above what a fit reaches. Its
        settings tell the command, device, date and preset of the run; ``about`` says them.

    Raises:
        ValueError: there is no such fit; the message lists those that there are.

    Built in lesson 00 (used).

    >>> history = load("00_overfit")
    >>> history.settings["preset"]
    'overfit'
    """
    return History.load(_find(name, ".npz", "fit"))


def table(name: str) -> Table:
    """A recorded table of results.

    Args:
        name: such as "04_widths": lesson and table.

    Returns:
        Dict with the strings "command", "device", "torch", "scale" and "date", the number
        "threads", and "rows", a list of dicts.

    Raises:
        ValueError: there is no such table; the message lists those that there are.

    Built in lesson 04 (used).

    >>> table("04_tricks")["scale"]
    'laptop'
    """
    recorded: Table = json.loads(_find(name, ".json", "table").read_text(encoding="utf-8"))
    return recorded


def about(recorded: History | Table) -> str:
    """One line that says where a recorded fit or table comes from.

    Args:
        recorded: what ``load`` or ``table`` returned.

    Returns:
        String.

    Raises:
        ValueError: it was not recorded.

    Built in lesson 00 (used).

    >>> print(about(load("00_overfit")))  # doctest: +ELLIPSIS
    Recorded on ... with `python -m tools.measured record 00_overfit` on ...
    """
    facts = recorded if isinstance(recorded, dict) else recorded.settings
    if "command" not in facts:
        raise ValueError("this was not recorded: it was computed just now")
    threads = f"{facts['threads']} thread{'s' if facts['threads'] > 1 else ''}"
    time = "" if isinstance(recorded, dict) else f", in {recorded.seconds:.0f} s"
    return (
        f"Recorded on {facts['date']} with `{facts['command']}` on {facts['device']} "
        f"({threads}), torch {facts['torch']}{time}."
    )


def text(table: Table) -> str:
    """The rows of a table as lines of text in columns.

    Args:
        table: what ``table`` returned, or any dict with "rows".

    Returns:
        String.

    Built in lesson 04 (used).

    >>> print(text({"rows": [{"width": 8, "PSNR": 25.125}, {"width": 128, "PSNR": 27.0}]}))
    width   PSNR
        8  25.12
      128  27.00
    """
    names = list(dict.fromkeys(name for row in table["rows"] for name in row))
    cells = [names, *([_cell(row.get(name)) for name in names] for row in table["rows"])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _find(name: str, suffix: str, kind: str) -> Path:
    path = FOLDER / f"{name}{suffix}"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob(f"*{suffix}"))) or "none"
        raise ValueError(f"there is no recorded {kind} {name!r}; there are: {known}")
    return path
