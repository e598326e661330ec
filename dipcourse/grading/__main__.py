"""One command from a class's downloads to grades: ``python -m dipcourse.grading a2 downloads/``."""

import argparse
import contextlib
import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from dipcourse.grading import GRADEBOOK
from dipcourse.grading.sandbox import NoSandbox, require_walls

STEPS = "collect", "grade", "feedback", "report"
KEPT = ".executed"  # the folder of outcomes
LOG = "grading.log"


class Stop(Exception):
    """The command cannot go on; the words say why and what to do."""


def main(words: list[str] | None = None) -> int:
    """Grade a class. Returns 0, or 1 if anything needs a person."""
    given = options().parse_intermixed_args(words)
    try:
        assignment = full_name(given.assignment)
        check_roster(given.roster)
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
            feedback(assignment, given.workers)
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


def check_roster(roster: Path | None) -> None:
    """Stop before hours of work if the class list is not there, or holds nobody."""
    if roster is None:
        return
    from dipcourse.grading import table

    try:
        table.read_roster(roster)
    except OSError as error:
        raise Stop(f"the class list {roster} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Stop(str(error)) from None


def release(assignment: str) -> None:
    """Tell the gradebook about the assignment, if it does not know it."""
    from nbgrader.api import Gradebook, MissingEntry

    try:
        if Path("gradebook.db").exists():
            with Gradebook(GRADEBOOK) as gradebook:
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
            raise Stop(
                f"there is no {downloads}: name what your learning platform let you download"
            )
        if downloads.resolve() in archive.resolve().parents:
            raise Stop(
                f"{downloads} holds the course itself: put what you downloaded into a folder"
            )
        if archive.exists() and archive.resolve() != downloads.resolve():
            shutil.rmtree(archive)
        archive.mkdir(parents=True, exist_ok=True)
        if downloads.is_file():
            shutil.copy2(downloads, archive)
        elif archive.resolve() != downloads.resolve():
            shutil.copytree(downloads, archive, dirs_exist_ok=True)
    if any(path.is_file() for path in archive.rglob("*")):
        nbgrader("zip_collect", assignment, "--force")
    elif downloads is not None:
        raise Stop(f"there is nothing in {downloads}")
    if not handed_in(assignment):
        raise Stop(f"nothing was handed in: name the downloads, or put them into {archive}")


def handed_in(assignment: str) -> list[str]:
    """The students with a folder in ``submitted/``, sorted."""
    return sorted(path.parent.name for path in Path("submitted").glob(f"*/{assignment}"))


def grade(assignment: str, given: argparse.Namespace) -> None:
    """Execute on all workers, while nbgrader grades what has come out.

    Who is graded already and has handed in nothing new is left out, with the marks of a person.
    """
    from dipcourse.grading import ahead, jobs, outputs, record

    if not given.resume:
        shutil.rmtree(Path(KEPT, assignment), ignore_errors=True)
        record.place(KEPT, assignment).unlink(missing_ok=True)
    students = handed_in(assignment)
    job_of = ahead.jobs_of(assignment, students, given.seconds, given.unsafe)
    kept = {student: jobs.kept_at(KEPT, job) for student, job in job_of.items()}
    left = {path: job_of[student] for student, path in kept.items() if not path.exists()}
    marks = record.marks(assignment, kept)
    done = record.unchanged(assignment, marks, KEPT)
    print(f"{len(students)} students handed in; {len(done)} are graded already.")
    print(f"{len(left)} notebooks are to be executed. What nbgrader says stands in {LOG}.")
    if len(done) == len(students):
        return
    settings = {"kept": KEPT, "waits": True, "timeout": given.seconds, "unsafe": given.unsafe}
    flags = [f"--SandboxedExecute.{name}={value}" for name, value in settings.items()]
    begin = time.time()
    with started("autograde", assignment, "--force", *flags, without(done)) as process:
        ahead.run(left, given.workers, given.scheduler, partial(tell, process, "\n"))
        tell(process, outputs.ALL)
    record.keep(assignment, marks, KEPT, begin)


def feedback(assignment: str, workers: int) -> None:
    """Make the pages for students, several at once: they only read the gradebook."""
    from dipcourse.grading import feedback as pages
    from dipcourse.grading import record

    for folder in Path("feedback").glob(f"*/{assignment}"):
        shutil.rmtree(folder)  # of somebody who cannot be graded any more, say
    students = record.graded(assignment)
    count = min(workers, len(students))
    with contextlib.ExitStack() as stack:
        for share in range(count):
            others = [name for k, name in enumerate(students) if k % count != share]
            command = "generate_feedback", assignment, "--force", without(others)
            stack.enter_context(started(*command))
    pages.pack(assignment, Path("report", assignment))


def without(students: Iterable[str]) -> str:
    """The option of nbgrader that leaves students out."""
    return f"--CourseDirectory.student_id_exclude={','.join(sorted(students))}"


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
    """Run a command of nbgrader; its failure is no end.

    It fails if one notebook of many cannot be read: the report names that one.
    """
    with started(*words) as process:
        pass
    if process.returncode and words[0] in ("generate_assignment", "export"):
        raise Stop(f"nbgrader {words[0]} has failed: see {LOG}")


@contextlib.contextmanager
def started(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """A command of nbgrader beside the block, which ends after it; what it says goes to the log.

    If the block fails or is stopped, so is the command.
    """
    command = [sys.executable, "-m", "nbgrader", *words]
    variables = {name: value for name, value in os.environ.items() if name != "NBGRADER_EXECUTION"}
    with open(LOG, "a", encoding="utf-8") as log:
        print("$ nbgrader", *words, file=log, flush=True)
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=pipe, stdout=log, stderr=log, env=variables, text=True
        )
        try:
            yield process
            process.communicate()
        except BaseException:
            process.terminate()
            process.wait()
            raise


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    """Write a line to a command of nbgrader, unless it has ended."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(line)
        process.stdin.flush()


if __name__ == "__main__":
    sys.exit(main())
