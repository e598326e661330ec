"""Keep the lessons' notebooks consistent: what is generated in them, and what is checked.

    python -m tools.notebooks check  [FILE …]   say what breaks the rules; exit code 1 if anything
    python -m tools.notebooks strip  [FILE …]   clear outputs and stray metadata, keep the ids
    python -m tools.notebooks badges [FILE …]   write the Colab badge and the set-up cell's head
    python -m tools.notebooks nav    [FILE …]   write the last cell: previous, all lessons, next

Without files: all lessons. The rules are described in CONTRIBUTING.md.
"""

import argparse
import builtins
import itertools
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tools.measured import quoting
from tools.names import Names

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "lessons"

METADATA = {
    "accelerator": "GPU",
    "colab": {"gpuType": "T4"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# In these alone the code is folded, because they are shown to people who came for the pictures.
FOLDED_LESSONS = {"90_live_demo.ipynb"}
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # Colab and JupyterLab
SETUP_HEAD = """\
import sys

if "google.colab" in sys.modules:
    %pip install "git+https://github.com/{repository}@{tag}"

"""
SETUP_LAST = "presets.announce()"
SETUP_LINES = 14
LONGEST_CELL, USUAL_CELL = 20, 15
LICENCE = "*Text and figures: CC BY 4.0. Code: MIT. By the dipcourse authors.*"

READABLE_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}")
HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2\s*$", re.MULTILINE | re.DOTALL)
NOT_PROSE = re.compile(r"\$\$.*?\$\$|(?<!\\)\$[^$\n]+\$|`[^`\n]*`", re.DOTALL)
BADGE = re.compile(r"^\[!\[Open in Colab\]\(.*\)$", re.MULTILINE)
MARKDOWN_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<target>[^)\s]*)[^)]*\)")
HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
STAR_IMPORT = re.compile(r"^\s*from\s+\S+\s+import\s+\*", re.MULTILINE)
FORM = re.compile(r"^\s*#\s*@(title|markdown|param)", re.MULTILINE)
HIDING_TAGS = {"hide-input", "hide-output", "hide-cell", "remove-input", "remove-cell"}
NUMBER = r"\d[\d.,]*"
MEASURED = re.compile(
    rf"(?<![\w.])(?:{NUMBER}\s*(?:–|-|to|and|±)\s*)?{NUMBER}"
    r"(?:[\s-]*(?:dB|%|seconds?|minutes?)|\s(?:s|ms|min))(?![\w/])"
)
SOURCED = re.compile(r"\s*<!-- (?:claim|source): [^>]+ -->")
ANSWER = re.compile(
    r"<!-- answer: (?P<id>\S+) -->\s*```python\n(?P<code>.*?)^```\s*$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Finding:
    """One broken rule."""

    rule: str
    message: str
    cell: str = ""

    def __str__(self):
        where = f"cell {self.cell}: " if self.cell else ""
        return f"{where}{self.message} [{self.rule}]"


# ---- what is generated


def configured(path=ROOT / "pyproject.toml"):
    """Return {"repository": …, "tag": …}: the one place that says where the course lives."""
    return tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["dipcourse"]


def lessons(folder=LESSONS):
    """Return the lessons' paths in order."""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def read(path):
    """Read a notebook as nbformat 4, without adding or renaming cell ids."""
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def written(notebook):
    """Return the text of the notebook's file."""
    return nbformat.writes(notebook) + "\n"


def colab_address(name, folder="lessons"):
    where = configured()
    return (
        f"https://colab.research.google.com/github/{where['repository']}"
        f"/blob/{where['tag']}/{folder}/{name}"
    )


def badge(name, folder="lessons"):
    """Return the line that opens the notebook of this file name in Colab."""
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({picture})]({colab_address(name, folder)})"


def setup_head():
    """Return the first lines of every set-up cell: the installation, in Colab alone."""
    return SETUP_HEAD.format(**configured())


def title(notebook):
    """Return the text of the notebook's first H1, or an empty string."""
    for cell in notebook.cells:
        for level, text in headings(cell):
            if level == 1:
                return text
    return ""


