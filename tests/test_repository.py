"""The files around the course: documents, pictures, commands."""

import itertools
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from dipcourse import images
from tools import claims, credits, notebooks

ROOT = notebooks.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "images/CREDITS.md"]
PICTURES = [p for p in sorted((ROOT / "images").iterdir()) if p.suffix not in (".md", "")]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_readme_is_short():
    assert len(text("README.md").splitlines()) <= 120


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name):
    for target in re.findall(r"\]\(((?!https?:|#|mailto:)[^)#\s]+)", text(name)):
        assert ((ROOT / name).parent / target).exists(), target


def test_readme_quotes_its_claims():
    assert claims.wrong_quotes(text("README.md"), claims.stored()) == []


def test_readme_lists_every_lesson():
    for path in notebooks.lessons():
        assert f"(lessons/{path.name})" in text("README.md"), path.name


def test_every_photo_is_credited_with_its_alt_text():
    for name, shown in images.PHOTOS.items():
        assert re.search(
            rf"^\| `{name}(\.png)?` .*\| {shown} \|$", text("images/CREDITS.md"), re.M
        ), name


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_pictures_are_small_and_credited(path):
    assert path.stat().st_size <= 150_000
    assert f"`{path.name}`" in text("images/CREDITS.md")


def test_credits_of_the_figures_are_up_to_date():
    """`make badges` writes them."""
    assert credits.credited(text("images/CREDITS.md")) == text("images/CREDITS.md")


def test_one_version():
    version = PROJECT["project"]["version"]
    assert PROJECT["tool"]["dipcourse"]["tag"] == f"v{version}"
    assert f"version: {version}\n" in text("CITATION.cff")
    assert f"## {version}" in text("CHANGELOG.md")


def test_constraints_pin_every_requirement():
    pins = {line.split("==")[0].lower() for line in text("constraints.txt").splitlines()}
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    named = [*project["dependencies"], *itertools.chain(*extras)]
    assert {re.match(r"[\w-]+", name)[0].lower() for name in named} <= pins
    assert "+" not in "".join(line for line in text("constraints.txt").splitlines() if "==" in line)


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_make_lists_its_commands():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True).stdout
    targets = re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE)
    assert {"setup", "lab", "test", "book", "claims", "badges", "lint", "strip"} <= set(targets)
    for target in targets:
        assert f"make {target}" in listed


def test_nothing_of_a_course_under_way_is_kept():
    ignored = text(".gitignore").splitlines()
    needed = {"gradebook.db*", "submitted/", "autograded/", "feedback/", "downloaded/", "book/"}
    assert needed | {".venv/", ".venv-colab/"} <= set(ignored)


def test_ci_calls_the_readmes_command():
    assert text(".ci/run").rstrip().endswith("make test")
    assert Path(ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_every_experiment_of_the_sources_is_where_the_table_says():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = re.findall(r"\b(0[0-9]): ((?:`[a-z0-9-]+`(?:, )?)+)", text)
    assert len(places) >= 20
    for lesson, cells in places:
        (path,) = (ROOT / "lessons").glob(f"{lesson}_*.ipynb")
        ids = {cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
        assert set(re.findall(r"`([a-z0-9-]+)`", cells)) <= ids, (lesson, cells)
