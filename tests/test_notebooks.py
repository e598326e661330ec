"""The lessons' notebooks obey the house rules, and each rule's check can fail."""

import json
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import notebooks

LESSONS = notebooks.lessons()


def good(name="lesson.ipynb"):
    """A small notebook that breaks no rule."""
    return new_notebook(
        metadata=nbformat.from_dict(notebooks.METADATA),
        cells=[
            new_markdown_cell(
                f"# 00 · A lesson\n\n{notebooks.badge(name)}\n\nA promise.", id="title"
            ),
            new_code_cell(
                notebooks.setup_head() + "from dipcourse import presets\n\npresets.announce()",
                id="setup",
            ),
            new_markdown_cell("## A question\n\nWhat will this print? You may guess.", id="ask"),
            new_code_cell("def twice(x):\n    raise NotImplementedError", id="exercise-twice"),
            new_code_cell("check.expect('twice', twice, want=4)", id="test-twice"),
            new_markdown_cell(
                "<details><summary>Answer</summary>\n\n<!-- answer: exercise-twice -->\n"
                "```python\ndef twice(x):\n    return 2 * x  # not 3 dB\n```\n\n</details>\n\n"
                "Most people get this right at the first attempt, and so will you.",
                id="answer",
            ),
            new_markdown_cell("---", id="navigation"),
        ],
    )


def rules(notebook, path=None, **known):
    if known:
        return {finding.rule for finding in notebooks.check_numbers(notebook, **known)}
    return {finding.rule for finding in notebooks.check(notebook, path)}


def cell(notebook, id):
    return next(cell for cell in notebook.cells if cell.id == id)


def test_a_good_notebook_passes(tmp_path):
    path = tmp_path / "00_a.ipynb"
    notebook = good(path.name)
    path.write_text(notebooks.written(notebook), encoding="utf-8")
    notebooks.write_navigation(notebook, path)
    path.write_text(notebooks.written(notebook), encoding="utf-8")
    assert [str(finding) for finding in notebooks.check(notebook, path)] == []


def put(id, source):
    """A breakage that replaces the source of a cell."""
    return lambda notebook: cell(notebook, id).update(source=source)


def add(id, text):
    """A breakage that adds text to a cell."""
    return lambda notebook: cell(notebook, id).update(source=cell(notebook, id).source + text)


def mark(id, **metadata):
    """A breakage that adds metadata to a cell."""
    return lambda notebook: cell(notebook, id).metadata.update(nbformat.from_dict(metadata))


def name(id, new):
    """A breakage that renames a cell."""
    return lambda notebook: cell(notebook, id).update(id=new)


