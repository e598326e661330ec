"""Whatever a learning platform, a browser or a Mac makes of files: nobody is lost."""

import io
import json
import os
import tarfile
import zipfile

import pytest
from course import Course
from nbformat.v4 import new_code_cell, new_notebook

from dipcourse.grading import collect, table
from dipcourse.grading.notes import Notes

NAME = "a1_total_variation"
NAMES = [NAME]
STUB = "def psnr(a, b):\n    raise NotImplementedError"


def notebook(answer="return 1", extra=()):
    """A small notebook; with answer None the released one."""
    source = STUB if answer is None else f"def psnr(a, b):\n    {answer}"
    mark = {"nbgrader": {"grade_id": "task-psnr", "solution": True}}
    cells = [new_code_cell(source, id="task-psnr", metadata=mark), *map(new_code_cell, extra)]
    return json.dumps(new_notebook(cells=cells))


#: {platform: {path below the download: the student's folder, or None for nobody's}}
PLATFORMS = {
    "Moodle": {
        f"Ada Lovelace_101_assignsubmission_file_/{NAME}.ipynb": "Ada-Lovelace_101",
        "Bob_102_assignsubmission_file_/Homework/Copy of it.ipynb": "Bob_102",
        "Cy_103_assignsubmission_file_a1.ipynb": "Cy_103",
        f"Dee_104_assignsubmission_file_/{NAME}.ipynb.txt": "Dee_104",
    },
    "Canvas": {
        "lovelaceada_12_34_a1-2.ipynb": "lovelaceada",
        f"o'haraj_LATE_13_35_Copia di {NAME}.ipynb": "o-haraj",
        f"müllerzoë_14_36_{NAME}.ipynb": "müllerzoë",
        f"anon_xY3kP_37_{NAME}.ipynb": "anon_xY3kP",
    },
    "Blackboard": {
        f"Sheet_1_al47_attempt_2026-01-31-12-00-00_{NAME}.ipynb": "al47",
        "Sheet_1_al47_attempt_2026-01-31-12-00-00.txt": "al47",
        f"Sheet_1_bo11_attempt_2026-02-01-08-30-00_{NAME}.ipynb": "bo11",
    },
    "Brightspace": {
        "index.html": None,
        f"101-9 - Ada Lovelace - Jan 31, 2026 1200 PM/{NAME}.ipynb": "Ada-Lovelace",
        f"102-9 - Jean-Luc Picard - Feb 1, 2026 830 AM - {NAME}.ipynb": "Jean-Luc-Picard",
    },
    "Google Classroom": {
        f"Ada Lovelace - {NAME}.ipynb": "Ada-Lovelace",
        f"Bob Ross - {NAME} (1).ipynb": "Bob-Ross",
    },
    "a folder each": {
        f"ada/{NAME}.ipynb": "ada",
        "bob/Homework/a1.ipynb": "bob",
        "cy/notes.txt": "cy",
        "cy/work.IPYNB": "cy",
    },
    "a file each": {
        f"van_dyke_{NAME}.ipynb": "van_dyke",
        f"van_gogh_{NAME}.ipynb": "van_gogh",
        "van_eyck_a1.ipynb": "van_eyck",
        "李明_a1.ipynb": "李明",
    },
    "a Mac's": {
        f"ada/Homework/{NAME}.ipynb": "ada",
        f"__MACOSX/ada/Homework/._{NAME}.ipynb": None,
        "ada/.DS_Store": None,
        f"bob/{NAME}.ipynb": "bob",
        f"bob/.ipynb_checkpoints/{NAME}-checkpoint.ipynb": None,
    },
}


def loose(files, archive):
    for place, text in files.items():
        (archive / place).parent.mkdir(parents=True, exist_ok=True)
        (archive / place).write_text(text, encoding="utf-8")


def zipped(files, archive):
    with zipfile.ZipFile(archive / "CS101.zip", "w") as file:
        for place, text in files.items():
            file.writestr(place, text)


def zipped_twice(files, archive):
    """Each student packed their file, and the platform packed all."""
    inner = {}
    for place, text in files.items():
        room = io.BytesIO()
        folder, _, name = place.rpartition("/")
        with zipfile.ZipFile(room, "w") as file:
            file.writestr(name.split("_file_")[-1], text)
        inner[f"{folder}/{name}.zip" if folder else f"{name}.zip"] = room.getvalue()
    with zipfile.ZipFile(archive / "CS101.zip", "w") as file:
        for place, data in inner.items():
            file.writestr(place, data)