def apart(path):
    """Whether a notebook stands outside the chain of lessons: a demo, numbered 90 or more."""
    return path.name.startswith("9")


def navigation(path):
    """Return the last cell of a lesson: links to its neighbours, in the checkout and in Colab."""
    path = path.resolve()
    order = [path] if apart(path) else [p for p in lessons(path.parent) if not apart(p)]
    place = order.index(path)

    def link(label, neighbour):
        here = f"**{label}:** [{title(read(neighbour))}]({neighbour.name})"
        return f"{here} ([in Colab]({colab_address(neighbour.name)}))"

    before = [link("Previous", order[place - 1])] if place else []
    after = [link("Next", order[place + 1])] if place + 1 < len(order) else []
    links = [*before, "[All lessons](../README.md#lessons)", *after]
    return "---\n\n" + " · ".join(links) + "\n\n" + LICENCE


def folded(cell, name):
    """Return the metadata that fold a cell of the notebook of this file name: {} for most."""
    return FOLDED if name in FOLDED_LESSONS and cell.cell_type == "code" else {}


def strip(notebook, name=""):
    """Clear outputs, counts and stray metadata, in place; ids stay, and so does what is folded."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        kept = {"tags": tags} if tags else {}
        cell.metadata = nbformat.from_dict({**kept, **folded(cell, name)})
        cell.pop("attachments", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def write_badge(notebook, name, folder="lessons"):
    """Put the badge under the first cell's H1 and the head on the set-up cell, in place."""
    first, line = notebook.cells[0], badge(name, folder)
    if BADGE.search(first.source):
        first.source = BADGE.sub(lambda _: line, first.source)
    else:
        first.source = re.sub(
            r"\A(# .*)\n*", lambda h: f"{h[1]}\n\n{line}\n\n", first.source
        ).rstrip()
    for cell in notebook.cells:
        if cell.id == "setup":
            own = re.sub(r"\A(import sys\s+)?(if \"google\.colab\".*\n +%.*\s+)?", "", cell.source)
            cell.source = setup_head() + own


def write_navigation(notebook, path):
    """Write the cell `navigation` at the end, in place."""
    if notebook.cells[-1].get("id") != "navigation":
        notebook.cells.append(nbformat.v4.new_markdown_cell(id="navigation"))
    notebook.cells[-1].source = navigation(path)


# ---- what is checked


def headings(cell):
    """Return [(level, text)] of a Markdown cell, code blocks aside."""
    if cell.cell_type != "markdown":
        return []
    return [(len(m[1]), m[2]) for m in HEADING.finditer(FENCE.sub("", cell.source))]


def code_lines(cell):
    """Return the lines of a code cell that are not blank."""
    return [line for line in cell.source.splitlines() if line.strip()]


def prose(source):
    """Return Markdown without code, mathematics, comments, tags and link targets."""
    source = FENCE.sub("", source)
    source = re.sub(r"<!--.*?-->|<[^>]+>", " ", source, flags=re.DOTALL)
    source = NOT_PROSE.sub(" ", source)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", source)


def check_headings(notebook, **_):
    """One H1, first; no level skipped on the way down."""
    found = [(*heading, cell.get("id")) for cell in notebook.cells for heading in headings(cell)]
    if [level for level, *_ in found].count(1) != 1 or found[0][0] != 1:
        yield Finding("headings", "a lesson has one H1, and it comes first")
    for (above, *_), (level, text, id) in itertools.pairwise(found):
        if level > above + 1:
            yield Finding("headings", f'"{text}" is H{level} under an H{above}', id)


