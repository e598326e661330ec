"""The course as web pages: every lesson executed, one self-contained file each, and an index.

    python -m tools.book                                   all lessons, laptop scale, into book/
    python -m tools.book --scale smoke lessons/00*.ipynb   some of them, quickly
    python -m tools.book --record                          … and quote their times in the prose

The pages need no network: pictures are embedded, formulas become MathML, nothing is fetched. A
lesson that fails is named with its cell and does not stop the others; the exit code is then 1.
"""

import argparse
import html
import re
import sys
from pathlib import Path

from jinja2 import DictLoader, pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

from tools import claims, notebooks
from tools.execute import Run, execute

WIDGET = "application/vnd.jupyter.widget-view+json"
NEEDS_KERNEL = "<p><em>Here a live panel appears when you run the lesson in Jupyter.</em></p>"
STYLE = """
:root { color-scheme: light dark; }
body.jp-Notebook { max-width: 60rem; margin: 0 auto; padding: 1rem; }
.jp-OutputPrompt, .jp-InputPrompt { display: none; }
.jp-RenderedHTMLCommon math { font-size: 1.1em; }
.jp-RenderedHTMLCommon details { margin: 1em 0; }
img { max-width: 100%; height: auto; }
"""
FOLLOW_THEME = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => { document.body.dataset.jpThemeLight = String(!dark.matches); };
dark.addEventListener("change", follow);
follow();
"""
# nbconvert's own page without its scripts, which come from elsewhere.
PAGE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<style>@media (prefers-color-scheme: dark) {
{{ resources.include_css("static/theme-dark.css") | striptags }}
}</style>
<style>STYLE</style>
{%- endblock -%}
{%- block body_header -%}{{ super() }}<script>FOLLOW_THEME</script>{%- endblock -%}
""".replace("STYLE", STYLE).replace("FOLLOW_THEME", FOLLOW_THEME)
INDEX = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The Deep Image Prior: lessons</title>
<style>
:root { color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }
body { max-width: 45rem; margin: 2rem auto; padding: 0 1rem; }
li { margin: 1rem 0; list-style: none; } ul { padding: 0; }
small { opacity: 0.75; }
</style></head><body>
<h1>The Deep Image Prior: lessons</h1>
<ul>
ENTRIES
</ul>
<p><small>Text and figures: CC BY 4.0. Code: MIT. By the dipcourse authors.</small></p>
</body></html>
"""


# What latex2mathml does not know, and what it knows instead.
REPLACED = {
    r"\\arg(?![a-zA-Z])": r"\\operatorname{arg}",
    r"\\operatorname\*": r"\\operatorname",
    r"\{aligned\}": "{align*}",
}


def mathml(formula, display="inline"):
    r"""Return a LaTeX formula as MathML.

    >>> mathml("x").startswith("<math"), "arg" in mathml(r"\arg\min_x")
    (True, True)
    """
    for unknown, known in REPLACED.items():
        formula = re.sub(unknown, known, formula)
    result = convert(formula, display=display)
    if left := re.search(r"\\[A-Za-z]+", result):
        raise ValueError(f"{left[0]} has no MathML: write {formula.strip()} in another way")
    return result


class WithMathML(IPythonRenderer):
    """Markdown to HTML with formulas as MathML, which browsers draw without any script."""

    def inline_math(self, body):
        return mathml(body)

    def block_math(self, body):
        return mathml(body, display="block")

    def latex_environment(self, name, body):
        if not name.startswith("equation"):
            body = rf"\begin{{{name}}}{body}\end{{{name}}}"
        return mathml(body, display="block")


class Exporter(HTMLExporter):
    """nbconvert's lab pages, self-contained."""

    def __init__(self, **options):
        super().__init__(
            template_name="lab",
            template_file="page.html.j2",
            extra_loaders=[DictLoader({"page.html.j2": PAGE})],
            embed_images=True,
            preprocessors=[CoalesceStreamsPreprocessor],
            **options,
        )

    @pass_context
    def markdown2html(self, context, source):
        """Replace nbconvert's filter of this name, for WithMathML's sake."""
        renderer = WithMathML(escape=False, anchor_link_text=" ")
        return MarkdownWithMath(renderer=renderer).render(source)


