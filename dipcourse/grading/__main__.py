"""One command from a class's downloads to grades: ``python -m dipcourse.grading a2 downloads/``."""

import argparse
import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

from dipcourse.grading.sandbox.walls import NoSandbox, require_walls

STEPS = "collect", "grade", "feedback", "report"
KEPT = ".executed"  # the folder of outcomes
LOG = "grading.log"


class Stop(Exception):
    """The command cannot go on; the words say why and what to do."""


def main(words: list[str] | None = None) -> int:
    """Grade a class. Returns 0, or 1 if anything needs a person."""
    given = options().parse_args(words)
    try:
        assignment = full_name(given.assignment)
        steps = given.only or STEPS
        if "grade" in steps and not given.unsafe:
            require_walls()
        Path(LOG).write_text("", encoding="utf-8")
        release(assignment)
        if "collect" in steps:
            collect(assignment, given.downloads)
        if "grade" in steps:
            grade(assignment, given)
        if "feedback" in steps:
            nbgrader("generate_feedback", assignment, "--force")
        return report(assignment, given.roster) if "report" in steps else 0
    except (Stop, NoSandbox) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. What is done is kept: the same command goes on.", file=sys.stderr)
        return 130


def options() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(
        prog="python -m dipcourse.grading",
        description="Collect, mend, grade and report a class's notebooks, in the course folder.",
    )
    add = parser.add_argument
    add("assignment", help="its name, or how it begins: a2")
    add("downloads", nargs="?", type=Path, help="a zip or folder of your learning platform")
    add("--roster", type=Path, help="a class list, one student a line")
    add("--workers", type=int, default=os.cpu_count() or 1, help="notebooks at once (the cores)")
    add("--scheduler", help="the address of a Dask scheduler, in place of workers here")
    add("--seconds", type=int, default=120, help="what a cell or test may take (120)")
    add("--resume", action=argparse.BooleanOptionalAction, default=True, help="keep what is done")
    add("--unsafe", action="store_true", help="grade without a sandbox: see INSTRUCTORS.md")
    add("--only", action="append", choices=STEPS, help="this step alone; may be repeated")
    return parser


def full_name(begin: str) -> str:
    """The assignment whose name begins so."""
    known = sorted(path.stem for path in Path("solutions").glob("*/*.ipynb"))
    if not Path("nbgrader_config.py").exists() or not known:
        raise Stop("run this in the course folder: it has nbgrader_config.py and solutions/")
    found = [name for name in known if name == begin] or [n for n in known if n.startswith(begin)]
    if len(found) != 1:
        raise Stop(f"no one assignment is called {begin!r}: there are {', '.join(known)}")
    return found[0]


def release(assignment: str) -> None:
    """Tell the gradebook about the assignment, if it does not know it."""
    from nbgrader.api import Gradebook, MissingEntry

    try:
        if Path("gradebook.db").exists():
            with Gradebook("sqlite:///gradebook.db") as gradebook:
                gradebook.find_notebook(assignment, assignment)
            return
    except MissingEntry:
        pass
    nbgrader("generate_assignment", assignment, "--force")


def collect(assignment: str, downloads: Path | None) -> None:
    """Sort what was downloaded into a folder for each student."""
    archive = Path("downloaded", assignment, "archive")
    if downloads is not None:
        if not downloads.exists():
            raise Stop(f"there is no {downloads}")
        if archive.exists() and archive.resolve() != downloads.resolve():
            shutil.rmtree(archive)
        archive.mkdir(parents=True, exist_ok=True)
        if downloads.is_file():
            shutil.copy2(downloads, archive)
        elif archive.resolve() != downloads.resolve():
            shutil.copytree(downloads, archive, dirs_exist_ok=True)
    if archive.exists():
        nbgrader("zip_collect", assignment, "--force")
    elif not [*Path("submitted").glob(f"*/{assignment}")]:
        raise Stop(f"nothing was handed in: name the downloads, or put them into {archive}")


def grade(assignment: str, given: argparse.Namespace) -> None:
    """Execute on all workers, then have nbgrader grade what came out."""
    from dipcourse.grading import ahead

    if not given.resume:
        shutil.rmtree(Path(KEPT, assignment), ignore_errors=True)
    students = sorted(path.parent.name for path in Path("submitted").glob(f"*/{assignment}"))
    jobs = ahead.jobs(assignment, students, given.seconds, given.unsafe)
    ahead.run(jobs, KEPT, given.workers, given.scheduler)
    print(f"nbgrader reads {len(students)} notebooks; what it says stands in {LOG}")
    settings = {"kept": KEPT, "timeout": given.seconds, "unsafe": given.unsafe}
    flags = [f"--SandboxedExecute.{name}={value}" for name, value in settings.items()]
    nbgrader("autograde", assignment, "--force", *flags)


def report(assignment: str, roster: Path | None) -> int:
    """Write the tables and the summary; say who needs a person, and return 1 if anybody does."""
    from dipcourse.grading import summary

    flags = [f"--roster={roster}"] if roster else []
    nbgrader("export", f"--assignment=['{assignment}']", "--to", "grades.csv", *flags)
    with open("grades.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pages = summary.write(assignment, rows, Path("report", assignment))
    waiting = [row for row in rows if row["state"] not in ("graded", "nothing handed in")]
    for row in waiting:
        print(f"{row['student']}: {row['state']}")
    print(f"{len(rows)} students, {len(waiting)} need a person. {', '.join(map(str, pages))}")
    return 1 if waiting else 0


def nbgrader(*words: str) -> None:
    """Run a command of nbgrader; what it says goes to the log, and its failure is no end.

    It fails if one notebook of many cannot be read: the report names that one.
    """
    variables = {name: value for name, value in os.environ.items() if name != "NBGRADER_EXECUTION"}
    with open(LOG, "a", encoding="utf-8") as log:
        print("$ nbgrader", *words, file=log, flush=True)
        command = [sys.executable, "-m", "nbgrader", *words]
        code = subprocess.run(command, stdout=log, stderr=log, env=variables).returncode
    if code and words[0] in ("generate_assignment", "export"):
        raise Stop(f"nbgrader {words[0]} has failed: see {LOG}")


if __name__ == "__main__":
    sys.exit(main())