def check_pictures(notebook, **_):
    """Every picture in Markdown has an alt text, and an address that works in Colab."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        text, id = FENCE.sub("", cell.source), cell.get("id")
        for picture in MARKDOWN_IMAGE.finditer(text):
            if not picture["alt"].strip():
                yield Finding("pictures", f"{picture['target']} has no alt text", id)
            if not picture["target"].startswith("https://"):
                message = f"{picture['target']} breaks in Colab: use show.reference in a code cell"
                yield Finding("pictures", message, id)
        for tag in HTML_IMAGE.findall(text):
            if not re.search(r"\balt=(\"[^\"]+\"|'[^']+')", tag):
                yield Finding("pictures", f"{tag[:60]} has no alt text", id)


def check_lengths(notebook, **_):
    """Code cells are short: at most 20 lines, nine in ten at most 15."""
    cells = [c for c in notebook.cells if c.cell_type == "code" and c.get("id") != "setup"]
    lengths = sorted(len(code_lines(cell)) for cell in cells)
    for cell in cells:
        if len(code_lines(cell)) > LONGEST_CELL:
            message = f"{len(code_lines(cell))} lines of code, at most {LONGEST_CELL}"
            yield Finding("lengths", message, cell.get("id"))
    usual = lengths[int(0.9 * (len(lengths) - 1))] if lengths else 0
    if usual > USUAL_CELL:
        message = f"nine code cells in ten have at most {USUAL_CELL} lines; here it is {usual}"
        yield Finding("lengths", message)


def check_ids(notebook, **_):
    """Every cell has a readable id of its own; title, set-up and links have theirs."""
    ids = [cell.get("id", "") for cell in notebook.cells]
    for id in ids:
        if not READABLE_ID.fullmatch(id) or RANDOM_ID.fullmatch(id) or len(id) > 64:
            yield Finding(
                "ids", "the id must be readable: lower-case words with hyphens", id or "?"
            )
    for id in sorted({id for id in ids if ids.count(id) > 1}):
        yield Finding("ids", "the id is used twice", id)
    if ids[0] != "title" or ids[-1] != "navigation" or "setup" not in ids:
        yield Finding("ids", "the first cell is `title`, one is `setup`, the last is `navigation`")


def check_code(notebook, path=None, **_):
    """No star imports; no hidden cells and no forms, but in the demo every code cell is folded."""
    for cell in notebook.cells:
        id, metadata = cell.get("id"), cell.metadata
        if cell.cell_type == "code" and STAR_IMPORT.search(cell.source):
            yield Finding("imports", "imports by name, not *", id)
        hidden = (
            metadata.get("collapsed")
            or metadata.get("hide_input")
            or any(metadata.get("jupyter", {}).values())
            or "cellView" in metadata
            or HIDING_TAGS & set(metadata.get("tags", []))
            or (cell.cell_type == "code" and FORM.search(cell.source))
        )
        fold = folded(cell, path.name if path else "")
        if fold and {key: metadata.get(key) for key in fold} != fold:
            yield Finding("hidden", "in the demo every code cell is folded: make strip", id)
        if hidden and not fold:
            yield Finding("hidden", "no cell is hidden or folded into a form", id)


def check_stripped(notebook, path):
    """Nothing from a run is stored, and the metadata opens Colab on a GPU."""
    for cell in notebook.cells:
        if cell.get("outputs") or cell.get("execution_count"):
            yield Finding("stripped", "holds outputs: make strip", cell.get("id"))
    if notebook.metadata != METADATA:
        yield Finding("stripped", "the notebook's metadata differ: make strip")
    clean = nbformat.from_dict(notebook)
    strip(clean, path.name if path else "")
    if path and path.read_text(encoding="utf-8") != written(clean):
        yield Finding("stripped", "the file is not as `make strip` writes it")


def check_generated(notebook, path):
    """Badge, set-up cell and links are those that the tools write."""
    name = path.name if path else "lesson.ipynb"
    first = notebook.cells[0].source
    if BADGE.findall(first) != [badge(name)]:
        yield Finding("badge", "the first cell needs the Colab badge: make badges", "title")
    setup = next((c.source for c in notebook.cells if c.get("id") == "setup"), "")
    lines = setup.splitlines()
    if not setup.startswith(setup_head()) or not lines or lines[-1] != SETUP_LAST:
        message = f"starts with the generated lines and ends with {SETUP_LAST}: make badges"
        yield Finding("setup", message, "setup")
    if len([line for line in lines if line.strip()]) > SETUP_LINES:
        yield Finding("setup", f"more than {SETUP_LINES} lines", "setup")
    if path and notebook.cells[-1].source != navigation(path):
        yield Finding("navigation", "the links are out of date: make badges", "navigation")


def check_numbers(notebook, known=None, **_):
    """A number with a unit in prose names the claim or the source that it comes from."""
    known = quoting.stored() if known is None else known
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for message in quoting.wrong_quotes(cell.source, known):
            yield Finding("claims", message, cell.get("id"))
        if not cell.get("id", "").startswith("predict"):
            for number in unsourced(cell.source):
                message = (
                    f'"{number}" comes from where? Add <!-- claim: … --> or <!-- source: … -->'
                )
                yield Finding("claims", message, cell.get("id"))


def unsourced(source):
    """Return the numbers with a unit that no claim and no source follows.

    >>> unsourced("falls by 3.5 dB, then by 2 dB <!-- claim: a-b -->, in `5 s`")
    ['3.5 dB']
    """
    for hidden in (FENCE, NOT_PROSE):
        source = hidden.sub(lambda m: " " * len(m[0]), source)
    return [m[0] for m in MEASURED.finditer(source) if not SOURCED.match(source, m.end())]


def check_answers(notebook, **_):
    """Every exercise has its answer further down, and every answer its exercise."""
    found = answers(notebook)
    stubs = {cell.get("id") for cell in notebook.cells if is_stub(cell)}
    for id in stubs - found.keys():
        yield Finding("answers", "no answer: <!-- answer: … --> and a python block", id)
    for id in found.keys() - stubs:
        yield Finding("answers", "an answer to no exercise", id)


def is_stub(cell):
    """Whether a cell is an exercise that waits for the student's code."""
    return cell.cell_type == "code" and "raise NotImplementedError" in cell.source


