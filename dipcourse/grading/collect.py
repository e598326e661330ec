"""From a learning platform's files to nbgrader's folders.

Every file that arrives is taken, left out for a better one of the same student, or named as not
understood. ``whose`` says whose it is.
"""

import contextlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin
from traitlets import List
from traitlets.log import get_logger

from dipcourse.grading import answers, whose
from dipcourse.grading.notes import Notes
from dipcourse.handin import ipynb

ARCHIVES = (".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar")
LARGEST = 2**30  # bytes that an archive may unpack to
DEEPEST = 4  # archives in archives
DATES = "%Y-%m-%d-%H-%M-%S", "%b %d, %Y %I%M %p"  # Blackboard's, Brightspace's
BROKEN = OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, tarfile.TarError


def released(folder: str | Path) -> list[str]:
    """The names of the notebooks in the folder of a released assignment."""
    return sorted(path.stem for path in Path(folder).glob("*.ipynb"))


class Extractor(ExtractorPlugin):
    """Unpacks and copies what was downloaded; an archive becomes a folder of its name."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Fill the folder of extracted files; nbgrader calls it."""
        self.take_all(Path(archive_path), Path(extracted_path), depth=0)

    def take_all(self, source: Path, target: Path, depth: int) -> None:
        """Take all files below a folder."""
        for file in sorted(source.rglob("*")):
            if file.is_file():
                self.take(file, target / file.relative_to(source).parent, depth)

    def take(self, file: Path, folder: Path, depth: int) -> None:
        """Put a file into a folder: unpacked if it is an archive, as .ipynb if it is a notebook."""
        folder.mkdir(parents=True, exist_ok=True)
        packed = ending(file.name)
        if not packed:
            shutil.copy2(file, free(folder / proper_name(file)))
            return
        with tempfile.TemporaryDirectory() as room:
            try:
                if depth == DEEPEST:
                    raise ValueError(f"more than {DEEPEST} archives, each inside the other")
                unpack(file, Path(room))
            except BROKEN as error:
                self.log.warning("%s cannot be unpacked: %s", file.name, error)
                shutil.copy2(file, free(folder / file.name))
            else:
                self.take_all(Path(room), folder / file.name.removesuffix(packed), depth + 1)


