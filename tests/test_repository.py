"""The files around the course: documents, pictures, commands."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from PIL import Image

from dipcourse import images
from tools import credits, notebooks, readme
from tools.measured import quoting

ROOT = notebooks.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = ["README.md", "SPEED.md", "CONTRIBUTING.md", "CHANGELOG.md", "images/CREDITS.md"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PICTURES = [p for p in sorted((ROOT / "images").iterdir()) if p.suffix not in (".md", "")]

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="no make here")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_readme_is_short():
    assert len(text("README.md").splitlines()) <= 120


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name):
    for target in re.findall(r"\]\(((?!https?:|#|mailto:)[^)#\s]+)", text(name)):
        assert ((ROOT / name).parent / target).exists(), target


@pytest.mark.parametrize("name", ["README.md", "SPEED.md"])
def test_numbers_are_those_of_their_claims(name):
    assert quoting.wrong_quotes(text(name), quoting.stored()) == []
    prose = re.sub(r"!\[[^]]+\]", "", text(name))  # the alt text comes from the recording itself
    assert notebooks.unsourced(prose) == []


def test_readme_says_where_the_course_is():
    """`make badges` writes it."""
    assert text("README.md").count(notebooks.badge(readme.FIRST_LESSON)) == 1
    assert len(readme.CLONE.findall(text("README.md"))) == 1
    assert readme.written(text("README.md")) == text("README.md")


def test_addresses_are_written_for_a_copy_of_the_course(monkeypatch):
    monkeypatch.setattr(notebooks, "configured", lambda: {"repository": "me/mine", "tag": "v9"})
    written = readme.written(text("README.md"))
    assert "github/me/mine/blob/v9/lessons/00_start_here.ipynb" in written
    assert "    git clone https://github.com/me/mine\n" in written


def test_readme_shows_the_idea_under_its_title():
    alt = Image.open(readme.IDEA).info["Description"]
    title, picture, promise = text("README.md").split("\n\n")[:3]
    assert title.startswith("# ")
    assert picture == f"![{alt}](images/{readme.IDEA.name})"
    assert promise.startswith("An untrained network")


def test_the_idea_is_drawn_from_the_recorded_fit():
    """`python -m tools.readme idea` draws it again, with the same numbers."""
    assert readme.idea().info["Description"] == Image.open(readme.IDEA).info["Description"]


def test_the_film_is_short_and_rests_at_its_end():
    film = Image.open(readme.FILM)
    times = []
    for frame in range(film.n_frames):
        film.seek(frame)
        film.load()
        times.append(film.info["duration"])
    assert readme.FILM.stat().st_size <= 2_000_000
    assert sum(times) == 20_000
    assert film.info["loop"] == 1
    (tag,) = re.findall(r"<img [^>]*player\.webp[^>]*>", text("README.md"))
    assert re.search(r'alt="[^"]{50,}"', tag)


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


def test_constraints_pin_every_requirement():
    pins = {line.split("==")[0].lower() for line in text("constraints.txt").splitlines()}
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    named = [*project["dependencies"], *itertools.chain(*extras)]
    assert {re.match(r"[\w-]+", name)[0].lower() for name in named} <= pins
    assert "+" not in "".join(line for line in text("constraints.txt").splitlines() if "==" in line)


@needs_make
def test_make_lists_its_commands():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True).stdout
    targets = re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE)
    assert {"setup", "lab", "test", "book", "claims", "badges", "lint", "strip"} <= set(targets)
    for target in targets:
        assert f"make {target}" in listed


@needs_make
@pytest.mark.parametrize(("target", "state"), [("lab", "disabled"), ("teach", "enabled")])
def test_students_see_no_tools_of_teachers(tmp_path, target, state):
    """`make lab` starts a JupyterLab without "Formgrader"; `make teach` starts one with it."""
    stand_in = tmp_path / "python"  # in place of JupyterLab
    stand_in.write_text(f"#!/bin/sh\nexec {sys.executable} -m jupyterlab.labextensions list\n")
    stand_in.chmod(0o755)
    command = ["make", target, f"RUN={stand_in}", f"READY={stand_in}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    (line,) = [line for line in (run.stdout + run.stderr).splitlines() if "nbgrader v" in line]
    assert state in line


def test_nothing_of_a_course_under_way_is_kept():
    ignored = text(".gitignore").splitlines()
    needed = {"gradebook.db*", "submitted/", "autograded/", "feedback/", "downloaded/", "book/"}
    assert needed | {".venv/", ".venv-colab/"} <= set(ignored)


def test_ci_calls_the_readmes_command():
    assert text(".ci/run").rstrip().endswith("make test")
    assert executable(ROOT / ".ci" / "run")


def executable(path):
    return os.name == "nt" or path.stat().st_mode & 0o100


def test_every_experiment_of_the_sources_is_where_the_table_says():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = re.findall(r"\b([01][0-9]): ((?:`[a-z0-9-]+`(?:, )?)+)", text)
    assert len(places) >= 20
    for lesson, cells in places:
        (path,) = (ROOT / "lessons").glob(f"{lesson}_*.ipynb")
        ids = {cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
        assert set(re.findall(r"`([a-z0-9-]+)`", cells)) <= ids, (lesson, cells)


# ---- workflows, templates, hooks

#: schema that check-jsonschema brings → files
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.github-issue-forms": sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]*.yml")),
    "vendor.github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
}


def checked(schema, *paths):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_keep_to_their_schema(schema):
    assert SCHEMAS[schema]
    result = checked(schema, *SCHEMAS[schema])
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_broken_workflow_is_found(tmp_path):
    path = tmp_path / "broken.yml"
    broken = text(".github/workflows/tests.yml").replace("runs-on:", "run-on:")
    path.write_text(broken, encoding="utf-8")
    assert checked("vendor.github-workflows", path).returncode == 1


def claimed(kind):
    """The endings of the classifiers of a kind."""
    named = [c for c in PROJECT["project"]["classifiers"] if c.startswith(f"{kind} :: ")]
    return [c.removeprefix(f"{kind} :: ") for c in named]


def test_workflows_run_on_what_is_claimed():
    pythons = claimed("Programming Language :: Python")
    matrix = workflow("tests")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [pythons[0], pythons[-1]]
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    assert PROJECT["tool"]["mypy"]["python_version"] == pythons[0]
    assert f"With Python {pythons[0]} to {pythons[-1]}" in text("README.md")
    names = {"POSIX :: Linux": "ubuntu", "MacOS": "macos", "Microsoft :: Windows": "windows"}
    systems = {f"{names[system]}-latest" for system in claimed("Operating System")}
    assert set(matrix["os"]) == systems
    used = re.findall(r'python-version: "([\d.]+)"', "".join(map(text, WORKFLOWS)))
    assert set(used) <= set(pythons)


def workflow(name):
    return yaml.safe_load(text(f".github/workflows/{name}.yml"))


def commands(name):
    """The lines that a workflow runs."""
    steps = [step for job in workflow(name)["jobs"].values() for step in job["steps"]]
    return [line.strip() for step in steps for line in step.get("run", "").splitlines()]


def test_workflows_call_commands_that_there_are():
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE)
    for path in WORKFLOWS:
        for target in re.findall(r"\bmake ([a-z-]+)", "\n".join(commands(path.stem))):
            assert target in targets
    assert {"make lint PYTHON=python", "make test"} <= set(commands("tests"))
    assert "make book PYTHON=python" in commands("book")


def test_windows_runs_the_commands_of_the_readme():
    (install,) = re.findall(r"^    (\.venv\\Scripts.* -m pip .*)$", text("README.md"), re.MULTILINE)
    assert install in commands("tests")


@needs_make
def test_the_weekly_run_takes_the_newest_packages():
    assert "schedule" in text(".github/workflows/newest.yml")
    assert "make setup PYTHON=python CONSTRAINTS=" in commands("newest")
    dry = ["make", "--dry-run", "--always-make", "setup", "CONSTRAINTS="]
    said = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True).stdout
    (line,) = [line for line in said.splitlines() if "pip install" in line]
    assert line.rstrip().endswith("-r requirements.txt")


def test_hooks_are_the_parts_of_lint():
    (local,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    parts = re.search(r"^lint: (.*?) ##", text("Makefile"), re.MULTILINE)[1].split()
    assert [hook["id"] for hook in local["hooks"]] == parts
    for hook in local["hooks"]:
        assert (hook["entry"], hook["language"]) == (f"make {hook['id']}", "system")
    command = [sys.executable, "-m", "pre_commit", "validate-config"]
    assert subprocess.run(command, cwd=ROOT).returncode == 0


def test_containers_are_set_up_by_make():
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert container["postCreateCommand"] == "make setup"
    assert text(".binder/postBuild").rstrip().endswith("exec make setup")
    for name in ("postBuild", "start"):
        assert executable(ROOT / ".binder" / name)


def test_issue_links_lead_into_this_repository():
    for link in yaml.safe_load(text(".github/ISSUE_TEMPLATE/config.yml"))["contact_links"]:
        place = f"https://github.com/{notebooks.configured()['repository']}/blob/main/"
        assert link["url"].startswith(place)
        assert (ROOT / link["url"].removeprefix(place)).exists()
