"""The process that runs a submission, behind walls, and how the grader calls its functions.

    walls    bubblewrap around a process that waits
    course   the package as a submission finds it
    inside   the process: waits, forks, runs cells (the grader does not import it)
    remote   functions and networks of the other process
    wire     what crosses: numbers

The grader's process never runs code of a submission, and that of a submission never holds a test.
"""

import shutil
import subprocess

WITHOUT = (
    "bubblewrap (bwrap) is not installed, and without it code of students runs with your rights: "
    "see INSTRUCTORS.md, 'A machine to grade on'"
)


class NoSandbox(Exception):
    """There are no walls on this machine."""


def require_walls() -> None:
    """Raise ``NoSandbox`` if this machine has no bubblewrap, or one that does not work."""
    if not shutil.which("bwrap"):
        raise NoSandbox(WITHOUT)
    trial = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    said = subprocess.run(trial, capture_output=True, text=True)
    if said.returncode:
        raise NoSandbox(f"bubblewrap does not work on this machine: {said.stderr.strip()}")
