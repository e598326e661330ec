"""A worker: it has a grader's process for itself, since a grader needs a main thread and memory.

Dask's own process imports this module, so nothing here loads torch.
"""

import functools
import gc
import json
import os
import subprocess
import sys

from dipcourse.grading import ENVIRONMENT


def do(job: str) -> str:
    """Do a job, which is JSON, and return its outcome, which is JSON too; see ``execute``."""
    grader = own_grader()
    try:
        assert grader.stdin is not None
        assert grader.stdout is not None
        grader.stdin.write(job + "\n")
        grader.stdin.flush()
        outcome = grader.stdout.readline()
    except OSError:
        outcome = ""
    if not outcome:
        own_grader.cache_clear()
        raise RuntimeError("the grader's process has ended")
    return outcome


@functools.cache
def own_grader() -> "subprocess.Popen[str]":
    """The process that does the jobs of this worker, one after the other."""
    command = [sys.executable, "-m", "dipcourse.grading.worker"]
    variables = os.environ | ENVIRONMENT
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, env=variables, text=True, encoding="utf-8"
    )


# ---- in the grader's process


def work() -> None:
    """Read jobs, one a line, and write their outcomes."""
    gc.disable()  # the import is faster without
    from dipcourse.grading import execute

    gc.freeze()
    gc.enable()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints
    for line in sys.stdin:
        answers.write(json.dumps(execute.done(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    work()
