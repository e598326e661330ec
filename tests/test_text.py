"""Text that people give is text: no markup, and drawn in a font that has its characters."""

import re
import warnings
from html import unescape

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from dipcourse import _text, degrade, player, show
from dipcourse.history import History
from dipcourse.live import sight

ADD_NEW_FONTS = _text._add_new_fonts.__wrapped__  # without its memory
NOWHERE = "\U0003abcd"  # a character that is none
X = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def as_new(monkeypatch):
    """Nothing was looked up, and nothing said."""
    monkeypatch.setattr(_text, "_found", {})
    monkeypatch.setattr(_text, "_told", False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def only(monkeypatch, tmp_path):
    """The fonts of Matplotlib alone, and one more if the test calls this: squares for 中 and 😀."""
    own = [f for f in font_manager.fontManager.ttflist if "mpl-data" in f.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(_text, "_add_new_fonts", lambda: None)

    def install():
        path = tmp_path / "squares.ttf"
        squares().save(path)
        font_manager.fontManager.addfont(path)

    return install


def squares():
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 700), (950, 700), (950, 0)):
        pen.lineTo(corner)
    pen.closePath()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "square"])
    font.setupCharacterMap({ord("中"): "square", ord("😀"): "square"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    font.setupHorizontalMetrics(dict.fromkeys((".notdef", "square"), (1000, 50)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    return font


def history():
    frames = (X * 255).to(torch.uint8).expand(2, -1, -1, -1)
    return History(np.ones(9), np.array([0, 8]), frames, frames, X, X, 0.1)


# ---- no markup

ODD = [
    "$$",
    "$x$ and $y$",
    r"\alpha_{",
    "_loss",
    "a_b^c.jpg",
    "100 %",
    "{title}",
    "<b>&\"'</b>",
    "#1",
]


@pytest.mark.parametrize("text", ODD)
def test_a_title_is_drawn_as_it_stands(figures, text):
    picture = show.images({text: X})
    (artist,) = figures[0].texts
    assert artist.get_text() == text
    assert not artist.get_parse_math()
    assert picture.alt == f"A picture: {text}."
    assert unescape(re.search(r'aria-label="([^"]*)"', picture.html)[1]) == picture.alt
    assert unescape(re.search("<figcaption[^>]*>(.*?)</figcaption>", picture.html)[1]) == text


def names_and_marks(figure, count):
    """The texts of a chart: the names of so many curves, and the marks."""
    texts = figure.axes[0].texts
    if figure.legends:
        return figure.legends[0].get_texts(), texts
    return texts[:count], texts[count:]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("count", [2, 6])  # names at the ends, and a legend
def test_words_of_a_chart_are_drawn_as_they_stand(figures, text, count):
    more = {str(number): [3, 2, 1] for number in range(count - 1)}
    show.curves(
        {text: [1, 2, 3], **more},
        title=text,
        xlabel=text,
        ylabel=text,
        oracle=[text],
        mark={text: 1},
    )
    axes = figures[0].axes[0]
    names, (mark,) = names_and_marks(figures[0], count)
    assert [t.get_text() for t in names] == [f"{text}\n(needs the clean image)", *more]
    title = axes.get_title(loc="left")
    assert title == axes.get_xlabel() == axes.get_ylabel() == text
    assert mark.get_text() == f"{text}: 1"
    artists = [*names, mark, axes.xaxis.label, axes.yaxis.label]
    assert not any(artist.get_parse_math() for artist in artists)


def test_titles_that_are_one_as_text_are_two_pictures(figures):
    assert show.images({1: X, "1": X}).alt == "2 pictures side by side: 1; 1."
    assert len(figures[0].axes) == 2


def test_an_empty_title_is_none(figures):
    assert show.images({"": X}, zoom=(0, 0, 8)).alt == "A picture: untitled."
    assert [text.get_text() for text in figures[0].texts] == ["", "enlarged"]


def test_control_characters_and_half_characters_are_replaced(figures, tmp_path):
    """A file name may hold such, and no picture file and no page can."""
    picture = show.images({"a\tb\0c\udcff": X})
    assert figures[0].texts[0].get_text() == "a b c\N{REPLACEMENT CHARACTER}"
    assert picture.alt == "A picture: a b c\N{REPLACEMENT CHARACTER}."
    for ending in ("png", "jpg", "pdf", "svg", "html"):
        picture.save(tmp_path / f"x.{ending}")
    player.iterations(history(), title="a\udcff").save(tmp_path / "player.html")


def test_pages_escape_what_they_are_given():
    title = "<b>&\"'</b>"
    pages = [
        player.iterations(history(), title=title),
        player.compare(X, X.flip(3), labels=(title, title), title=title),
        show.images({title: X}),
    ]
    for html in [*(page.html for page in pages), sight.view(title, {title: X}, [2, 1])]:
        assert "<b>" not in html
        assert "&lt;b&gt;" in html


# ---- fonts


def test_a_script_is_drawn_where_a_font_is_there(only, figures, capsys):
    only()
    show.images({"中 😀 x": X})
    (artist,) = figures[0].texts
    assert artist.get_text() == "中 😀 x"
    assert artist.get_fontfamily()[-1] == "Squares"
    assert capsys.readouterr().out == ""


def test_a_font_that_was_just_installed_is_found(only, monkeypatch, tmp_path, capsys):
    """Matplotlib keeps a list of fonts, and looks no more."""
    squares().save(tmp_path / "squares.ttf")
    (tmp_path / "broken.ttf").write_text("no font")
    installed = [str(tmp_path / name) for name in ("broken.ttf", "squares.ttf")]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: installed)
    monkeypatch.setattr(_text, "_add_new_fonts", ADD_NEW_FONTS)
    assert _text.drawable("中") == "中"
    assert capsys.readouterr().out == ""


def test_what_no_font_has_is_said_once(only, figures, capsys):
    for _ in range(2):
        show.images({f"中 {NOWHERE} x": X})
        show.curves({"😀": [1, 2]}, title="中", xlabel="中", mark={"中": 1})
    assert [artist.get_text() for artist in figures[0].texts] == ["□ □ x"]
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "No font here has 中" in said
    assert "Install one" in said


def test_the_alt_text_keeps_what_is_not_drawn(only):
    assert show.images({"中": X}).alt == "A picture: 中."


def test_marks_that_change_others_leave_no_box(only, figures, capsys):
    show.images({f"a{chr(0xE0101)}b\u3000c": X})  # a variation selector, a wide space
    assert figures[0].texts[0].get_text() == "ab c"
    assert capsys.readouterr().out == ""


def test_a_mask_has_letters_of_every_script(only, capsys):
    only()
    mask = degrade.text_mask(40, 200, "中E ", 24)[0, 0]
    assert capsys.readouterr().out == ""
    square, letter = (mask[:24, left : left + 15] == 0 for left in (3, 25))
    assert square[7:18, 3:].all()
    assert abs(bottom(square) - bottom(letter)) <= 1  # on one base line


def bottom(part):
    return int(part.any(1).nonzero().max())


def test_a_mask_says_what_it_cannot_draw(only, capsys):
    mask = degrade.text_mask(30, 60, f"{NOWHERE} ", 20)
    assert not mask.all()
    assert torch.equal(mask, degrade.text_mask(30, 60, "□ ", 20))
    assert capsys.readouterr().out.count("No font here has") == 1


# ---- room


@pytest.mark.parametrize("word", ["WWWWWWWW", "longer words of a title", "中中中中"])
def test_no_line_is_wider_than_its_picture(only, figures, word):
    only()
    show.images(dict.fromkeys((f"{i} " + 9 * word for i in range(4)), X))
    (figure,) = figures
    boxes = [text.get_window_extent() for text in figure.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_line_ends_stay(figures):
    show.images({"one\ntwo": X})
    assert figures[0].texts[0].get_text() == "one\ntwo"


@pytest.mark.parametrize("count", [2, 6])
def test_long_words_of_a_chart_stay_inside(figures, count):
    long = "word " * 60
    curves = {f"{number} {long}": [1, 2] for number in range(count)}
    show.curves(curves, title=long, xlabel=long, ylabel=long, mark={long: 1})
    (figure,) = figures
    axes = figure.axes[0]
    names, marks = names_and_marks(figure, count)
    for artist in [axes.xaxis.label, axes.yaxis.label, *names, *marks, axes._left_title]:
        box = artist.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize(("position", "log"), [(np.nan, ""), (None, ""), ("end", ""), (0, "x")])
def test_a_mark_without_a_place_is_named(position, log):
    with pytest.raises(ValueError, match=f"mark 'stop' is at {position!r}: give a place"):
        show.curves({"loss": ([1, 2, 3], [3, 2, 1])}, mark={"stop": position}, log=log)
