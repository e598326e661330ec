"""Prepare a version: all files that name it, a commit and a tag. Nothing is pushed.

    python -m tools.release 0.2.0      or: make release VERSION=0.2.0
    python -m tools.release --check    do all files name the same version? exit code 1 if not

The version stands in pyproject.toml (version and tag), CHANGELOG.md, CITATION.cff, the README's
badge, and in every notebook, which Colab opens and installs at that tag.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from datetime import date

from tools import assignments, notebooks, readme

ROOT = notebooks.ROOT
VERSION = re.compile(r"\d+\.\d+\.\d+")
UNRELEASED = re.compile(r"^## Unreleased\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
NEWEST = re.compile(r"^## (?!Unreleased)(\S+)(?: – (\S+))?$", re.MULTILINE)
CITED = re.compile(r"^version: (\S+)\n(?:date-released: (\S+)\n)?", re.MULTILINE)


# ---- texts


def with_version(project: str, version: str) -> str:
    """The text of pyproject.toml with a new version and tag.

    >>> print(with_version('version = "0.1.0"\\ntag = "v0.1.0"', "0.2.0"))
    version = "0.2.0"
    tag = "v0.2.0"
    """
    project = re.sub(r'^version = ".*"$', f'version = "{version}"', project, flags=re.MULTILINE)
    return re.sub(r'^tag = ".*"$', f'tag = "v{version}"', project, flags=re.MULTILINE)


def with_entry(changelog: str, version: str, day: date) -> str:
    """The text of CHANGELOG.md, where what is unreleased now belongs to a version.

    Raises:
        SystemExit: nothing is unreleased.
    """
    found = UNRELEASED.search(changelog)
    if not found or not found[1].strip():
        raise SystemExit('CHANGELOG.md says nothing under "## Unreleased"')
    head = f"## Unreleased\n\n## {version} – {day.isoformat()}\n{found[1]}"
    return changelog[: found.start()] + head + changelog[found.end() :]


def with_citation(citation: str, version: str, day: date) -> str:
    """The text of CITATION.cff with a version and its date.

    >>> with_citation("version: 0.1.0\\n", "0.2.0", date(2027, 1, 31))
    'version: 0.2.0\\ndate-released: 2027-01-31\\n'
    """
    return CITED.sub(f"version: {version}\ndate-released: {day.isoformat()}\n", citation)


# ---- checks


def disagreements() -> list[str]:
    """What does not name the version of pyproject.toml, a sentence each."""
    project = tomllib.loads(read("pyproject.toml"))
    version = project["project"]["version"]
    found = []
    if project["tool"]["dipcourse"]["tag"] != f"v{version}":
        found.append(f"pyproject.toml: the tag is not v{version}")
    newest, cited = NEWEST.search(read("CHANGELOG.md")), CITED.search(read("CITATION.cff"))
    if not newest or newest[1] != version:
        found.append(f"CHANGELOG.md: the newest version is not {version}")
    if not cited or cited[1] != version:
        found.append(f"CITATION.cff: the version is not {version}")
    if newest and cited and newest[2] != cited[2]:
        found.append("CHANGELOG.md and CITATION.cff: the dates differ")
    if readme.written(read("README.md")) != read("README.md"):
        found.append("README.md: the badge is out of date: make badges")
    for path in notebooks.lessons():
        if list(notebooks.check_generated(notebooks.read(path), path)):
            found.append(f"{path.name}: badge, set-up or links are out of date: make badges")
    if assignments.main(["--check"]):
        found.append("assignments/ is out of date: make assignments")
    return found


def require_newer(version: str, old: str) -> None:
    """
    >>> require_newer("0.10.0", "0.9.1")
    """
    if not VERSION.fullmatch(version):
        raise SystemExit(f"{version!r} is no version: name one such as 0.2.0")
    if numbers(version) <= numbers(old):
        raise SystemExit(f"{version} is not newer than {old}")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


# ---- files and git


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def git(*words: str) -> str:
    process = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if process.returncode:
        raise SystemExit(f"git {words[0]} failed: {process.stderr.strip()}")
    return process.stdout.strip()


def prepare(version: str, day: date) -> None:
    """Write the version everywhere, commit it and tag the commit.

    Raises:
        SystemExit: the version is not newer, something is not committed yet, the tag exists,
            nothing is unreleased, or the files do not agree in the end.
    """
    require_newer(version, tomllib.loads(read("pyproject.toml"))["project"]["version"])
    if git("status", "--porcelain"):
        raise SystemExit("there are changes that are not committed: commit them first")
    if git("tag", "--list", f"v{version}"):
        raise SystemExit(f"the tag v{version} exists already")
    texts = {
        "pyproject.toml": with_version(read("pyproject.toml"), version),
        "CHANGELOG.md": with_entry(read("CHANGELOG.md"), version, day),
        "CITATION.cff": with_citation(read("CITATION.cff"), version, day),
    }
    for name, text in texts.items():
        (ROOT / name).write_text(text, encoding="utf-8")
    notebooks.main(["badges"])
    notebooks.main(["nav"])
    readme.main([])
    assignments.main([])
    if found := disagreements():
        listed = "\n".join(found)
        raise SystemExit(f"{listed}\nNothing is committed; `git restore .` takes it back")
    git("commit", "--all", "--message", f"Release {version}")
    git("tag", "--annotate", f"v{version}", "--message", f"Version {version}")
    print(f"Version {version} is committed and tagged. Look at it: git show v{version} --stat")
    print(f"Then: git push --atomic origin HEAD v{version}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("version", nargs="?", help="such as 0.2.0")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    if bool(options.version) == options.check:
        parser.error("name a version: make release VERSION=0.2.0; or say --check")
    if options.version:
        prepare(options.version, date.today())
        return 0
    found = disagreements()
    for sentence in found:
        print(sentence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