def tarred(files, archive):
    with tarfile.open(archive / "CS101.tar.gz", "w:gz") as file:
        for place, text in files.items():
            info = tarfile.TarInfo(place)
            info.size = len(text.encode())
            file.addfile(info, io.BytesIO(text.encode()))


class Download:
    """What was downloaded, in a temporary course folder."""

    def __init__(self, folder):
        self.archive, self.extracted = folder / "archive", folder / "extracted"
        self.release = folder / "assignments" / NAME
        self.archive.mkdir()
        self.release.mkdir(parents=True)
        (self.release / f"{NAME}.ipynb").write_text(notebook(None), encoding="utf-8")

    def collected(self, files=None, pack=loose):
        """Unpack and decide; the collector, and {student: name of the file that counts}."""
        pack(files or {}, self.archive)
        collect.Extractor(parent=None).extract(str(self.archive), str(self.extracted))
        collector = collect.Collector(parent=None)
        collector.plan(self.extracted, self.release)
        students = {one["student_id"]: path for path, one in collector.taken.items()}
        assert len(students) == len(collector.taken), "one file a student"
        return collector, {student: path.name for student, path in students.items()}


@pytest.fixture
def download(tmp_path):
    return Download(tmp_path)


@pytest.mark.parametrize("pack", [loose, zipped, tarred], ids=lambda pack: pack.__name__)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_student_gets_a_folder(download, platform, pack):
    places = PLATFORMS[platform]
    files = {p: notebook() if "ipynb" in p.lower() else "…" for p in places}
    collector, students = download.collected(files, pack)
    assert set(students) == {student for student in places.values() if student}
    assert collector.problems == []
    assert all(name.endswith(".ipynb") for name in students.values())


@pytest.mark.parametrize("platform", ["Moodle", "Canvas", "a folder each", "a file each"])
def test_zipped_twice(download, platform):
    places = {p: student for p, student in PLATFORMS[platform].items() if "ipynb" in p.lower()}
    collector, students = download.collected(dict.fromkeys(places, notebook()), zipped_twice)
    assert set(students) == set(places.values())
    assert collector.problems == []


def test_a_class_beside_a_straggler(download):
    """Folders of a class in one archive, and one more student's archive."""
    zipped({f"ada/{NAME}.ipynb": notebook(), f"bob/{NAME}.ipynb": notebook()}, download.archive)
    with zipfile.ZipFile(download.archive / "zoe.zip", "w") as file:
        file.writestr(f"{NAME}.ipynb", notebook())
    collector, students = download.collected()
    assert set(students) == {"CS101-ada", "CS101-bob", "zoe"}
    lines = [line for _, line in collector.problems]
    assert lines == ["CS101 holds several: students of a class, or copies of one?"] * 2


def test_students_of_one_name_are_kept_apart_and_named(download):
    """By the platform's number, or because a folder cannot hold what parts their names."""
    files = {
        "lovelaceada_12_34_a1.ipynb": notebook("return 2"),
        "lovelaceada_99_35_a1.ipynb": notebook("return 3"),
        f"Bob Ross/{NAME}.ipynb": notebook("return 4"),
        f"bob-ross/{NAME}.ipynb": notebook("return 5"),
        f"cy/{NAME}.ipynb": notebook(),
    }
    collector, students = download.collected(files)
    assert set(students) == {"lovelaceada_12", "lovelaceada_99", "Bob-Ross_1", "bob-ross_2", "cy"}
    assert sum("kept apart" in line for _, line in collector.problems) == 4


def test_what_is_not_understood_is_named(download):
    files = {
        f"{NAME}.ipynb": notebook(),
        "list of students.xlsx": "…",
        "Ada_101_assignsubmission_file_/report.pdf": "…",
        "Ada_101_assignsubmission_file_/photo.jpg": "…",
        f"Bob_102_assignsubmission_file_/{NAME}.ipynb": notebook(),
        "Cy_103_assignsubmission_file_/broken.zip": "PK but no archive",
    }
    collector, students = download.collected(files)
    assert students["Bob_102"] == f"{NAME}.ipynb"
    assert students["Ada_101"] in ("report.pdf", "photo.jpg")
    assert students["Cy_103"] == "broken.zip"
    said = dict(collector.problems)
    folder = "Ada_101_assignsubmission_file_"
    words = "not understood: no notebook among"
    assert said["Ada_101"] == f"{words} {folder}/photo.jpg, {folder}/report.pdf"
    assert said["Cy_103"] == f"{words} Cy_103_assignsubmission_file_/broken.zip"
    places = [line for student, line in collector.problems if not student]
    assert places == [f"not understood: {NAME}.ipynb: whose is it?"]
    assert students["list-of-students.xlsx"] == "list of students.xlsx", "it may be somebody's"


