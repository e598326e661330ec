"""Executes the submissions of a class on many cores, or machines, and keeps what comes out.

Only execution takes long, so only it is done ahead: nbgrader grades one notebook after the other,
alone with the gradebook, and looks outcomes up as they come. A job and its outcome are JSON, so
workers need no files of the course folder.
"""

import copy
import itertools
import json
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import (
    ClearOutput,
    DeduplicateIds,
    OverwriteCells,
    OverwriteKernelspec,
)
from tqdm import tqdm
from traitlets.config import Config

from dipcourse.grading import GRADEBOOK, jobs, worker
from dipcourse.grading.mend import Mend
from dipcourse.handin import ipynb

GIVEN_OUT = 100  # jobs at once, done or waiting: enough for as many workers
RETRIES = 2  # times that a job whose worker died is given to another one


class SilentMend(Mend):
    """Puts a notebook in order without a word: nbgrader's own run says it."""

    def note(self, text: str) -> None:
        """Say nothing."""


def jobs_of(
    assignment: str, students: Iterable[str], seconds: int, unsafe: bool
) -> dict[str, dict[str, Any]]:
    """{student: job} of those whose notebook can be read and is of this assignment.

    What is wrong with the others, nbgrader's run will say.
    """
    where = {"assignment": assignment, "notebook": assignment, "db_url": GRADEBOOK}
    source, found = jobs.source_of(where), {}
    for student in students:
        try:
            notebook = in_order(where | {"student": student})
            found[student] = jobs.job_of(notebook, source, seconds, unsafe)
        except Exception:
            continue
    return found


def in_order(where: dict[str, str]) -> Any:
    """A submission as nbgrader executes it."""
    path = Path("submitted", where["student"], where["assignment"], f"{where['notebook']}.ipynb")
    notebook = nbformat.reads(ipynb.text_of(path.read_bytes()), as_version=4)
    for step in (SilentMend, ClearOutput, DeduplicateIds, OverwriteKernelspec, OverwriteCells):
        notebook, _ = step(config=Config()).preprocess(notebook, {"nbgrader": copy.copy(where)})
    return notebook


def run(
    left: dict[Path, dict[str, Any]],
    workers: int,
    scheduler: str | None,
    tell: Callable[[], None],
) -> None:
    """Do jobs and keep their outcomes.

    Ctrl-C keeps what is done. A worker that dies is replaced, and its job given to another one.

    Args:
        left: {where its outcome is kept: job}.
        workers: how many at once, if there is no scheduler.
        scheduler: the address of a Dask scheduler; None: workers on this machine.
        tell: is called after each outcome.
    """
    if not left:
        return
    with client(min(workers, len(left)), scheduler) as compute:
        bar = tqdm(compute(left), total=len(left), desc="execute", unit="notebook")
        for path, outcome in bar:
            jobs.keep(path, outcome)
            tell()


@contextmanager
def client(
    workers: int, scheduler: str | None
) -> Iterator[Callable[[dict[Path, Any]], Iterator[tuple[Path, str]]]]:
    """Workers, as a function that does jobs: it yields (path, outcome) as they are done."""
    import distributed

    local = None
    if scheduler is None:
        options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
        with deaf():
            local = distributed.LocalCluster(n_workers=workers, processes=True, **options)
    with distributed.Client(scheduler or local) as dask:

        def compute(left: dict[Path, Any]) -> Iterator[tuple[Path, str]]:
            running, paths, waiting = distributed.as_completed(), {}, iter(left.items())

            def give(count: int) -> None:
                """Give out the next jobs: not all, since each waits in this process's memory."""
                for path, job in itertools.islice(waiting, count):
                    options = {"key": path.stem, "retries": RETRIES}
                    future = dask.submit(worker.do, json.dumps(job), **options)
                    paths[future.key] = path
                    running.add(future)

            give(GIVEN_OUT)
            for future in running:
                path = paths.pop(future.key)
                yield path, outcome_of(future, left[path])
                future.release()
                give(1)

        try:
            yield compute
        finally:
            if local:
                local.close()


@contextmanager
def deaf() -> Iterator[None]:
    """A block whose new processes do not hear Ctrl-C: this process ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def outcome_of(future: Any, job: dict[str, Any]) -> str:
    """What a worker found; if all that tried have died of it, that: the others go on."""
    try:
        return str(future.result())
    except Exception as error:
        words = f"could not be executed: {type(error).__name__}: {error}. --no-resume tries again"
        return json.dumps(jobs.given_up(job, words))