def for_the_web(notebook):
    """Change, in place, what makes sense in a notebook only: links, badge, widgets."""
    notebook.metadata.pop("widgets", None)
    where = notebooks.configured()
    tree = f"https://github.com/{where['repository']}/blob/{where['tag']}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"\[!\[(Open in Colab)\]\([^)]*\)\]\(([^)]*)\)", r"[\1](\2)", cell.source)
            text = re.sub(r"\]\((\d\d_\w+)\.ipynb", r"](\1.html", text)
            text = re.sub(r"\]\(\.\./README\.md#lessons", "](index.html", text)
            cell.source = re.sub(r"\]\(\.\./", f"]({tree}/", text)
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                del output.data[WIDGET]
                output.data.setdefault("text/html", NEEDS_KERNEL)


def page(notebook, name):
    """Return one lesson's HTML."""
    for_the_web(notebook)
    text, _ = Exporter().from_notebook_node(notebook, {"metadata": {"name": name}})
    return text


def build(path, folder, scale):
    """Execute a lesson and write its page, even when it fails half-way; return its Run."""
    notebook = notebooks.read(path)
    run = execute(notebook, path.parent, scale)
    try:
        text = page(notebook, notebooks.title(notebook))
    except ValueError as error:
        return Run(run.seconds, "(a formula)", str(error))
    (folder / f"{path.stem}.html").write_text(text, encoding="utf-8")
    return run


def promise(notebook):
    """Return the first paragraph of the first cell that is neither heading nor badge."""
    paragraphs = notebook.cells[0].source.split("\n\n")
    return next((p for p in paragraphs if not p.startswith(("#", "[!["))), "")


def index(folder, runs):
    """Write the list of lessons with their times."""
    entries = []
    for path, run in runs.items():
        notebook = notebooks.read(path)
        state = duration(run.seconds) if run.ok else f"stopped in cell “{run.cell}”: {run.error}"
        entries.append(
            f'<li><a href="{path.stem}.html">{html.escape(notebooks.title(notebook))}</a><br>'
            f"{html.escape(notebooks.prose(promise(notebook)))}<br>"
            f"<small>{html.escape(state)}</small></li>"
        )
    text = INDEX.replace("ENTRIES", "\n".join(entries))
    (folder / "index.html").write_text(text, encoding="utf-8")


def duration(seconds):
    """
    >>> duration(41.2), duration(171)
    ('41 s', '2.9 min')
    """
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def record(runs, scale):
    """Store and quote the lessons' times: the claims lesson00-time and so on."""
    entries = {}
    for path, run in runs.items():
        lesson = f"lesson{path.stem[:2]}"
        entries[f"{lesson}-time"] = claims.entry(
            lesson,
            duration(run.seconds),
            [round(run.seconds, 1)],
            "s",
            scale,
            "python -m tools.book --record",
        )
    claims.save(entries)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.book", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs="*", type=Path, help="default: all lessons")
    parser.add_argument("--scale", default="laptop", choices=["smoke", "laptop", "paper"])
    parser.add_argument("--into", type=Path, default=notebooks.ROOT / "book", metavar="FOLDER")
    parser.add_argument("--record", action="store_true", help="quote the times in the prose")
    options = parser.parse_args(arguments)
    options.into.mkdir(parents=True, exist_ok=True)
    runs: dict[Path, Run] = {}
    for path in options.files or notebooks.lessons():
        print(f"{path.stem:40}", end=" ", flush=True)
        runs[path] = run = build(path, options.into, options.scale)
        print(f"{run.seconds:6.0f} s  {'ok' if run.ok else f'FAILED in cell {run.cell}'}")
        if not run.ok:
            print(f"    {run.error.splitlines()[0]}")
        sys.stdout.flush()
    index(options.into, runs)
    print(f"open {options.into / 'index.html'}")
    failed = [path for path, run in runs.items() if not run.ok]
    if options.record and not failed:
        record(runs, options.scale)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