def test_an_archive_that_grows_too_large_is_not_unpacked(download, monkeypatch):
    monkeypatch.setattr(collect, "LARGEST", 100)
    zipped({f"Ada_101_assignsubmission_file_/{NAME}.ipynb": notebook()}, download.archive)
    os.rename(
        download.archive / "CS101.zip", download.archive / "Ada_1_assignsubmission_file_b.zip"
    )
    collector, students = download.collected()
    assert students == {"Ada_1": "Ada_1_assignsubmission_file_b.zip"}
    assert collector.problems


def test_names_inside_a_macs_archive(download):
    """UTF-8 that is not marked as such, and letters in two parts."""
    with zipfile.ZipFile(download.archive / "all.zip", "w") as file:
        file.writestr("Zoe\u0308_1_assignsubmission_file_/a1.ipynb", notebook())
    data = (download.archive / "all.zip").read_bytes()
    marked = data.count(b"\x00\x08")
    unmarked = data.replace(b"\x14\x00\x00\x08", b"\x14\x00\x00\x00")
    assert marked, "the flag is there to be taken away"
    (download.archive / "all.zip").write_bytes(unmarked)
    assert set(download.collected()[1]) == {"Zo\u00eb_1"}


COPIES = {
    "an answered copy before an empty one": (
        {f"ada/{NAME}_final.ipynb": None, f"ada/{NAME}.ipynb": "return 1"},
        f"{NAME}.ipynb",
    ),
    "also if the empty one has the higher number": (
        {f"ada/{NAME} (1).ipynb": "return 1", f"ada/{NAME} (2).ipynb": None},
        f"{NAME} (1).ipynb",
    ),
    "the higher number": (
        {f"ada/{NAME} (2).ipynb": "return 1", f"ada/{NAME} (10).ipynb": "return 2"},
        f"{NAME} (10).ipynb",
    ),
    "a readable one": (
        {f"ada/{NAME}.ipynb": "return 1", f"ada/{NAME} (3).ipynb": "broken"},
        f"{NAME}.ipynb",
    ),
    "the later attempt": (
        {
            f"1-9 - Ada - Feb 1, 2026 130 PM/{NAME}.ipynb": "return 2",
            f"1-9 - Ada - Jan 31, 2026 900 PM/{NAME} (3).ipynb": "return 1",
        },
        f"{NAME}.ipynb",
    ),
    "the assignment before something else": (
        {f"ada/{NAME}.ipynb": None, "ada/zebra.ipynb": "other"},
        f"{NAME}.ipynb",
    ),
}


@pytest.mark.parametrize("what", COPIES)
def test_of_several_copies_the_right_one_counts(download, what):
    copies, expected = COPIES[what]
    other = json.dumps(new_notebook(cells=[new_code_cell("1 + 1")]))
    special = {"broken": '{"cells": [', "other": other}
    files = {place: special.get(a, notebook(a)) for place, a in copies.items()}
    collector, students = download.collected(files)
    assert list(students.values()) == [expected]
    (remark,) = collector.remarks
    assert "is left out for " in remark[1]
    assert remark[1].endswith(expected)


def test_what_comes_beside_a_notebook_is_named(download):
    folder = "al_1_assignsubmission_file_"
    files = {f"{folder}/{NAME}.ipynb": notebook(), f"{folder}/my photo.jpg": "…"}
    files["al_1_assignsubmission_onlinetext_/onlinetext.html"] = "…"
    files[f"{folder}/index.html"] = "the page that I saved"
    collector, students = download.collected(files)
    assert students == {"al_1": f"{NAME}.ipynb"}
    named = f"{folder}/index.html, {folder}/my photo.jpg"
    assert collector.remarks == [("al_1", f"also handed in, not graded: {named}")]


def test_who_only_has_a_slip_has_a_folder(download):
    files = {"Sheet_1_al47_attempt_2026-01-31-12-00-00.txt": "Current grade: needs grading"}
    collector, students = download.collected(files)
    assert set(students) == {"al47"}
    assert collector.problems


