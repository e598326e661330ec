"""The course as web pages: every lesson executed, with players that play on, and a start page.

    python -m tools.book                                   all lessons, laptop scale, into book/
    python -m tools.book --scale smoke lessons/00*.ipynb   some of them, quickly
    python -m tools.book --record                          … and quote their times in the prose

Open book/index.html, from disk or from any web server: the pages ask nothing of a network. Sphinx
makes them, as tools/pages/conf.py says. A lesson that fails is named with its cell and does not
stop the others; the exit code is then 1, as it is when Sphinx has anything to complain about or a
page is too large to open quickly.
"""

import argparse
import base64
import datetime
import io
import os
import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from PIL import Image
from sphinx.cmd.build import build_main

from tools import notebooks, reference
from tools.execute import execute
from tools.measured import circumstances, claims, quoting

PAGES = Path(__file__).with_name("pages")
LIMIT = 10_000_000  # bytes of a page
WIDGET = "application/vnd.jupyter.widget-view+json"
NEEDS_KERNEL = "<p><em>Here a live panel appears when you run the lesson in Jupyter.</em></p>"
BADGE = re.compile(r"\[!\[(Open in Colab)\]\([^)]*\)\]")
COMMENT = re.compile(r" *<!--.*?-->", re.DOTALL)
LARGE_PNG = re.compile(r"data:image/png;base64,([\w+/=]{100000,})", re.ASCII)
LINK = re.compile(r"\]\((?=\.\./|\d\d_)(?P<up>\.\./)?(?P<path>[^)#:\s]+)(?P<part>#[^)\s]*)?\)")
OBJECTIVE = re.compile(r"^\| \[[^\]]*\]\(lessons/(\w+)\.ipynb\) \| (.*?) \|", re.MULTILINE)

START = """\
# {title}

{welcome}

These pages hold the lessons with all results. Players and dividers work here, without a network. To
change code, to run the live panels and to solve the exercises, open a lesson in Jupyter:
[how to start]({repository}/README.md#start).

## Lessons

{lessons}

The functions that lessons and assignments use: [the package](package.md).

Run times are those of this run: all cells of a lesson, at scale `{scale}`, on {machine}, {date}.

```{{toctree}}
:hidden:

{names}
package
```
"""