def answers(notebook):
    """Return {id of the stub: code that replaces it}."""
    return {
        found["id"]: found["code"]
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for found in ANSWER.finditer(cell.source)
    }


def check_names(notebook, **_):
    """Each code cell can run again, whatever ran since, and means the same."""
    cells = uses(notebook)
    for name in sorted(set().union(*(cell.made for _, cell in cells))):
        makers = [(id, cell) for id, cell in cells if name in cell.made - cell.empty]
        ids = list(dict.fromkeys(id for id, _ in makers))
        ids += ["Python itself"] * hasattr(builtins, name)
        readers = dict.fromkeys(id for id, cell in cells if name in cell.read | cell.later)
        imported = all(name in cell.imported for _, cell in makers)
        if len(ids) > 1 and readers and not imported:
            message = f"`{name}` is made in {' and '.join(ids)}: which one is read here?"
            yield from (Finding("names", f"{message} Give each a name", id) for id in readers)
    generators = set().union(*(cell.generators for _, cell in cells))
    for id, cell in cells:
        for name in sorted(cell.changed):
            message = f"changes `{name}`, which another cell made: make a new one"
            yield Finding("names", message, id)
        for name in sorted(generators & (cell.read | cell.later)):
            message = f"draws from `{name}`, which goes on from run to run: make it here, seeded"
            yield Finding("names", message, id)


def uses(notebook):
    """Return [(id, Names)] of the code cells, and of the answers under their stubs' ids."""
    code = [(c.id, c.source) for c in notebook.cells if c.cell_type == "code"]
    return [(id, Names(source)) for id, source in [*code, *answers(notebook).items()]]


CHECKS = [
    check_headings,
    check_pictures,
    check_lengths,
    check_ids,
    check_code,
    check_stripped,
    check_generated,
    check_numbers,
    check_answers,
    check_names,
]


def check(notebook, path=None):
    """Return all findings in a notebook; with its path also those on the file and the links."""
    return [finding for rule in CHECKS for finding in rule(notebook, path=path)]


# ---- the command line


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=["check", "strip", "badges", "nav"])
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    failed = False
    for path in options.files or lessons():
        notebook = read(path)
        if options.command == "check":
            findings = check(notebook, path)
            failed |= bool(findings)
            for finding in findings:
                print(f"{path.name}: {finding}")
            continue
        if options.command == "strip":
            strip(notebook, path.name)
        elif options.command == "badges":
            write_badge(notebook, path.name)
        else:
            write_navigation(notebook, path)
        new = written(notebook)
        if new != path.read_text(encoding="utf-8"):
            path.write_text(new, encoding="utf-8")
            print(f"{options.command}: {path.name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
