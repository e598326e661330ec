"""The book: pages that need no network, and a failing lesson that is named and stops nothing."""

import base64
import importlib
import io
import itertools
import re
import threading
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tools import book, notebooks, reference
from tools.execute import Run
from tools.mathml import mathml

pytestmark = [  # of myst_parser and Sphinx, about themselves
    pytest.mark.filterwarnings("ignore:.*MystReferenceResolver"),
    pytest.mark.filterwarnings("ignore:The mapping interface for autodoc"),
]

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

[next](01_total_variation.ipynb), [absent](02_c.ipynb), [all](../README.md#lessons),
[help](../CONTRIBUTING.md)

## A question

% no comment, {role}`no role` <!-- claim: none -->.

<details><summary>Answer</summary>

A folded *answer*:

```python
answer = table["it"](42)
```

</details>"""
PROGRESS = """
import time

for i in range(4):
    print(f'\\rstep {i}', end='', flush=True)
    time.sleep(0.3)  # so that each is an output of its own
print('\\ndone')
"""
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
COMPARE = "player.compare(torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32), ('dark', 'bright'))"


@pytest.fixture(scope="module")
def made(tmp_path_factory, warm_kernels):
    """A book of two lessons, the second of which fails: (what was said, its folder)."""
    folder = tmp_path_factory.mktemp("lessons")
    good = [new_markdown_cell(FORMULA, id="title")]
    for i, source in enumerate([PROGRESS, SLIDER, PICTURE, PLAYER, COMPARE]):
        good.append(new_code_cell(source, id=f"run-{i}"))
    bad = [
        new_markdown_cell("# 01 · Another\n\nIt fails.", id="title"),
        new_code_cell("import os\nassert os.environ['DIPCOURSE_SCALE'] == 'smoke'", id="scale"),
        new_code_cell("raise ValueError('on purpose')", id="the-failure"),
        new_code_cell("print('never')", id="after"),
    ]
    for name, cells in {"01_total_variation": bad, "00_a": good}.items():
        text = notebooks.written(new_notebook(cells=cells, metadata=notebooks.METADATA))
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    paths = [str(folder / f"{name}.ipynb") for name in ("01_total_variation", "00_a")]
    with redirect_stdout(out), redirect_stderr(err):
        code = book.main(["--scale", "smoke", "--into", str(folder / "book"), *paths])
    said = SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue())
    return said, folder / "book"


@pytest.fixture
def first(made, open_page):
    """The page of the lesson that works, in the browser."""
    return open_page(made[1] / "00_a.html")


@pytest.fixture
def served(made):
    """The address of a web server that has the book."""
    handler = partial(SimpleHTTPRequestHandler, directory=made[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def follow(link):
    """Click on a link, and wait for its page."""
    with link.page.expect_navigation():
        link.click()


def words(page):
    return page.get_by_role("main").inner_text()


def test_the_failing_lesson_is_named_and_stops_nothing(made):
    said, folder = made
    assert said.code == 1
    failure = r"01_total_variation .*FAILED in cell the-failure\n +ValueError: on purpose"
    assert re.search(failure, said.out)
    assert re.search(r"00_a .* s +ok", said.out)
    assert said.err == ""  # what Sphinx has to complain about
    text = re.sub("<[^>]+>", "", (folder / "01_total_variation.html").read_text("utf-8"))
    assert "ValueError: on purpose" in text
    assert text.count("never") == 1  # in the code, not as its output


def is_dark(page):
    (shade, text) = page.evaluate(
        """() => ['backgroundColor', 'color'].map((name) =>
        getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3).map(Number))"""
    )
    assert abs(sum(shade) - sum(text)) > 3 * 130
    return sum(shade) < 3 * 60


@pytest.mark.browser
def test_the_switch_changes_the_theme_for_all_pages(first):
    switch = first.get_by_role("button", name="theme").locator("visible=true")
    seen = []
    for _ in range(3):
        switch.click()
        seen.append(is_dark(first))
    assert set(seen) == {True, False}
    while not is_dark(first):
        switch.click()
    follow(first.get_by_role("link", name="next", exact=True))
    assert is_dark(first)


@pytest.mark.browser
def test_a_web_server_will_do(served, open_page):
    page = open_page(served + "00_a.html")
    follow(page.get_by_role("link", name="Next 01"))
    page.wait_for_load_state("networkidle")
    assert page.requests
    assert all(url.startswith(served) for url in page.requests)


@pytest.mark.browser
def test_formulas_are_mathml(first):
    assert first.locator("math").count() == 4
    assert first.locator("math[display=block]").count() == 2
    widths = first.locator("math").evaluate_all(
        "all => all.map(m => m.getBoundingClientRect().width)"
    )
    assert min(widths) > 8
    overflow = first.locator("div.math").evaluate_all(
        "all => all.map(div => div.scrollHeight - div.clientHeight)"
    )
    assert overflow == [0, 0]
    text = words(first)
    assert "\\lambda" not in text
    assert "\\begin" not in text
    assert "a_b_c" in text
    assert "$5" in text


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 800, 1400])
def test_no_page_is_wider_than_its_window(first, width):
    first.set_viewport_size({"width": width, "height": 800})
    assert first.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.browser
def test_text_is_what_jupyter_shows(first):
    assert "% no comment, {role}no role.\n" in words(first)
    first.get_by_text("Answer", exact=True).click()
    assert first.get_by_text("A folded answer").is_visible()
    assert 'table["it"](42)' in words(first)


@pytest.mark.browser
def test_outputs(first):
    text = words(first)
    assert "step 3" in text
    assert "step 2" not in text
    assert "live panel" in text
    assert "IntSlider(value" not in text
    assert first.get_by_alt_text("a dot").count() == 1


@pytest.mark.browser
def test_the_player_lives_on_without_a_kernel(first):
    slider = first.locator(".dipcourse-player").get_by_role("slider")
    slider.focus()
    for _ in range(3):
        first.keyboard.press("ArrowRight")
    first.get_by_text("step 3 of").first.wait_for()
    shade = first.locator(".dipcourse-player canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(16, 16, 1, 1).data[0]"
    )
    assert shade == pytest.approx(140, abs=8)
    assert first.requests == []


@pytest.mark.browser
def test_the_divider_lives_on_without_a_kernel(first):
    slider = first.locator(".dipcourse-compare").get_by_role("slider")
    slider.focus()
    first.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "51 per cent dark"


@pytest.mark.browser
def test_print_shows_what_stands_still(first):
    first.emulate_media(media="print")
    assert first.get_by_role("button").locator("visible=true").count() == 0
    assert first.get_by_role("slider").locator("visible=true").count() == 0
    assert first.get_by_role("navigation").locator("visible=true").count() == 0
    assert first.get_by_role("search").locator("visible=true").count() == 0
    assert first.get_by_alt_text("Iterations: the output at step 3").is_visible()
    assert first.get_by_text("A folded answer").is_visible()


@pytest.mark.browser
def test_links_lead_on(made, open_page):
    page = open_page(made[1] / "index.html")
    follow(page.get_by_role("main").get_by_role("link", name="00 · A lesson"))
    assert page.title().startswith("00 · A lesson")
    for name, end in {"help": "/CONTRIBUTING.md", "absent": "/lessons/02_c.ipynb"}.items():
        address = page.get_by_role("link", name=name).get_attribute("href")
        assert re.fullmatch(rf"https://github\.com/.+/v\d.*{end}", address)
    follow(page.get_by_role("link", name="next", exact=True))
    assert page.title().startswith("01 · Another")
    follow(page.get_by_role("link", name="Previous 00"))
    assert page.title().startswith("00 · A lesson")
    follow(page.get_by_role("complementary").get_by_role("link", name="01 · Another"))
    assert page.title().startswith("01 · Another")
    page.go_back()
    follow(page.get_by_role("link", name="all", exact=True))
    assert "a course to run" in page.get_by_role("heading", level=1).inner_text()


@pytest.mark.browser
def test_search_works_from_disk(first):
    first.get_by_role("search").get_by_role("textbox").fill("purpose")
    first.keyboard.press("Enter")
    follow(first.get_by_role("main").get_by_role("link", name="01 · Another"))
    assert first.title().startswith("01 · Another")


@pytest.mark.browser
def test_the_start_page_welcomes(made, open_page):
    page = open_page(made[1] / "index.html")
    text = words(page)
    assert "An untrained network" in text
    row = page.get_by_role("row").filter(has_text="00 · A lesson").inner_text()
    assert re.search(r"Promise with .*and a_b_c\.\s+\d+\ss$", row)
    assert "stopped in cell “the-failure”: ValueError: on purpose" in text
    assert re.search(r"at scale smoke, on .+ \(\d+ cores\), 20\d\d-\d\d-\d\d", text)


def test_the_start_page_says_what_the_readme_says():
    path = notebooks.lessons()[0]
    text = book.start_page({path: Run(41.2)}, "paper")
    assert f"]({path.name}) | say what the prior is" in text
    assert "| 41\N{NO-BREAK SPACE}s |" in text


@pytest.mark.browser
@pytest.mark.parametrize("name", ["index", "00_a", "01_total_variation", "search"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_request_nothing_follow_the_theme_and_are_accessible(made, open_page, name, scheme):
    page = open_page(made[1] / f"{name}.html", color_scheme=scheme)
    page.wait_for_timeout(300)
    assert page.requests == []
    assert is_dark(page) == (scheme == "dark")
    assert page.locator("html").get_attribute("lang") == "en"
    levels = page.get_by_role("heading").evaluate_all("all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.evaluate(FAINT) == []
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert "content" in focused.inner_text()
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"


#: Texts whose contrast with what lies behind them is below 4.5 (3 for large ones).
FAINT = """() => {
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  function behind(node) {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  }
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !node.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 80)}`);
  }
  return found;
}"""


@pytest.mark.parametrize(
    ("processor", "name"), [("avx512", "lesson03-time"), ("avx2", "lesson03-time-avx2")]
)
def test_times_are_quoted(tmp_path, monkeypatch, processor, name):
    saved = {}
    monkeypatch.setattr(book.quoting, "save", saved.update)
    monkeypatch.setattr(book.circumstances, "processor", lambda: processor)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", processor)
    book.record({tmp_path / "03_x.ipynb": Run(171.3)}, "laptop")
    assert saved[name]["text"] == "2.9 min"
    assert saved[name]["values"] == [171.3]
    made = f"ATEN_CPU_CAPABILITY={processor} python -m tools.book --record"
    assert saved[name]["command"].endswith(made)


def test_large_pictures_keep_their_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    output = new_output("display_data", {"text/html": f'<img alt="noise" src="{source}">'})
    notebook = new_notebook(cells=[new_code_cell(outputs=[output])])
    book.for_the_web(notebook, {})
    html = notebook.cells[0].outputs[0].data["text/html"]
    (data,) = re.fullmatch('<img alt="noise" src="data:image/webp;base64,(.*)">', html).groups()
    assert np.array_equal(np.array(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)


def test_greek_letters_are_upright():
    """Slanted ones for formulas are empty boxes where no font for mathematics is installed."""
    formula = mathml(r"\theta \alpha \varepsilon \Theta x")
    assert formula.count('<mi mathvariant="normal">') == 4
    assert "<mi>x</mi>" in formula


def test_a_page_that_is_too_large_is_a_fault(tmp_path, capsys):
    (tmp_path / "04_long.html").write_bytes(bytes(2000))
    assert book.too_large(tmp_path, limit=1000)
    assert "04_long.html has 0.0 MB: keep fewer frames" in capsys.readouterr().err
    assert not book.too_large(tmp_path, limit=3000)


def test_formulas_beyond_latex2mathml():
    assert "\\" not in mathml(r"\arg\min_\theta E")
    assert "&" not in re.sub(r"&#?\w+;", "", mathml(r"\begin{aligned}a&=b\\c&=d\end{aligned}"))
    with pytest.raises(ValueError, match="nosuchcommand"):
        mathml(r"\nosuchcommand{x}")


def test_what_sphinx_complains_about_is_a_fault(tmp_path, capsys):
    (tmp_path / "index.md").write_text("# A\n\n$\\nosuchcommand{x}$\n", encoding="utf-8")
    assert not book.render(tmp_path, tmp_path / "book")
    assert "nosuchcommand has no MathML" in capsys.readouterr().err


def test_the_lessons_make_pages_without_a_complaint(tmp_path, capsys):
    lessons = notebooks.lessons()
    for path in lessons:
        notebook = notebooks.read(path)
        book.for_the_web(notebook, {path.stem for path in lessons})
        (tmp_path / path.name).write_text(notebooks.written(notebook), encoding="utf-8")
    start = book.start_page(dict.fromkeys(lessons, Run(1)), "laptop")
    (tmp_path / "index.md").write_text(start, encoding="utf-8")
    (tmp_path / "package.md").write_text("# The package\n", encoding="utf-8")
    assert book.render(tmp_path, tmp_path / "book"), capsys.readouterr().err
    for path in lessons:
        text = (tmp_path / "book" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert text.count("<h1") == 1
        assert ".ipynb" not in re.sub(r"https://[^\"\s]+", "", text)


# ---- the reference of the package


@pytest.fixture
def pages(made):
    """The reference, beside the lessons of this book: {name of the page: its HTML}."""
    return {path.stem: path.read_text(encoding="utf-8") for path in made[1].glob("package*.html")}


@pytest.mark.parametrize("room", reference.ROOMS)
def test_a_page_shows_every_function_of_its_room(pages, room):
    for name, _ in reference.public(importlib.import_module(f"dipcourse.{room}")):
        assert f'id="dipcourse.{room}.{name}"' in pages[f"package-{room}"]


def test_lessons_of_the_book_are_linked_there_and_others_in_the_repository(pages):
    page = pages["package-priors"]
    assert 'href="01_total_variation.html"' in page
    assert f'href="{book.repository()}/lessons/02_' in pages["package-nets"]
    assert f'href="{book.repository()}/assignments/a1_' in pages["package-assignment"]


def test_what_a_function_returns_is_whole(pages):
    """Its first words, before a colon, are not taken for a type."""
    assert (
        "An interrupt (Ctrl-C, the stop button) stops this fit alone: what" in pages["package-fit"]
    )


def test_the_settings_of_a_fit_stand_in_its_help(pages):
    help_ = pages["package-fit"].partition('id="dipcourse.fit.fit"')[2]
    help_ = help_.partition('id="dipcourse.fit.')[0]  # the next one
    assert "standard deviation of fresh normal noise" in help_
