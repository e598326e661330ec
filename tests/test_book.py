"""The book: pages that need no network, and a failing lesson that is named and stops nothing."""

import os
import re
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import book, notebooks

FORMULA = r"""# 00 · A lesson

[![Open in Colab](https://example.org/badge.svg)](https://example.org/lesson)

Promise with $E(x; y) + \lambda\,\mathrm{TV}(x)$ and a_b_c.

$$\sum_{i,j} \sqrt{(x_{i+1,j} - x_{i,j})^2 + \varepsilon^2}, \quad \hat{x} = f_{\theta}(z)$$

\begin{equation}
\min_\theta \lVert A f_\theta(z) - y \rVert^2
\end{equation}

| symbol | meaning |
|---|---|
| $\lVert x \rVert_1$ | costs `$5` |

[next](01_b.ipynb), [all](../README.md#lessons), [help](../CONTRIBUTING.md)"""
PROGRESS = "import sys\nfor i in range(4):\n    sys.stdout.write(f'\\rstep {i}')\nprint('\\ndone')"
SLIDER = "import ipywidgets\ndisplay(ipywidgets.IntSlider(description='λ'))"
PICTURE = (
    "from IPython.display import HTML\n"
    'HTML(\'<img alt="a dot" src="data:image/gif;base64,'
    "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\">')"
)
PLAYER = """
import numpy as np, torch
from dipcourse import player
from dipcourse.history import History
frames = torch.arange(20, 220, 40, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 32, 32)
last = frames[-1:] / 255
player.iterations(History(np.geomspace(1, .1, 5), np.arange(5), frames, frames, last, last, 1.0))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A book of two lessons, the second of which fails: (finished process, its folder)."""
    folder = tmp_path_factory.mktemp("lessons")
    good = [new_markdown_cell(FORMULA, id="title")]
    for i, source in enumerate([PROGRESS, SLIDER, PICTURE, PLAYER]):
        good.append(new_code_cell(source, id=f"run-{i}"))
    bad = [
        new_markdown_cell("# 01 · Another\n\nIt fails.", id="title"),
        new_code_cell("import os\nassert os.environ['DIPCOURSE_SCALE'] == 'smoke'", id="scale"),
        new_code_cell("raise ValueError('on purpose')", id="the-failure"),
        new_code_cell("print('never')", id="after"),
    ]
    for name, cells in {"01_b": bad, "00_a": good}.items():
        text = notebooks.written(new_notebook(cells=cells, metadata=notebooks.METADATA))
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "tools.book", "--scale", "smoke", "--into", folder / "book"]
    process = subprocess.run(
        [*command, folder / "01_b.ipynb", folder / "00_a.ipynb"],
        cwd=notebooks.ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
    )
    return process, folder / "book"


def test_the_failing_lesson_is_named_and_stops_nothing(made):
    process, folder = made
    assert process.returncode == 1, process.stderr
    assert re.search(r"01_b .*FAILED in cell the-failure\n +ValueError: on purpose", process.stdout)
    assert re.search(r"00_a .* s +ok", process.stdout)
    assert "never" not in re.sub("<[^>]+>", "", (folder / "01_b.html").read_text("utf-8")).replace(
        "print('never')", ""
    )


@pytest.mark.browser
@pytest.mark.parametrize("name", ["index", "00_a", "01_b"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_request_nothing_and_follow_the_theme(made, open_page, name, scheme):
    page = open_page(made[1] / f"{name}.html", color_scheme=scheme)
    page.wait_for_timeout(300)
    assert page.requests == []
    shade = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    text = page.evaluate("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
    if name != "index":
        assert (sum(shade) < 3 * 60) == (scheme == "dark")
    assert (sum(text[:3]) > 3 * 150) == (scheme == "dark")


@pytest.mark.browser
def test_formulas_are_mathml(made, open_page):
    page = open_page(made[1] / "00_a.html")
    assert page.locator("math").count() == 4
    assert page.locator("math[display=block]").count() == 2
    widths = page.locator("math").evaluate_all(
        "all => all.map(m => m.getBoundingClientRect().width)"
    )
    assert min(widths) > 8
    words = page.locator("main").inner_text()
    assert "\\lambda" not in words
    assert "\\begin" not in words
    assert "a_b_c" in words
    assert "$5" in words


@pytest.mark.browser
def test_outputs(made, open_page):
    page = open_page(made[1] / "00_a.html")
    words = page.locator("main").inner_text()
    assert "step 3" in words
    assert "step 2" not in words
    assert "live panel" in words
    assert "IntSlider(value" not in words
    assert page.get_by_alt_text("a dot").count() == 1


@pytest.mark.browser
def test_the_player_lives_on_without_a_kernel(made, open_page):
    page = open_page(made[1] / "00_a.html")
    slider = page.locator(".dipcourse-player").get_by_role("slider")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_text("step 3 of").first.wait_for()
    shade = page.locator(".dipcourse-player canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(16, 16, 1, 1).data[0]"
    )
    assert shade == pytest.approx(140, abs=8)
    assert page.requests == []


@pytest.mark.browser
def test_links_lead_on(made, open_page):
    page = open_page(made[1] / "index.html")
    assert "stopped in cell “the-failure”" in page.locator("body").inner_text()
    page.get_by_role("link", name="00 · A lesson").click()
    assert page.title() == "00 · A lesson"
    help_ = page.get_by_role("link", name="help").get_attribute("href")
    assert help_.startswith("https://github.com/")
    page.get_by_role("link", name="next").click()
    assert page.title() == "01 · Another"
    page.go_back()
    page.get_by_role("link", name="all").click()
    assert page.title().startswith("The Deep Image Prior")


def test_times_are_quoted(tmp_path, monkeypatch):
    saved = {}
    monkeypatch.setattr(book.claims, "save", saved.update)
    book.record({tmp_path / "03_x.ipynb": book.Run(171.3)}, "laptop")
    assert saved["lesson03-time"]["text"] == "2.9 min"
    assert saved["lesson03-time"]["values"] == [171.3]


def test_formulas_beyond_latex2mathml():
    assert "\\" not in book.mathml(r"\arg\min_\theta E")
    assert "&" not in re.sub(r"&#?\w+;", "", book.mathml(r"\begin{aligned}a&=b\\c&=d\end{aligned}"))
    with pytest.raises(ValueError, match="nosuchcommand"):
        book.mathml(r"\nosuchcommand{x}")


@pytest.mark.parametrize("path", notebooks.lessons(), ids=lambda path: path.stem)
def test_every_formula_of_a_lesson_is_drawn(path):
    assert "</html>" in book.page(notebooks.read(path), path.stem)
