"""A version is prepared in one step, in a copy of the course."""

import json
import re
import shutil
import subprocess
from datetime import date

import pytest

from tools import assignments, notebooks, release

ROOT = notebooks.ROOT
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "book", "screenshots"
)
NEW, TODAY = "9.8.7", date.today()
ASSIGNMENT = "a2_random_unet"

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="no git here")


def git(folder, *words):
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", *who, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def run(start, folder, *words):
    command = [*start.command, "-m", "tools.release", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The course as it stands here, but for most assignments, in a repository of its own."""
    folder = tmp_path_factory.mktemp("release") / "original"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    keep_one_assignment(folder)
    change(folder / "CHANGELOG.md", r"^## Unreleased\n", "## Unreleased\n\nSomething new.\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.org")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The course")
    return folder


def keep_one_assignment(folder):
    """The others would be made in the same way, and nbgrader takes its time for each."""
    for place in (assignments.SOURCE, assignments.RELEASE):
        for path in (folder / place).iterdir():
            if path.is_dir() and path.name != ASSIGNMENT:
                shutil.rmtree(path)
    manifest = folder / assignments.MANIFEST
    known = json.loads(manifest.read_text(encoding="utf-8"))
    text = json.dumps({ASSIGNMENT: known[ASSIGNMENT]}, indent=1, ensure_ascii=False)
    manifest.write_text(f"{text}\n", encoding="utf-8")


@pytest.fixture
def course(original, monkeypatch):
    """The same, and what is refused there leaves it as it was."""
    monkeypatch.setattr(release, "ROOT", original)
    yield original
    git(original, "clean", "--quiet", "--force")
    assert git(original, "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def released(original, tmp_path_factory, start):
    """The course after a release, and what the command said."""
    folder = shutil.copytree(original, tmp_path_factory.mktemp("released") / "course")
    process = run(start, folder, NEW)
    assert process.returncode == 0, process.stderr
    return folder, process.stdout


def change(path, pattern, new):
    text = path.read_text(encoding="utf-8")
    changed = re.sub(pattern, new, text, count=1, flags=re.MULTILINE)
    assert changed != text
    path.write_text(changed, encoding="utf-8")


def test_every_file_names_the_new_version(released):
    folder, _ = released
    today = TODAY.isoformat()
    texts = {
        "pyproject.toml": f'version = "{NEW}"',
        "CHANGELOG.md": f"## Unreleased\n\n## {NEW} – {today}\n\nSomething new.",
        "CITATION.cff": f"version: {NEW}\ndate-released: {today}\n",
        "README.md": f"/blob/v{NEW}/lessons/00_start_here.ipynb",
        "lessons/01_total_variation.ipynb": f"dipcourse@v{NEW}",
        f"assignments/{ASSIGNMENT}/{ASSIGNMENT}.ipynb": f"/blob/v{NEW}/assignments/",
    }
    for name, text in texts.items():
        assert text in (folder / name).read_text(encoding="utf-8"), name


def test_commit_and_tag_are_there_and_nothing_is_left_over(released):
    folder, said = released
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "log", "-1", "--format=%s").strip() == f"Release {NEW}"
    assert git(folder, "cat-file", "-t", f"v{NEW}").strip() == "tag"
    assert git(folder, "rev-parse", f"v{NEW}^{{commit}}") == git(folder, "rev-parse", "HEAD")
    assert f"git push --atomic origin HEAD v{NEW}" in said


@pytest.mark.parametrize(
    ("version", "words"),
    [("0.0.9", "is not newer than"), ("1.0", "is no version"), ("v1.0.0", "is no version")],
)
def test_what_is_old_or_no_version_is_refused(course, version, words):
    with pytest.raises(SystemExit, match=words):
        release.prepare(version, TODAY)


def test_a_tree_with_changes_is_refused(course):
    (course / "new.txt").write_text("not committed\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="not committed: commit them first"):
        release.prepare(NEW, TODAY)


def test_a_tag_is_not_made_twice(course):
    git(course, "tag", "v9.9.9")
    with pytest.raises(SystemExit, match=r"the tag v9\.9\.9 exists already"):
        release.prepare("9.9.9", TODAY)


def test_a_version_brings_something():
    with pytest.raises(SystemExit, match="nothing under"):
        release.with_entry("# Changelog\n\n## Unreleased\n\n## 0.1.0\n\nAll.\n", NEW, TODAY)


def test_either_a_version_or_a_check(capsys):
    for words in [[], [NEW, "--check"]]:
        with pytest.raises(SystemExit):
            release.main(words)
        assert "name a version: make release VERSION=0.2.0" in capsys.readouterr().err


#: file → what is changed there, into what, and what the check says then
BROKEN = {
    "pyproject.toml": (r'^tag = ".*"', 'tag = "v0.0.1"', "the tag is not v"),
    "CHANGELOG.md": (r"^## [\d.]+", "## 0.0.1", "CHANGELOG.md: the newest version is not"),
    "CITATION.cff": (
        r"^version: .*\n(date.*\n)?",
        "version: 0.0.1\ndate-released: 2001-02-03\n",
        "CITATION.cff: the version is not",
    ),
    "README.md": (r"/blob/v[\d.]+/", "/x/", "README.md: the badge is out of date"),
    "lessons/00_start_here.ipynb": (r"blob/v[\d.]+/", "x/", "00_start_here.ipynb: badge, set-up"),
    f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.ipynb": (
        r"^  +\"# ",
        r"\g<0>New: ",
        "assignments/ is out of date",
    ),
}


def test_each_file_that_disagrees_is_named(original, tmp_path, start):
    folder = shutil.copytree(original, tmp_path / "course")
    for name, (pattern, new, _) in BROKEN.items():
        change(folder / name, pattern, new)
    process = run(start, folder, "--check")
    assert process.returncode == 1
    for *_, words in BROKEN.values():
        assert words in process.stdout
    assert "the dates differ" in process.stdout


def test_the_files_agree(monkeypatch):
    """Of assignments/ a test of tests/test_assignments.py says so."""
    monkeypatch.setattr(assignments, "main", lambda words: 0)
    assert release.disagreements() == []