def ending(name: str) -> str:
    """What makes a file's name that of an archive, as it is written; "" if nothing does.

    >>> ending("class.ZIP"), ending("a1.ipynb")
    ('.ZIP', '')
    """
    found = next((e for e in ARCHIVES if name.lower().endswith(e)), "")
    return name[len(name) - len(found) :]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar file into an empty folder; names and times are kept.

    Raises:
        ValueError: it would grow beyond LARGEST; and what zipfile and tarfile raise.
    """
    if zipfile.is_zipfile(archive):
        try:  # a Mac writes UTF-8 and does not say so
            with zipfile.ZipFile(archive, metadata_encoding="utf-8") as file:
                _unzip(file, folder)
        except UnicodeDecodeError:
            with zipfile.ZipFile(archive) as file:
                _unzip(file, folder)
    else:
        with tarfile.open(archive) as file:
            _require_size(sum(member.size for member in file))
            file.extractall(folder, filter="data")


def _unzip(file: zipfile.ZipFile, folder: Path) -> None:
    members = [member for member in file.infolist() if not member.is_dir()]
    _require_size(sum(member.file_size for member in members))
    for member in members:
        path = file.extract(member, folder)
        written = time.mktime((*member.date_time, 0, 0, -1))
        os.utime(path, (written, written))


def _require_size(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"it would unpack to {size / 1e9:.1f} GB, more than {LARGEST / 1e9:.1f}")


def proper_name(file: Path) -> str:
    """The name of a file, with .ipynb at its end if it holds a notebook.

    Browsers and Windows make "a1.ipynb.txt", "a1.json" or "A1.IPYNB" of it.
    """
    if file.suffix == ".ipynb" or ipynb.read(file) is None:
        return file.name
    return f"{whose.stem(file.name)}.ipynb"


def free(path: Path) -> Path:
    """The path, or with a number if there is a file already: nothing is overwritten."""
    count = 1
    while path.exists():
        path = path.with_stem(f"{path.stem.removesuffix(f' ({count - 1})')} ({count})")
        count += 1
    return path


class Collector(FileNameCollectorPlugin):
    """Finds student and notebook for each file; of several copies it takes the best.

    nbgrader asks about one file at a time, and ends well whatever was left out. So all is decided
    before it asks, and what a person should know is said after the copying.
    """

    patterns: List[str] = List(
        help="Regular expressions for other platforms, with the groups student_id and file_id; "
        "they are tried first, on the path below the folder of extracted files."
    ).tag(config=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.taken: dict[Path, dict[str, str]] = {}
        if self.parent is not None:
            self.parent.process_extracted_files = partial(
                self.process, self.parent.process_extracted_files
            )

    def process(self, copy_files: Callable[[], None]) -> None:
        """In place of the application's own method: plan, let it ask and copy, report."""
        app = self.parent
        self.course, self.assignment = Path(app.coursedir.root), app.coursedir.assignment_id
        self.archive = Path(app._format_collect_path(app.archive_directory))
        folder = Path(app._format_collect_path(app.extracted_directory))
        self.plan(folder, self.course / "assignments" / self.assignment)
        copy_files()
        self.keep_places(folder)
        self.report()

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """Return {"student_id": …, "file_id": …}, or None to leave a file out."""
        return self.taken.get(Path(submitted_file))

    def plan(self, folder: Path, release: Path) -> None:
        """Decide about every file of a folder.

        Sets ``taken``, {path: what nbgrader asks for}, and ``problems`` and ``remarks``, lists of
        (student or "", line).
        """
        self.taken = {}
        self.problems: list[tuple[str, str]] = []
        self.remarks: list[tuple[str, str]] = []
        names = released(release)
        files: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path
        theirs: dict[tuple[str, str], dict[str, whose.Owner]] = defaultdict(dict)
        for place, owner in self.owners(list(files), names).items():
            if owner is None or not whose.folder_name(owner.student):
                self.problems.append(("", f"not understood: {place}: whose is it?"))
            else:
                theirs[owner.student, owner.number][place] = owner
        for student, handed_in in self.named(theirs).items():
            self.choose(student, handed_in, files, names, release)

    def owners(self, places: list[str], names: list[str]) -> dict[str, whose.Owner | None]:
        """The owner of each place, or None: by the patterns that are set, else by ``whose``."""
        known = whose.owners(whose.work(places), names)
        return {place: self.by_pattern(place) or owner for place, owner in known.items()}

    def by_pattern(self, place: str) -> whose.Owner | None:
        """The owner that a pattern of the configuration finds in a place; or None."""
        for pattern in self.patterns:
            if found := re.match(pattern, place):
                return whose.Owner(found["student_id"], file=found["file_id"])
        return None

    def named(
        self, theirs: dict[tuple[str, str], dict[str, whose.Owner]]
    ) -> dict[str, dict[str, whose.Owner]]:
        """{name of a folder: files}; students who would share one are kept apart by a number."""
        sharing = defaultdict(list)
        for student, number in theirs:
            sharing[whose.folder_name(student).casefold()].append((student, number))
        named: dict[str, dict[str, whose.Owner]] = {}
        for group in sorted(sharing.values(), key=len):  # who shares no name keeps it
            for place, (student, number) in enumerate(group, 1):
                name = whose.folder_name(student)
                if len(group) > 1:
                    name = f"{name}_{number or place}"
                    words = f"{len(group)} students have the name {student!r}: kept apart"
                    self.problems.append((name, words))
                while name in named:
                    name += "_"
                named[name] = theirs[student, number]
        return named

    def choose(
        self,
        student: str,
        handed_in: dict[str, whose.Owner],
        files: dict[str, Path],
        names: list[str],
        release: Path,
    ) -> None:
        """Take the best file of each notebook that a student handed in; name the others."""
        copies: dict[str, dict[Path, float]] = defaultdict(dict)
        rest: list[str] = []
        for place, owner in handed_in.items():
            name = whose.notebook(owner.file, names)
            if name and files[place].suffix == ".ipynb":
                copies[name][files[place]] = moment(owner.when)
            elif not whose.is_slip(place):
                rest.append(place)
        for name, times in copies.items():
            self.choose_one(student, name, times, release)
        if rest and copies:
            self.remarks.append((student, f"also handed in, not graded: {', '.join(rest)}"))
        if not copies:
            first = files[next(iter(handed_in))]  # gives the student a line in the table
            self.taken[first] = {"student_id": student, "file_id": first.name}
            line = f"not understood: no notebook among {', '.join(rest or handed_in)}"
            self.problems.append((student, line))
        for doubt in {owner.doubt for owner in handed_in.values()} - {""}:
            self.problems.append((student, doubt))

    def choose_one(self, student: str, name: str, times: dict[Path, float], release: Path) -> None:
        """Take the best of several copies of a notebook, {path: time of the attempt}."""
        best = best_of(times, release / f"{name}.ipynb")
        self.taken[best] = {"student_id": student, "file_id": name}
        if whose.plain(whose.stem(best.name)) != whose.plain(name):
            self.log.warning("%s: %s is %s", student, best.name, name)
        common = Path(os.path.commonpath([path.parent for path in times]))
        for path in times:
            if path != best and path.read_bytes() != best.read_bytes():
                left, taken = (one.relative_to(common).as_posix() for one in (path, best))
                self.remarks.append((student, f"{left} is left out for {taken}"))

    def keep_places(self, folder: Path) -> None:
        """Keep where in the download each student's notebook was."""
        files = [file.name for file in self.archive.iterdir()]
        packed = {name.removesuffix(ending(name)) for name in files if ending(name)}
        found = {}
        for path, one in self.taken.items():
            top, *parts = path.relative_to(folder).parts
            within = parts if parts and top in packed else [top, *parts]
            found[one["student_id"]] = "/".join(within)
        kept = places_file(self.assignment, self.course)
        kept.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")

    def report(self) -> None:
        """Say what a person should know; end with an error if somebody's work needs one."""
        if not self.taken:
            self.parent.fail("Nothing to collect: put what you downloaded into %s", self.archive)
        students = {one["student_id"] for one in self.taken.values()}
        for student in students:
            Notes(student, self.assignment, self.course).start("collect")
        for student, line in [*self.remarks, *self.problems]:
            self.log.warning("%s%s%s", student, student and ": ", line)
            if student:
                Notes(student, self.assignment, self.course).add("collect", line)
        self.log.info("%d students", len(students))
        if self.problems:
            said = "%d things to look at, named above; all else is collected"
            self.parent.fail(said, len(self.problems))


