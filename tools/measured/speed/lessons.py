"""Each lesson on a quiet machine, and beside another notebook: `make bench ARGS="--only lessons"`.

The other notebook runs the same lesson, from its beginning and again and again, as that of a second
student does on a shared machine. An hour on two cores. With --store each row is kept at once, and
what is kept is not measured again: delete stored/lessons_*.json to begin anew.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import psutil

from tools import notebooks
from tools.execute import execute
from tools.measured.circumstances import processor
from tools.measured.tables import STORED, Table

SPAWN = get_context("spawn")


def seconds(path: Path) -> float:
    """How long a lesson takes at laptop scale."""
    run = execute(notebooks.read(path), path.parent, "laptop")
    if not run.ok:
        sys.exit(f"{path.name} fails in cell {run.cell}: {run.error}")
    return run.seconds


def again_and_again(path: Path) -> None:
    while True:
        seconds(path)


@contextmanager
def another(path: Path) -> Iterator[None]:
    """A block beside which another notebook runs."""
    process = SPAWN.Process(target=again_and_again, args=(path,))
    process.start()
    try:
        yield
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()


def main(store: bool = False) -> None:
    """Print the table; keep it, if it is to be stored."""
    table = Table(f"lessons_{processor()}", ("lesson",), STORED)
    print(f"{'lesson':30}{'quiet s':>10}{'beside s':>10}{'ratio':>8}")
    for path in notebooks.lessons():
        if notebooks.apart(path) or (store and table.has(lesson=path.stem)):
            continue
        quiet = seconds(path)
        with another(path):
            beside = seconds(path)
        row = {"quiet s": round(quiet, 1), "beside s": round(beside, 1)}
        row["ratio"] = round(beside / quiet, 2)
        print(f"{path.stem:30}{row['quiet s']:10}{row['beside s']:10}{row['ratio']:8}", flush=True)
        if store:
            table.add({"lesson": path.stem} | row)
