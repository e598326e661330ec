"""From a learning platform's files to nbgrader's folders, and from its gradebook to a table."""

import csv
import logging
import re
import shutil
from collections import defaultdict
from pathlib import Path

from nbgrader.plugins import ExportPlugin, FileNameCollectorPlugin
from traitlets import List, Unicode

log = logging.getLogger("traitlets")

#: How platforms name what students hand in; the first that fits counts. "/" parts folders.
PATTERNS = (
    # Moodle: "Ada Lovelace_4711_assignsubmission_file_/a1.ipynb", or "…_file_a1.ipynb"
    r"(?P<student_id>[^/]+_\d+)_assignsubmission_file_?/?(?P<file_id>[^/]+)$",
    # Canvas: "lovelaceada_LATE_4711_31415_a1-1.ipynb"
    r"(?P<student_id>[a-z][a-z-]*)_(?:LATE_)?\d+_\d+_(?P<file_id>[^/]+)$",
    # a folder, or an archive, for each student
    r"(?P<student_id>[^/]+)/(?:.*/)?(?P<file_id>[^/]+)$",
    # "lovelace_a1.ipynb"
    r"(?P<student_id>[^/_]+)_(?P<file_id>[^/]+)$",
)


def plain(name):
    """A name without case, spaces and signs.

    >>> plain("Copy of A1_total-variation (2).ipynb")
    'copyofa1totalvariation2ipynb'
    """
    return re.sub(r"[^0-9a-z]", "", name.lower())


def which(file, released):
    """Which released notebook a file is, or None.

    >>> which("Copia di a1_total_variation.ipynb (1).ipynb", ["a1_total_variation"])
    'a1_total_variation'
    """
    fitting = [name for name in released if plain(name) in plain(Path(file).stem)]
    return max(fitting, key=len, default=None)


def number(file):
    """The number of a copy: browsers and Canvas count downloads.

    >>> [number(name) for name in ("a1.ipynb", "a1 (2).ipynb", "a1-3.ipynb", "Copy of a1.ipynb")]
    [0, 2, 3, 0]
    """
    found = re.search(r"(?:\((\d+)\)|-(\d+))$", Path(file).stem.strip())
    return int(found[1] or found[2]) if found else 0


def released(folder):
    """The names of the notebooks in the folder of a released assignment."""
    return sorted(path.stem for path in Path(folder).glob("*.ipynb"))


def rename(assignment, notebooks, **_):
    """Give the notebooks of one student their released names; nbgrader calls it before grading.

    Args:
        assignment: its name.
        notebooks: the paths that nbgrader found, a list; changed in place.
    """
    names = released(Path("assignments") / assignment)
    there = {Path(path).stem for path in notebooks}
    for name in names:
        if name in there:
            continue
        folder = Path(notebooks[0]).parent
        strange = [Path(p) for p in notebooks if Path(p).stem not in names]
        fitting = [p for p in strange if which(p.name, names) == name]
        if not fitting and len(strange) == len(names) == 1:
            fitting = strange
        if not fitting:
            continue
        chosen = max(fitting, key=lambda path: (number(path.name), path.stat().st_mtime))
        shutil.copy(chosen, folder / f"{name}.ipynb")
        notebooks.append(str(folder / f"{name}.ipynb"))
        log.warning("%s: %s is graded as %s.ipynb", folder.parent.name, chosen.name, name)
    notebooks[:] = sorted(path for path in notebooks if Path(path).stem in names) or notebooks


class Collector(FileNameCollectorPlugin):
    """Finds student and notebook in any file name; of several copies it takes the latest."""

    named_regexp = Unicode("dipcourse")  # unused
    patterns = List(list(PATTERNS), help="Regular expressions with student_id and file_id").tag(
        config=True
    )
    extracted = Unicode("extracted", help="The folder of extracted files").tag(config=True)

    def collect(self, submitted_file):
        """Return {"student_id": …, "file_id": …}, or None to leave a file out."""
        file = Path(submitted_file)
        if file.suffix != ".ipynb" or ".ipynb_checkpoints" in file.parts:
            return None
        root = next((p for p in file.parents if p.name == self.extracted), file.parent)
        names = released(Path(self.parent.coursedir.root) / "assignments" / root.parent.name)
        mine = self.parse(file, root, names)
        if mine is None:
            self.log.warning("%s: which student, which notebook? Not collected.", file.name)
            return None
        best = max(self.rivals(mine, root, names), key=lambda p: (number(p.name), str(p)))
        if best != file:
            self.log.warning("%s: %s is left out for %s", mine["student_id"], file.name, best.name)
            return None
        if plain(file.stem) != plain(mine["file_id"]):
            self.log.warning("%s: %s is %s", mine["student_id"], file.name, mine["file_id"])
        return mine

    def parse(self, file, root, names):
        """Student and notebook of one file, or None."""
        place = file.relative_to(root).as_posix()
        for pattern in self.patterns:
            if found := re.match(pattern, place):
                name = which(found["file_id"], names) or (names[0] if len(names) == 1 else None)
                student = re.sub(r"[^\w.@-]+", "-", found["student_id"]).strip("-")
                return {"student_id": student, "file_id": name} if name and student else None
        return None

    def rivals(self, mine, root, names):
        """All files that this student handed in as this notebook."""
        return [p for p in sorted(root.rglob("*.ipynb")) if self.parse(p, root, names) == mine]


class Grades(ExportPlugin):
    """One line for each student and assignment, which says when a score is not the last word."""

    def export(self, gradebook):
        """Write the table to ``--to``, by default grades.csv."""
        rows = [
            self.row(gradebook, assignment, student)
            for assignment in gradebook.assignments
            if not self.assignment or assignment.name in map(str, self.assignment)
            for student in gradebook.students
            if not self.student or student.id in map(str, self.student)
        ]
        path = Path(self.to or "grades.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["student", "assignment", "score", "of", "state"])
            writer.writeheader()
            writer.writerows(rows)
        self.log.info("%s: %d lines", path, len(rows))

    def row(self, gradebook, assignment, student):
        """The line of one student; without a score where nothing was graded."""
        row = {"student": student.id, "assignment": assignment.name, "of": assignment.max_score}
        handed_in = [s for s in assignment.submissions if s.student.id == student.id]
        if not handed_in:
            return row | {"score": "", "state": "nothing handed in"}
        counts = defaultdict(int)
        for notebook in handed_in[0].notebooks:
            for grade in notebook.grades:
                counts["ungraded"] += grade.auto_score is None and grade.cell.cell_type == "code"
                counts["by hand"] += bool(grade.needs_manual_grade)
        if counts["ungraded"]:
            return row | {"score": "", "state": "COULD NOT BE GRADED: see the log of autograde"}
        state = f"{counts['by hand']} to mark by hand" if counts["by hand"] else "graded"
        return row | {"score": handed_in[0].score, "state": state}