def places(assignment: str, course: str | Path = ".") -> dict[str, str]:
    """{student: the notebook's path in what was downloaded} of the last collection."""
    kept = places_file(assignment, course)
    return json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}


def places_file(assignment: str, course: str | Path) -> Path:
    """The file that keeps them."""
    return Path(course, "downloaded", assignment, "places.json")


def moment(text: str) -> float:
    """A platform's time of an attempt as a number that grows; 0 if it is none.

    >>> moment("2026-01-31-12-00-00") < moment("Jan 31, 2026 1201 PM")
    True
    """
    for form in DATES:
        with contextlib.suppress(ValueError):
            return time.mktime(time.strptime(text, form))
    return 0


def best_of(times: dict[Path, float], release: Path) -> Path:
    """The file that counts of several copies of one notebook: answered before empty, then the last.

    Args:
        times: {path: time of the attempt, 0 where nobody knows}.
        release: the released notebook's file, or a path where there is none.

    Returns:
        The path.
    """
    stubs = ipynb.read(release) if release.exists() else None

    def merit(path: Path) -> tuple[Any, ...]:
        notebook = ipynb.read(path)
        answered = bool(stubs and notebook and answers.answered(notebook, stubs))
        named = whose.which(path.name, [release.stem]) is not None
        copy = whose.number(path.name), path.stat().st_mtime, path.name
        return notebook is not None, answered, named, times[path], *copy

    return max(times, key=merit)


def rename(assignment: str, notebooks: list[str], **_: object) -> None:
    """Give the notebooks of one student their released names; nbgrader calls it before grading.

    Args:
        assignment: its name.
        notebooks: the paths that nbgrader found, a list; changed in place.
    """
    folder, release = Path(notebooks[0]).parent, Path("assignments") / assignment
    notes = Notes(folder.parent.name, assignment)
    notes.start("grade")
    names = released(release)
    copies: dict[str, dict[Path, float]] = defaultdict(dict)
    for path in map(Path, notebooks):
        if name := whose.notebook(path.name, names):
            copies[name][path] = 0
    for name, times in copies.items():
        best = best_of(times, release / f"{name}.ipynb")
        for line in put(best, folder / f"{name}.ipynb"):
            get_logger().warning("%s: %s", folder.parent.name, line)
            notes.add("grade", line)
    notebooks[:] = sorted(str(folder / f"{name}.ipynb") for name in copies) or notebooks


def put(best: Path, target: Path) -> list[str]:
    """Put a notebook in the place that is graded, in UTF-8; return lines about what was done.

    What lies in that place is kept under another name.
    """
    raw = best.read_bytes()
    text = ipynb.text_of(raw).encode()
    lines = []
    if best != target:
        lines.append(f"{best.name} is graded as {target.name}")
        if target.exists():
            target.rename(target.with_name(f"left out, {target.name}"))
    if text != raw:
        lines.append(f"{best.name} was not saved as plain UTF-8; it is put in order")
    if lines:
        written = best.stat().st_mtime
        target.write_bytes(text)
        os.utime(target, (written, written))
    return lines