def for_the_web(notebook, pages):
    """Change, in place, what makes sense in a notebook only: links, widgets, marks of claims, ….

    Args:
        notebook: nbformat 4 notebook.
        pages: names, without ".ipynb", of the lessons in this book.
    """
    notebook.metadata.pop("widgets", None)
    CoalesceStreamsPreprocessor().preprocess(notebook, {})  # of a progress bar, its last state
    notebook.cells = [cell for cell in notebook.cells if cell.get("id") != "navigation"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = BADGE.sub(r"[\1]", COMMENT.sub("", cell.source))
            cell.source = LINK.sub(lambda link: f"]({_address(pages, **link.groupdict(''))})", text)
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                del output.data[WIDGET]
                output.data.setdefault("text/html", NEEDS_KERNEL)
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = LARGE_PNG.sub(_webp, output.data["text/html"])


def _webp(found):
    """The same pixels in two thirds of the bytes."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        picture.save(file, "webp", lossless=True, method=2, quality=50)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _address(pages, up, path, part):
    """Where a relative link of a lesson leads: to a page of the book, or into the repository."""
    if not up and path.removesuffix(".ipynb") in pages:
        return path + part
    if (path, part) == ("README.md", "#lessons"):
        return "index.md"
    return f"{repository()}/{'' if up else 'lessons/'}{path}{part}"


def repository():
    """Return the web address of the course's files, at its tag."""
    where = notebooks.configured()
    return f"https://github.com/{where['repository']}/blob/{where['tag']}"


def start_page(runs, scale, readme=notebooks.ROOT / "README.md"):
    """Return the first page, in Markdown: the README's promise, and the lessons with their times.

    Args:
        runs: dict of lesson's path → Run.
        scale: the scale of these runs.
        readme: path of the README.
    """
    text = readme.read_text(encoding="utf-8")
    title, welcome = re.match(r"# ([^\n]*)\n\n(.*?)\n\n## ", text, re.DOTALL).groups()
    words = [part for part in welcome.split("\n\n") if not part.startswith(("![", "[!["))]
    aims = dict(OBJECTIVE.findall(text))
    lines = ["| lesson | you will be able to | run time |", "|---|---|---|"]
    for path, run in runs.items():
        notebook = notebooks.read(path)
        aim = aims.get(path.stem) or notebooks.prose(promise(notebook))
        time = duration(run.seconds).replace(" ", "\N{NO-BREAK SPACE}")
        state = time if run.ok else f"stopped in cell “{run.cell}”: {run.error}"
        row = [f"[{notebooks.title(notebook)}]({path.name})", aim, _plain(state)]
        lines.append(f"| {' | '.join(row)} |")
    return START.format(
        title=title,
        welcome="\n\n".join(words),
        repository=repository(),
        lessons="\n".join(lines),
        scale=scale,
        machine=f"{circumstances.device()} ({os.cpu_count()} cores)",
        date=datetime.date.today(),
        names="\n".join(path.stem for path in runs),
    )


def promise(notebook):
    """Return the first paragraph of the first cell that is neither heading nor badge."""
    paragraphs = notebook.cells[0].source.split("\n\n")
    return next((" ".join(p.split()) for p in paragraphs if not p.startswith(("#", "[!["))), "")


def _plain(text):
    """The first line of a text, as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", text.splitlines()[0])


def render(source, into):
    """Make pages of a folder with index.md and executed notebooks; return whether all is well.

    Sphinx's warnings go to stderr, and then it is not. A book in ``into`` is replaced.
    """
    with TemporaryDirectory() as made:
        options = ["-q", "-W", "--keep-going", "-c", PAGES, "-d", f"{made}/doctrees"]
        code = build_main([*map(str, options), str(source), f"{made}/html"])
        if code < 2:  # 2: Sphinx has crashed
            if (into / "searchindex.js").exists():
                shutil.rmtree(into)
            shutil.copytree(f"{made}/html", into, dirs_exist_ok=True)
    return code == 0 and not too_large(into)


def too_large(folder, limit=LIMIT):
    """Say which pages are larger than the limit; return their paths."""
    found = [path for path in folder.glob("*.html") if path.stat().st_size > limit]
    for path in found:
        size = path.stat().st_size / 1e6
        print(f"{path.name} has {size:.1f} MB: keep fewer frames in its players", file=sys.stderr)
    return found


def duration(seconds):
    """
    >>> duration(41.2), duration(171)
    ('41 s', '2.9 min')
    """
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def record(runs, scale):
    """Store and quote the lessons' times: the claims lesson00-time and so on; demos have none.

    Times with AVX2 alone are claims of their own, such as lesson00-time-avx2.
    """
    slow = circumstances.processor() == "avx2"
    entries = {}
    for path, run in runs.items():
        if notebooks.apart(path):
            continue
        lesson = f"lesson{path.stem[:2]}"
        entries[f"{lesson}-time-avx2" if slow else f"{lesson}-time"] = claims.entry(
            lesson,
            duration(run.seconds),
            [round(run.seconds, 1)],
            "s",
            scale,
            circumstances.command("tools.book", "--record"),
        )
    quoting.save(entries)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.book", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs="*", type=Path, help="default: all lessons")
    parser.add_argument("--scale", default="laptop", choices=["smoke", "laptop", "paper"])
    parser.add_argument("--into", type=Path, default=notebooks.ROOT / "book", metavar="FOLDER")
    parser.add_argument("--record", action="store_true", help="quote the times in the prose")
    options = parser.parse_args(arguments)
    paths = sorted(options.files) or notebooks.lessons()
    runs = {}
    with TemporaryDirectory() as folder:
        source = Path(folder)
        for path in paths:
            print(f"{path.stem:40}", end=" ", flush=True)
            notebook = notebooks.read(path)
            runs[path] = run = execute(notebook, path.parent, options.scale)
            print(f"{run.seconds:6.0f} s  {'ok' if run.ok else f'FAILED in cell {run.cell}'}")
            if not run.ok:
                print(f"    {run.error.splitlines()[0]}")
            sys.stdout.flush()
            for_the_web(notebook, {path.stem for path in paths})
            (source / path.name).write_text(notebooks.written(notebook), encoding="utf-8")
        (source / "index.md").write_text(start_page(runs, options.scale), encoding="utf-8")
        reference.write(source)
        well = render(source, options.into)
    print(f"open {options.into / 'index.html'}")
    well &= all(run.ok for run in runs.values())
    if options.record and well:
        record(runs, options.scale)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