def test_a_number_that_is_taken_already(download):
    """Bob-Ross_2 is somebody's own name."""
    names = ["Bob Ross", "bob-ross", "Bob-Ross_2", "cy"]
    students = download.collected({f"{n}/{NAME}.ipynb": notebook() for n in names})[1]
    assert len(students) == 4
    assert students.keys() >= {"Bob-Ross_2", "cy", "Bob-Ross_1"}


def test_own_patterns_come_first(download):
    files = {"team7-ada-a1.ipynb": notebook()}
    loose(files, download.archive)
    collector = collect.Collector(parent=None)
    collector.patterns = [r"team\d-(?P<student_id>\w+)-(?P<file_id>.+)"]
    collector.plan(download.archive, download.release)
    assert [one["student_id"] for one in collector.taken.values()] == ["ada"]


# ---- through nbgrader's own command


@pytest.fixture
def course(tmp_path, start):
    course = Course(tmp_path, {}, start)
    course.write(f"assignments/{NAME}/{NAME}.ipynb", notebook(None))
    (tmp_path / "downloaded" / NAME / "archive").mkdir(parents=True)
    return course


def submitted(course):
    return sorted(path.parts[-3] for path in course.folder.glob(f"submitted/*/{NAME}/{NAME}.ipynb"))


def test_a_class_in_one_zip_and_what_needs_a_person(course):
    """It makes an error after all is collected; the name of who handed in a PDF is known, too."""
    archive = course.folder / "downloaded" / NAME / "archive"
    zipped(dict.fromkeys(PLATFORMS["Moodle"], notebook()), archive)
    loose({"Bo_2_assignsubmission_file_/report.pdf": "…"}, archive)
    said = course.run("zip_collect", NAME, "--force", fails=True)
    assert submitted(course) == ["Ada-Lovelace_101", "Bob_102", "Cy_103", "Dee_104"]
    line = "not understood: no notebook among Bo_2_assignsubmission_file_/report.pdf"
    assert f"Bo_2: {line}" in said
    assert "1 things to look at" in said.splitlines()[-1]
    assert Notes("Bo_2", NAME, course.folder).lines() == [line]


def test_an_empty_folder_is_an_error(course):
    said = course.run("zip_collect", NAME, "--force", fails=True)
    assert "Nothing to collect: put what you downloaded into" in said


# ---- the table


def student(name, **columns):
    return dict.fromkeys(table.COLUMNS, "") | {"student": name, "state": "graded"} | columns


ROSTER = """\
﻿Surname;First name;ID number;Email address
Lovelace;Ada;4711;ada@uni.example
Ross;Bob;4712;bob@uni.example
Müller;Zoë;4713;zm@uni.example
van Dyke;Anna;4714;avd@uni.example
Missing;Mo;4715;mo@uni.example
"""


def test_a_roster_names_everybody(tmp_path):
    (tmp_path / "names.csv").write_text(ROSTER, encoding="utf-8")
    roster = table.read_roster(tmp_path / "names.csv")
    assert len(roster) == 5
    rows = [
        student(name) for name in ("lovelaceada", "Bob-Ross_102", "zoe-muller", "avd", "stranger")
    ]
    rows.append(student("other-class", state=table.NOTHING))
    blank = student("", state=table.NOTHING)
    complete = {row["student"]: row for row in table.called(rows, roster, blank)}
    assert [name for name, row in complete.items() if row["state"] == table.NOTHING] == [
        "Missing Mo 4715 mo@uni.example"
    ]
    assert [name for name, row in complete.items() if row["notes"]] == ["stranger"]
    assert complete["stranger"]["notes"] == "not on the roster"
    assert len(complete) == 6


def test_a_roster_that_does_not_tell_says_so():
    rows = [student("lovelaceada_12"), student("lovelaceada_99")]
    roster = [["Lovelace, Ada", "4711"], ["Lovelace, Ada", "4712"]]
    complete = table.called(rows, roster, student(""))
    assert [row["notes"] for row in complete] == [
        "the roster does not tell which student this is"
    ] * 2


@pytest.mark.parametrize("text", ["", "\n\n", "name,email\n"])
def test_an_empty_roster_is_an_error(tmp_path, text):
    (tmp_path / "names.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="nobody is on this roster"):
        table.read_roster(tmp_path / "names.csv")


def test_a_list_without_titles(tmp_path):
    (tmp_path / "names.csv").write_text("ada\nbob\n", encoding="utf-8")
    assert table.read_roster(tmp_path / "names.csv") == [["ada"], ["bob"]]