LONG = "\n".join(["x = 1"] * 21)
BROKEN = {
    "no H1": ("headings", put("title", "A lesson")),
    "two H1": ("headings", put("ask", "# Another")),
    "level skipped": ("headings", add("ask", "\n\n#### Deep")),
    "no alt text": ("pictures", add("ask", "\n![](https://example.org/a.png)")),
    "relative picture": ("pictures", add("ask", "\n![a cat](../images/cat.png)")),
    "attachment": ("pictures", add("ask", "\n![a cat](attachment:cat.png)")),
    "tag without alt": ("pictures", add("ask", '\n<img src="https://example.org/a.png">')),
    "tag with empty alt": ("pictures", add("ask", '\n<img alt="" src="https://e.org/a.png">')),
    "long cell": ("lengths", put("test-twice", LONG)),
    "random id": ("ids", name("ask", "a1b2c3d4")),
    "random long id": ("ids", name("ask", "c0ffee00-1234-abcd-ef01")),
    "id with capitals": ("ids", name("ask", "TheQuestion")),
    "id twice": ("ids", name("ask", "setup")),
    "no setup": ("ids", name("setup", "start")),
    "star import": ("imports", put("test-twice", "from torch import *")),
    "folded input": ("hidden", mark("ask", jupyter={"source_hidden": True})),
    "collapsed": ("hidden", mark("test-twice", collapsed=True)),
    "hiding tag": ("hidden", mark("test-twice", tags=["hide-input"])),
    "form": ("hidden", put("test-twice", "#@title Run me\nx = 1")),
    "form metadata": ("hidden", mark("test-twice", cellView="form")),
    "outputs": ("stripped", lambda n: cell(n, "setup").update(execution_count=3)),
    "no GPU in Colab": ("stripped", lambda n: n.metadata.pop("accelerator")),
    "widget state": ("stripped", lambda n: n.metadata.update(widgets={})),
    "no badge": ("badge", put("title", "# 00 · A lesson")),
    "badge of another tag": (
        "badge",
        lambda n: cell(n, "title").update(source=cell(n, "title").source.replace("/v", "/w")),
    ),
    "quiet installation": (
        "setup",
        lambda n: cell(n, "setup").update(
            source=cell(n, "setup").source.replace("install", "install -q")
        ),
    ),
    "no announcement": ("setup", put("setup", notebooks.setup_head() + "import torch")),
    "long setup": ("setup", put("setup", notebooks.setup_head() + LONG + "\npresets.announce()")),
    "unsourced number": ("claims", add("ask", "\nThe error falls by 3.5 dB.")),
    "unsourced range": ("claims", add("ask", "\nIt takes 10–20 seconds.")),
    "unsourced per cent": ("claims", add("ask", "\nThat is 12% of it.")),
    "unknown claim": ("claims", add("ask", "\nBy 3.5 dB <!-- claim: lesson99-no -->.")),
    "unwritten claim": ("claims", add("ask", "\nBy TBD <!-- claim: lesson99-no -->.")),
    "no answer": ("answers", put("answer", "No answer here.")),
    "answer to nothing": ("answers", put("exercise-twice", "x = 1")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_check_catches(case):
    rule, breakage = BROKEN[case]
    notebook = good()
    before = rules(notebook)
    breakage(notebook)
    assert rule not in before
    assert rule in rules(notebook)


def names_of(*sources):
    """What `check_names` says of cells with these sources, called a, b, …: {cell: message}."""
    cells = [new_code_cell(s, id=id) for id, s in zip("abcd", sources, strict=False)]
    findings = list(notebooks.check_names(new_notebook(cells=cells)))
    assert {finding.rule for finding in findings} <= {"names"}
    return {finding.cell: finding.message for finding in findings}


TWICE = {
    "read in a third cell": ["rows = [1]", "rows = [2]", "print(rows)"],
    "read by a function": ["n = 1\ndef f():\n    return n", "n = 2\nprint(n)"],
    "read by a widget": ["n = 1\nbox.observe(lambda change: print(n))", "n = 2\nprint(n)"],
    "read by a method": ["n = 1\nclass A:\n    def f(self):\n        return n", "n = 2"],
    "read by a default": ["def f(n=n):\n    return n", "n = 1", "n = 2"],
    "read, then made again": ["n = 1", "n = n + 1"],
    "added to": ["kinds = {}", "kinds |= {1: 2}"],
    "made in one branch": ["n = 1", "if ready:\n    n = 2\nprint(n)"],
    "a loop's variable": ["n = 1", "for n in range(3):\n    pass", "print(n)"],
    "set by a function": ["n = 1", "def f():\n    global n\n    n = 2", "print(n)"],
    "unpacked": ["(a, n), b = (1, 2), 3", "with open(a) as n:\n    pass", "print(n)"],
    "two functions": ["def f():\n    return 1", "def f():\n    return 2", "f()"],
    "an import": ["from torch import nn as n", "n = 3", "print(n)"],
    "a name of Python": ["sum = 1 + 2", "print(sum([1, 2]))"],
}


@pytest.mark.parametrize("case", TWICE)
def test_a_name_that_is_read_is_made_once(case):
    assert any("is made in" in message for message in names_of(*TWICE[case]).values())


CHANGED = {
    "an item": ("masks = {}", "masks['eyes'] = 1"),
    "an attribute": ("net = Net()", "net.weight = 1"),
    "deeper": ("net = Net()", "net.layers[0].weight += 1"),
    "a list": ("rows = []", "rows.append(1)"),
    "a set": ("rows = set()", "rows.symmetric_difference_update({1})"),
    "a tensor": ("x = torch.ones(3)", "x.clamp_(0)"),
    "an item that goes": ("rows = {}", "del rows['a']"),
    "in a function": ("rows = []", "def add():\n    rows.append(1)"),
    "a loop's target": ("rows = [0]", "for rows[0] in range(3):\n    pass"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_cell_changes_nothing_of_another(case):
    maker, changer = CHANGED[case]
    assert "changes" in names_of(maker, changer)["b"]
    assert names_of(f"{maker}\n{changer}") == {}


@pytest.mark.parametrize(
    "cells",
    [
        ["sigma, rng = 0.1, torch.Generator().manual_seed(0)", "torch.rand(3, generator=rng)"],
        ["rng = np.random.default_rng(0)", "def draw():\n    return rng.normal()"],
        ["rng = torch.Generator()\ndef draw():\n    return torch.rand(3, generator=rng)", "draw()"],
    ],
)
def test_a_cell_draws_from_its_own_generator(cells):
    assert any("draws from `rng`" in message for message in names_of(*cells).values())


AGAIN = {
    "made before it is read": ["y = 1\nprint(y)", "y = 2\nprint(y)"],
    "a loop's variable": ["for n in a:\n    print(n)", "for n in b:\n    print(n)"],
    "made in both branches": ["n = 1", "if ready:\n    n = 2\nelse:\n    n = 3\nprint(n)"],
    "read by what runs at once": [
        "n = 1\ncheck.expect('n', lambda: f(n), want=1)\nprint(max(rows, key=lambda row: row - n))",
        "n = 2\nprint(n)",
    ],
    "a placeholder": ["panel = other = None", "panel = watch()", "if panel:\n    print(panel)"],
    "the same import": ["from torch import nn", "from torch import nn", "nn.Module()"],
    "hidden by a comprehension": ["n = [n for n in rows]", "n = {n: 1 for n in b}\nprint(n)"],
    "hidden by an argument": ["n = 1", "n = 2", "def f(n):\n    n = n + 1\n    return n"],
    "a generator of its own": [
        "rng = torch.Generator()\nf(rng)",
        "rng = torch.Generator()\nf(rng)",
    ],
    "one maker": ["n = 1", "print(n)", "def f():\n    return n"],
}


@pytest.mark.parametrize("case", AGAIN)
def test_names_may_come_back_where_nothing_depends_on_it(case):
    assert names_of(*AGAIN[case]) == {}


def test_an_answer_counts_as_its_cell():
    notebook = good()
    assert list(notebooks.check_names(notebook)) == []
    add("exercise-twice", "\n\n\nfactor = 2")(notebook)
    put("test-twice", "factor = 3\nprint(factor)")(notebook)
    assert list(notebooks.check_names(notebook)) == []
    source = cell(notebook, "answer").source.replace("2 * x", "factor * x")
    put("answer", source)(notebook)
    (found,) = notebooks.check_names(notebook)
    assert "`factor` is made in exercise-twice and test-twice" in str(found)
    assert found.cell == "exercise-twice"


def test_usual_length():
    notebook = good()
    notebook.cells[3:3] = [new_code_cell("x = 1\n" * 16, id=f"sixteen-{i}") for i in range(5)]
    assert "lengths" in rules(notebook)


def test_quoted_claims():
    known = {"lesson00-fall": {"text": "3.5–4.0 dB"}}
    notebook = good()
    add("ask", "\nIt falls by 3.5–4.0 dB <!-- claim: lesson00-fall -->.")(notebook)
    assert rules(notebook, known=known) == set()
    add("ask", "\nIt falls by 13.5–4.0 dB <!-- claim: lesson00-fall -->.")(notebook)
    assert rules(notebook, known=known) == {"claims"}


@pytest.mark.parametrize(
    "prose",
    [
        "`5 dB`",
        "```\n5 dB\n```",
        "$5$ dB",
        "the 1990s",
        "25/255",
        "2 minutes <!-- source: the clock -->",
        "60 steps",
        "5 dBm",
    ],
)
def test_numbers_that_need_no_source(prose):
    assert notebooks.unsourced(prose) == []


def test_guesses_need_no_source():
    notebook = good()
    add("ask", "\n1. 3 dB\n2. 5 dB")(notebook)
    name("ask", "predict-the-fall")(notebook)
    assert "claims" not in rules(notebook)


def test_strip_keeps_ids_and_metadata_of_colab():
    notebook = good()
    ids = [c.id for c in notebook.cells]
    cell(notebook, "setup").outputs = [nbformat.v4.new_output("stream", text="hello")]
    mark("setup", scrolled=True, tags=["keep"], jupyter={"source_hidden": False})(notebook)
    notebook.metadata.widgets = {"x": {}}
    notebooks.strip(notebook)
    assert [c.id for c in notebook.cells] == ids
    assert cell(notebook, "setup").outputs == []
    assert cell(notebook, "setup").metadata == {"tags": ["keep"]}
    assert notebook.metadata == notebooks.METADATA


DEMO = notebooks.LESSONS / "90_live_demo.ipynb"


def test_the_demo_alone_is_folded_and_all_of_its_code():
    for path in notebooks.lessons():
        folds = [c.metadata for c in notebooks.read(path).cells if c.metadata.get("jupyter")]
        code = [c for c in notebooks.read(path).cells if c.cell_type == "code"]
        assert len(folds) == (len(code) if path == DEMO else 0), path.name


def test_strip_folds_the_demo_and_unfolds_the_others():
    for name, metadata in ((DEMO.name, notebooks.FOLDED), ("00_start_here.ipynb", {})):
        notebook = good()
        mark("test-twice", jupyter={"source_hidden": True})(notebook)
        notebooks.strip(notebook, name)
        assert cell(notebook, "test-twice").metadata == metadata
        assert cell(notebook, "ask").metadata == {}


def test_a_cell_of_the_demo_that_is_not_folded_is_found():
    notebook = notebooks.read(DEMO)
    assert "hidden" not in {finding.rule for finding in notebooks.check(notebook, DEMO)}
    cell(notebook, "heal").metadata = nbformat.from_dict({})
    found = [f.cell for f in notebooks.check(notebook, DEMO) if f.rule == "hidden"]
    assert found == ["heal"]
    cell(notebook, "minute-1").metadata.collapsed = True  # text is never hidden
    assert "minute-1" in {f.cell for f in notebooks.check(notebook, DEMO) if f.rule == "hidden"}


def test_badge_and_setup_are_written_once(monkeypatch):
    notebook = good("00_a.ipynb")
    once = notebooks.written(notebook)
    notebooks.write_badge(notebook, "00_a.ipynb")
    assert notebooks.written(notebook) == once
    monkeypatch.setattr(notebooks, "configured", lambda: {"repository": "me/mine", "tag": "v9"})
    notebooks.write_badge(notebook, "00_a.ipynb")
    assert "git+https://github.com/me/mine@v9" in cell(notebook, "setup").source
    assert cell(notebook, "setup").source.count("google.colab") == 1
    assert cell(notebook, "title").source.count("github/me/mine/blob/v9/lessons/00_a.ipynb") == 1


def test_badge_and_setup_are_added():
    notebook = good()
    put("title", "# 00 · A lesson\n\nA promise.")(notebook)
    put("setup", "import torch\n\nfrom dipcourse import presets\n\npresets.announce()")(notebook)
    notebooks.write_badge(notebook, "00_a.ipynb")
    assert cell(notebook, "title").source == cell(good("00_a.ipynb"), "title").source
    assert cell(notebook, "setup").source.startswith(notebooks.setup_head() + "import torch")


def test_navigation_links_neighbours(tmp_path):
    for i in range(3):
        notebook = good()
        put("title", f"# 0{i} · Lesson {i}")(notebook)
        (tmp_path / f"0{i}_x.ipynb").write_text(notebooks.written(notebook), encoding="utf-8")
    middle = notebooks.navigation(tmp_path / "01_x.ipynb")
    assert "[00 · Lesson 0](00_x.ipynb)" in middle
    assert "[02 · Lesson 2](02_x.ipynb)" in middle
    assert "Previous" not in notebooks.navigation(tmp_path / "00_x.ipynb")
    assert "Next" not in notebooks.navigation(tmp_path / "02_x.ipynb")


def test_a_demo_stands_outside_the_chain(tmp_path):
    for number in ("00", "01", "90", "91"):
        notebook = good()
        put("title", f"# {number} · Lesson {number}")(notebook)
        (tmp_path / f"{number}_x.ipynb").write_text(notebooks.written(notebook), encoding="utf-8")
    assert "Next" not in notebooks.navigation(tmp_path / "01_x.ipynb")
    demo = notebooks.navigation(tmp_path / "90_x.ipynb")
    assert "Previous" not in demo
    assert "Next" not in demo
    assert "[All lessons]" in demo


def test_command_line(tmp_path, capsys):
    path = tmp_path / "00_a.ipynb"
    notebook = good()
    cell(notebook, "setup").execution_count = 1
    put("title", "# 00 · A lesson")(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert notebooks.main(["check", str(path)]) == 1
    assert "00_a.ipynb: cell setup: holds outputs" in capsys.readouterr().out
    for command in ("strip", "badges", "nav"):
        assert notebooks.main([command, str(path)]) == 0
    assert notebooks.main(["check", str(path)]) == 0


# ---- the lessons


def test_there_are_lessons():
    assert LESSONS, "no lessons/NN_*.ipynb"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_obeys_the_rules(path):
    findings = notebooks.check(notebooks.read(path), path)
    assert [str(finding) for finding in findings] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_links_lead_somewhere(path):
    for target in re.findall(
        r"\]\(((?!https?:|#)[^)#\s]+)",
        "".join(c.source for c in notebooks.read(path).cells if c.cell_type == "markdown"),
    ):
        assert (path.parent / target).exists(), target


# ---- one notation: the table in lesson 00

FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$\n]+)\$", re.DOTALL)
#: what a formula may not have, where it may all the same, and what the table has instead
OTHER_SIGNS = {
    r"\\alpha|α": ((), "the step length is η"),
    r"\\t?frac[12]N|\\frac\{.*\}\{N\}|\\sqrt N|N/2": ((), "the number of values is n"),
    r"(?<![A-Za-z])n\s*-\s*1": ((), "n is no number of steps"),
    r"\\theta\^\*": ((), "what a fit returns is no minimum: θ_k"),
    r"(?<![A-Za-z\\{])m(?![A-Za-z])": (("00", "05"), "m is the mask: a mean has a bar"),
}


@pytest.mark.parametrize("path", notebooks.lessons(), ids=lambda path: path.stem)
def test_a_sign_means_what_the_table_of_lesson_00_says(path):
    for cell in notebooks.read(path).cells:
        formulas = ["".join(found) for found in FORMULA.findall(cell.source)]
        if cell.cell_type == "code":
            assert not re.search(r"\balpha\b(?!=)|α", cell.source), cell.id
            continue
        for sign, (allowed, words) in OTHER_SIGNS.items():
            if path.stem[:2] not in allowed:
                assert [f for f in formulas if re.search(sign, f)] == [], (cell.id, words)
