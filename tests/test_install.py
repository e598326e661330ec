"""The package as others get it: the wheel, in a clean place and among the versions of Colab."""

import json
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import output

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
pytestmark = pytest.mark.environment


def recordings(folder):
    """The names of the recorded fits and tables, in a folder of an archive."""
    return {folder + p.name for p in (ROOT / "dipcourse" / "_recordings").iterdir() if p.is_file()}


def test_wheel_holds_the_package_the_images_and_the_licences(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    pictures = {f"dipcourse/_images/{p.name}" for p in (ROOT / "images").iterdir() if p.is_file()}
    assert "dipcourse/_images/CREDITS.md" in pictures
    code = {f"dipcourse/{p.name}" for p in (ROOT / "dipcourse").iterdir() if p.is_file()}
    assert pictures | code | recordings("dipcourse/_recordings/") <= names
    assert {Path(name).name for name in names} >= {"LICENSE", "LICENSE-TEXT"}
    assert {name.split("/")[0] for name in names} == {
        "dipcourse",
        f"dipcourse-{PROJECT['version']}.dist-info",
    }


def test_source_archive_holds_the_recordings(archives):
    (path,) = archives.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = set(archive.getnames())
    assert recordings(f"{path.name.removesuffix('.tar.gz')}/dipcourse/_recordings/") <= names


def test_base_dependencies_are_lower_bounds():
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[a-z-]+>=[\d.]+", requirement), requirement


VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({d.metadata["Name"].lower(): d.version for d in distributions()}))
"""


def test_colab_environment_has_the_versions_of_its_file(colab, tmp_path):
    versions = json.loads(output(colab, "-c", VERSIONS, folder=tmp_path))
    text = (ROOT / "tests" / "colab-requirements.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z-]+)==([\d.]+)$", text, re.MULTILINE))
    assert {"torch", "ipywidgets", "ipython", "scikit-image"} <= pins.keys()
    assert {name: versions[name].split("+")[0] for name in pins} == pins
    assert "dipcourse" not in versions


def test_installing_in_colab_changes_nothing_else(colab, wheel, tmp_path):
    pip = (colab, "-m", "pip", "install", "--dry-run", "--no-index")
    text = output(*pip, wheel, folder=tmp_path)
    (line,) = [line for line in text.splitlines() if line.startswith("Would install")]
    assert line == f"Would install dipcourse-{PROJECT['version']}"


LOAD_ALL = """
import importlib, json, pkgutil, sys, dipcourse
modules = [module.name for module in pkgutil.iter_modules(dipcourse.__path__)]
for name in modules:
    importlib.import_module(f"dipcourse.{name}")
from dipcourse import images
print(json.dumps({
    "modules": modules,
    "pyplot": "matplotlib.pyplot" in sys.modules,
    "places": [dipcourse.__file__, str(images.folder())],
    "sizes": [tuple(images.load(name, size=32).shape[2:]) for name in images.PHOTOS],
}))
"""


@pytest.fixture(scope="module")
def loaded(colab, installed, tmp_path_factory):
    """What a process says that has imported all and loaded all images, without a checkout."""
    folder = tmp_path_factory.mktemp("elsewhere")
    return json.loads(output(colab, "-c", LOAD_ALL, folder=folder, path=[installed]))


def test_every_module_imports_in_colab(loaded):
    assert {"fit", "player", "live", "show"} <= set(loaded["modules"])
    assert not loaded["pyplot"]  # whose figures a notebook would show a second time


def test_images_load_without_a_checkout(loaded, installed):
    package, folder = map(Path, loaded["places"])
    assert package.is_relative_to(installed)
    assert folder == installed / "dipcourse" / "_images"
    assert loaded["sizes"]
    assert {tuple(size) for size in loaded["sizes"]} == {(32, 32)}


RUN_LESSON = """
import sys
from pathlib import Path
from tools import execute, notebooks
notebook = notebooks.read(Path(sys.argv[1]))
run = execute.execute(notebook, Path.cwd(), "smoke", timeout=120)
print(run.cell, run.error)
print([o for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"])
"""


@pytest.mark.lesson
def test_first_lesson_runs_in_colab(colab, installed, tmp_path):
    lesson = ROOT / "lessons" / "00_start_here.ipynb"
    path = [installed, ROOT]
    failure, noise = output(
        colab, "-c", RUN_LESSON, lesson, folder=tmp_path, path=path
    ).splitlines()[-2:]
    assert failure.strip() == ""
    assert noise == "[]"
