"""Figures: what they show, what they say, and that a notebook shows them once."""

import io
import itertools
import re
import sys
from functools import cache
from html import escape, unescape

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from traitlets.config import Config

from dipcourse import images, live, metrics, player, show
from dipcourse.history import History
from dipcourse.images import codec
from dipcourse.show import panels, sizes


def noise(*shape, seed=0):
    return torch.rand(1, *shape, generator=torch.Generator().manual_seed(seed))


def history_of(count=12, size=16):
    frames = (noise(count * 3, size, size).view(count, 3, size, size) * 255).to(torch.uint8)
    last = frames[-1:].float() / 255
    steps = np.arange(count) * 10
    return History(np.ones(int(steps[-1]) + 1), steps, frames, 255 - frames, last, 1 - last, 1.0)


def pixels(picture):
    """The figure as an array (height, width, 3), its gap and the density, in device pixels."""
    with Image.open(io.BytesIO(picture.png)) as file:
        density = file.info["dpi"][0] / 100
        return np.asarray(file.convert("RGB")), round(panels.GAP * density), density


# ---- pictures


@pytest.mark.parametrize(("count", "size"), [(1, 16), (2, 96), (3, 192), (5, 192), (4, 64)])
def test_a_pixel_stays_a_square_of_equal_colour(count, size):
    x = noise(3, size, size)
    array, gap, _ = pixels(show.images(dict.fromkeys("abcde"[:count], x)))
    side = (array.shape[1] - (count + 1) * gap) // count
    assert side % size == 0
    factor = side // size
    panel = array[-gap - side : -gap, -gap - side : array.shape[1] - gap].astype(int)
    want = images.to_numpy(x).repeat(factor, 0).repeat(factor, 1) * 255
    assert np.abs(panel - want).max() <= 1


def test_all_pictures_share_their_limits():
    array, gap, _ = pixels(
        show.images(
            {"dark": torch.full((1, 1, 16, 16), 0.2), "light": torch.full((1, 3, 8, 8), 2.0)}
        )
    )
    row = array[-gap - 20]
    assert row[gap + 20].tolist() == [51] * 3
    assert row[-gap - 20].tolist() == [255] * 3


def test_differences_have_zero_in_grey():
    d = torch.full((1, 3, 16, 16), 0.0)
    d[:, :, :, 8:] = -0.1
    picture = show.images({"difference": d}, limits=(-0.2, 0.2))
    array, gap, density = pixels(picture)
    row = array[-gap - round(panels.LINE * density) - 40]
    assert set(row[gap + 5]) <= {127, 128}
    assert set(row[-gap - 5]) <= {63, 64}
    assert "black: −0.2 or less, grey: 0, white: 0.2 or more" in picture.alt


# ---- pictures, as a notebook shows them


def shown_pixels(picture):
    """The images of a page, as uint8 tensors (C, H, W)."""
    sources = re.findall(r'<img src="([^"]*)"', picture.html)
    return [codec.decoded(codec.from_address(source)) for source in sources]


@pytest.mark.parametrize("shape", [(1, 16, 24), (3, 64, 48), (3, 8, 8)])
def test_the_page_shows_every_pixel(shape):
    for x in (noise(*shape), noise(*shape).round()):
        (got,) = shown_pixels(show.images({"x": x}))
        assert got.shape == shape
        error = got.float() - images.levels(x)[0].float()
        assert error.square().mean().sqrt() < 2  # grey levels


def test_the_page_has_each_picture_with_its_caption_below():
    x, y = noise(3, 32, 32), noise(3, 32, 32, seed=1)
    page = show.images({"a < b": x, "y": y}, reference=x, zoom=(8, 4, 16)).html
    assert re.findall("<figcaption[^>]*>(.*?)</figcaption>", page) == [
        "a &lt; b<br>equal to the reference",
        f"y<br>{metrics.psnr(y, x):.1f} dB",
    ]
    assert re.findall(r'alt="y, [\d.]+ dB(.*?)"', page) == ["", ", enlarged"]
    assert page.count("left:12.50%;top:25.00%;width:50.00%;height:50.00%") == 2


@pytest.mark.browser
def test_rows_shrink_and_wrap_and_follow_the_dark_theme(open_page, tmp_path):
    """Three pictures stand side by side at 800 pixels; on a phone there are two in a row."""
    show.images(dict.fromkeys("abc", noise(3, 192, 192))).save(tmp_path / "page.html")
    for width, in_a_row in ((1400, 3), (800, 3), (400, 2)):
        viewport = {"width": width, "height": 800}
        page = open_page(tmp_path / "page.html", viewport=viewport, color_scheme="dark")
        boxes = [figure.bounding_box() for figure in page.locator("figure").all()]
        assert sum(box["y"] == boxes[0]["y"] for box in boxes) == in_a_row
        assert all(box["x"] + box["width"] <= width for box in boxes)
        assert {round(box["width"]) for box in boxes} == {192} or width == 400
    colour, caption = "e => getComputedStyle(e).color", page.locator("figcaption").first
    assert caption.evaluate(colour) == page.locator("body").evaluate(colour)
    assert caption.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 12


@pytest.mark.browser
def test_a_chart_can_be_read_on_a_phone(open_page, tmp_path):
    """It shrinks with its window, but no further than its words can be read; then it scrolls."""
    steps = np.arange(100)
    show.curves({"a": 1 / (1 + steps), "b": 1 / (2 + steps)}).save(tmp_path / "page.html")
    for width in (1400, 800, 400):
        page = open_page(tmp_path / "page.html", viewport={"width": width, "height": 800})
        chart = page.locator("img")
        across = chart.evaluate("e => e.clientWidth / e.getAttribute('width')")
        assert across * sizes.FONT > 9.9  # CSS pixels
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    last = chart.evaluate("e => { e.parentNode.scrollLeft = 999; return e.parentNode.scrollLeft }")
    assert last > 200


def test_captions_are_computed(figures):
    x = noise(3, 32, 32)
    y = (x + 0.1 * noise(3, 32, 32, seed=1)).clamp(0, 1)
    hidden = torch.zeros(1, 1, 32, 32)
    hidden[:, :, :8] = 1
    small = noise(3, 8, 8)
    picture = show.images({"noisy": y, "clean": x, "small": small}, reference=x)
    dB = f"{metrics.psnr(y, x):.1f} dB"
    assert picture.alt == (
        f"3 pictures side by side: noisy, {dB}; clean, equal to the reference; small, 8 × 8 pixels."
    )
    drawn = [text.get_text() for text in figures[0].texts]
    assert drawn == [f"noisy\n{dB}", "clean\nequal to the reference", "small\n8 × 8 pixels"]
    part = show.images({"noisy": y}, reference=x, hidden=hidden)
    assert (
        part.alt == f"A picture: noisy, {metrics.psnr(y, x, hidden):.1f} dB (dB: on hidden pixels)."
    )
    assert part.html.count("dB: on hidden pixels") == 2  # once for the eye, once read aloud


@pytest.mark.parametrize("count", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [32, 192, 512])
def test_legible_in_a_notebook(figures, count, size):
    titles = [f"a title of some length, number {i}" for i in range(count)]
    picture = show.images(dict.fromkeys(titles, noise(1, size, size)))
    assert len(picture.png) < 2_000_000
    width = int(re.search(r'width="(\d+)"', show.Picture.stored(picture.png).html)[1])
    assert width <= 1.02 * sizes.WIDTH
    (figure,) = figures
    per_point = width / figure.get_size_inches()[0] / 72
    assert all(text.get_fontsize() * per_point >= 12 for text in figure.texts)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_numbers_may_be_titles(figures):
    picture = show.images({1: noise(1, 8, 8), 0.5: noise(1, 8, 8)})
    assert picture.alt == "2 pictures side by side: 1; 0.5."
    assert [text.get_text() for text in figures[0].texts] == ["1", "0.5"]


def test_zoom_shows_the_square_enlarged():
    x = torch.zeros(1, 1, 32, 32)
    x[:, :, 8:16, 16:24] = 1
    array, gap, _ = pixels(show.images({"x": x}, zoom=(8, 16, 8)))
    side = array.shape[1] - 2 * gap
    assert (array[-gap - side : -gap, gap:-gap] == 255).all()


def test_zoom_frames_the_square_in_the_whole_picture(figures):
    show.images({"x": noise(1, 32, 32), "y": noise(1, 32, 32)}, zoom=(8, 16, 9))
    frames = [[patch.get_bbox().bounds for patch in axes.patches] for axes in figures[0].axes]
    assert frames == [[(15.5, 7.5, 9, 9)] * 2] * 2 + [[]] * 2


def test_background_is_white_with_a_margin():
    array, gap, _ = pixels(show.images({"black": torch.zeros(1, 1, 16, 16)}))
    assert (array[:, : gap - 1] == 255).all()
    assert (array[1 - gap :] == 255).all()


def test_columns_make_rows(figures):
    show.images(dict.fromkeys("abcdef", noise(1, 8, 8)), columns=2)
    left = {round(axes.get_position().x0, 3) for axes in figures[0].axes}
    assert len(left) == 2
    assert len(figures[0].axes) == 6


# ---- alt text and files


def test_alt_text_travels_in_the_file(tmp_path, monkeypatch):
    alt = 'λ = 0.1 is "small" <enough>'
    picture = show.images({"x": noise(3, 16, 16)}, alt=alt)
    assert unescape(re.search(r'aria-label="([^"]*)"', picture.html)[1]) == alt
    assert repr(picture) == alt
    monkeypatch.setattr(images, "folder", lambda: tmp_path)
    picture.save(tmp_path / "stored.png")
    stored = show.reference("stored")
    assert unescape(re.search(r'alt="([^"]*)" width', stored.html)[1]) == alt
    assert stored.png == picture.png
    picture.save(tmp_path / "page.html")
    assert picture.html in (tmp_path / "page.html").read_text("utf-8")


MAGIC = {
    "png": b"\x89PNG",
    "jpg": b"\xff\xd8\xff",
    "JPEG": b"\xff\xd8\xff",
    "pdf": b"%PDF",
    "SVG": b"<?xml",
    "html": b"<!doctype html>",
    "HTM": b"<!doctype html>",
}
ALT = 'λ = 0.1 is "small" <enough>'


@cache
def kinds_of_figures():
    x = noise(3, 16, 16)
    return {
        "pictures": show.images({"x": x, "y": x.flip(3)}, alt=ALT, zoom=(0, 0, 8)),
        "curves": show.curves({"loss": [3, 2, 1]}, alt=ALT),
        "strip": show.strip(history_of(), alt=ALT),
    }


@pytest.mark.parametrize("kind", ["pictures", "curves", "strip"])
@pytest.mark.parametrize("ending", MAGIC)
def test_the_ending_says_what_is_written(tmp_path, kind, ending):
    path = tmp_path / f"fig.{ending}"
    kinds_of_figures()[kind].save(path)
    data = path.read_bytes()
    assert data.startswith(MAGIC[ending])
    if ending == "SVG":
        assert f"<title>{escape(ALT, quote=False)}</title>" in data.decode()
    elif ending == "pdf":
        assert b"/Title" in data
        assert ALT.encode("utf-16-be") in data
    elif ending in ("jpg", "JPEG"):
        with Image.open(path) as image:
            assert image.info["comment"].decode() == ALT
            assert image.info["dpi"] == pytest.approx(dpi_of(kinds_of_figures()[kind]), abs=1)
    else:
        assert (escape(ALT) if ending in ("html", "HTM") else ALT) in data.decode(
            "utf-8", "replace"
        )


def dpi_of(picture):
    with Image.open(io.BytesIO(picture.png)) as image:
        return image.info["dpi"]


def test_a_jpeg_looks_like_the_png(tmp_path):
    picture = show.images({"x": torch.full((1, 3, 16, 16), 0.3)})
    picture.save(tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as image:
        difference = np.asarray(image).astype(int) - pixels(picture)[0]
    assert np.abs(difference).mean() < 1


def test_a_jpeg_has_room_for_the_start_of_a_long_text(tmp_path):
    show.curves({"loss": [2, 1]}, alt="ä" * 70_000).save(tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as image:
        assert image.info["comment"].decode() == "ä" * 16_000


def test_letters_and_lines_of_svg_and_pdf_stay_sharp(tmp_path):
    """Only the pictures themselves are pixels there."""
    for name, picture in kinds_of_figures().items():
        picture.save(tmp_path / f"{name}.svg")
        picture.save(tmp_path / f"{name}.pdf")
    count = {
        name: (tmp_path / f"{name}.svg").read_text("utf-8").count("<image ")
        for name in kinds_of_figures()
    }
    assert count == {"pictures": 4, "curves": 0, "strip": 5}
    assert b"/Font" in (tmp_path / "curves.pdf").read_bytes()
    assert b"/Subtype /Image" not in (tmp_path / "curves.pdf").read_bytes()
    assert b"/Subtype /Image" in (tmp_path / "strip.pdf").read_bytes()


def test_what_is_written_later_is_what_was_shown(tmp_path):
    x, loss = torch.zeros(1, 1, 16, 16), np.array([3.0, 2.0, 1.0])
    figures = {"x": show.images({"x": x}), "loss": show.curves({"loss": loss})}
    for name, figure in figures.items():
        figure.save(tmp_path / f"{name} before.svg")
    x += 1
    loss += 7
    for name, figure in figures.items():
        figure.save(tmp_path / f"{name} after.svg")
        before, after = (drawn(tmp_path / f"{name} {when}.svg") for when in ("before", "after"))
        assert before == after


def drawn(path):
    """The paths and pictures of an SVG file, without date and names."""
    return re.findall(r' d="([^"]*)"|base64,([^"]*)"', path.read_text("utf-8"))


def test_a_figure_keeps_no_more_than_it_shows():
    """A lesson shows thirty figures, and a notebook holds on to them."""
    picture = show.images({"large": torch.zeros(1, 1, 2000, 4000)}, display=False)
    (row,) = picture._draw.args[0]
    assert row[0].array.nbytes <= 3 * panels.FINEST * panels.FINEST / 2
    array, gap, _ = pixels(picture)
    assert (array.shape[0] - 2 * gap) == pytest.approx((array.shape[1] - 2 * gap) / 2, abs=60)


@pytest.mark.parametrize("name", ["fig.gif", "fig", "fig.jpg.txt", ".png", "fig.webp"])
def test_other_endings_are_refused_by_name(tmp_path, name):
    with pytest.raises(ValueError, match=f"{re.escape(name)}.*this figure is saved as .*pdf.*html"):
        show.curves({"loss": [2, 1]}).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_stored_figure_is_pixels(tmp_path):
    stored = show.reference("03_curves", display=False)
    stored.save(tmp_path / "fig.jpg")
    for ending in ("pdf", "svg"):
        with pytest.raises(ValueError, match=r"stored as pixels is saved as \.png, \.jpg"):
            stored.save(tmp_path / f"fig.{ending}")


@pytest.mark.parametrize("ending", ["png", "jpg", "pdf", "svg", ""])
def test_a_page_is_saved_as_a_page(tmp_path, ending):
    x = noise(3, 16, 16)
    pages = [
        player.iterations(history_of()),
        player.compare(x, x.flip(3)),
        live.panel(lambda k: x * k, k=(0.0, 1.0)),
        live.draw_mask(x),
    ]
    for page in pages:
        with pytest.raises(ValueError, match=r"a page, which this is, is saved as \.html"):
            page.save(tmp_path / f"fig.{ending}")
        page.save(str(tmp_path / "fig.HTML"))
        assert page.html in (tmp_path / "fig.HTML").read_text("utf-8")


def test_a_missing_folder_is_named(tmp_path):
    for made in (show.curves({"loss": [2, 1]}), player.iterations(history_of())):
        with pytest.raises(FileNotFoundError, match=r"no folder '.*none': make it first"):
            made.save(tmp_path / "none" / "fig.html")


def test_reference_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "folder", lambda: tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "silent.png")
    with pytest.raises(ValueError, match=r"silent\.png.*alt text"):
        show.reference("silent")
    with pytest.raises(FileNotFoundError, match=r"other\.png"):
        show.reference("other")


# ---- curves


def test_curves_differ_by_more_than_colour(figures):
    y = np.geomspace(1, 1e-3, 100)
    picture = show.curves(
        {"loss": y, "PSNR": torch.tensor(y) + 1, "other": ([0, 50, 99], [1, 2, 3])},
        title="A fit",
        ylabel="error",
        log="y",
        oracle=["PSNR"],
        mark={"stopped": 40, "best": 90},
    )
    axes = figures[0].axes[0]
    lines = axes.lines[:3]
    assert len({line.get_marker() for line in lines}) == 3
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-"]
    names, marks = axes.texts[:3], axes.texts[3:]
    assert [text.get_text() for text in names] == ["loss", "PSNR\n(needs the clean image)", "other"]
    assert len({text.get_color() for text in names}) == 3
    assert axes.get_yscale() == "log"
    assert [line.get_xdata()[0] for line in axes.lines[3:]] == [40, 90]
    assert [text.get_text() for text in marks] == ["stopped: 40", "best: 90"]
    assert picture.alt == (
        "A fit, line chart over step. loss: from 1 at 0 to 0.001 at 99; "
        "PSNR (needs the clean image): from 2 at 0 to 1 at 99; other: from 1 at 0 to 3 at 99; "
        "marked: stopped at 40; marked: best at 90."
    )


def boxes_of(texts):
    """Where texts stand, without the thin lines that lead to them."""
    return [Text.get_window_extent(text) for text in texts]


def touching(boxes):
    return [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_marks_stand_above_the_axes_below_the_title_and_apart(figures):
    mark = {"first": 0, "stopped": 40, "best": 42, "late": 43, "last": 99}
    show.curves({"loss": np.geomspace(1, 1e-3, 100)}, mark=mark, title="A fit")
    figures[0].draw_without_rendering()
    axes = figures[0].axes[0]
    boxes = boxes_of(axes.texts)
    assert len(boxes) == len(mark)
    assert touching(boxes) == []
    assert all(box.y0 > axes.bbox.y1 for box in boxes)
    title = axes._left_title.get_window_extent()
    assert max(box.y1 for box in boxes) <= title.y0
    assert title.y1 <= figures[0].bbox.y1
    for line, box in zip(axes.lines[1:], boxes, strict=True):  # a line reaches its text
        assert line.get_window_extent().y1 == pytest.approx(box.y0, abs=1)


def test_up_to_three_curves_are_named_where_they_end(figures):
    x = np.arange(50)
    show.curves({"low": x * 1.0, "high": x * 1.02, "falling": 50.0 - x})
    figures[0].draw_without_rendering()
    axes = figures[0].axes[0]
    assert axes.get_legend() is None
    assert not figures[0].legends
    boxes = boxes_of(axes.texts)
    assert touching(boxes) == []
    assert all(axes.bbox.x1 < box.x0 and box.x1 <= figures[0].bbox.x1 for box in boxes)
    low, high, falling = boxes
    assert falling.y0 < low.y0 < high.y0  # in the order of the ends
    assert axes.transData.transform((49, 1))[1] == pytest.approx(
        falling.y0 + falling.height / 2, abs=2
    )


@pytest.mark.parametrize(
    "curves",
    [{letter: [1, 2, 3] for letter in "abcd"}, {"long": [1, 2, 3, 4, 5, 6], "short": [1, 2, 3]}],
    ids=["four", "one that ends early"],
)
def test_other_curves_have_a_legend_that_covers_none(figures, curves):
    show.curves(curves)
    figures[0].draw_without_rendering()
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == list(curves)
    assert legend.get_window_extent().x0 > figures[0].axes[0].bbox.x1


@pytest.mark.parametrize("log", ["", "x"])
def test_an_axis_starts_and_ends_where_the_data_do(figures, log):
    show.curves({"loss": ([20, 200, 400], [3, 2, 1])}, log=log)
    assert figures[0].axes[0].get_xlim() == pytest.approx((20, 400))


def test_a_point_that_a_scale_lacks_is_left_out(figures):
    """Markers are drawn beyond the axes, so such a point must not be."""
    show.curves({"loss": ([0, 1, 2, 3], [1, 2, 0, 4])}, log="xy")
    drawn = figures[0].axes[0].lines[0].get_ydata()
    assert np.isnan(drawn).tolist() == [True, False, True, False]


def test_curves_with_gaps_and_many_labels(figures):
    show.curves({letter: [np.nan, 1, np.inf, 2 + i] for i, letter in enumerate("abcdefgh")})
    assert len({line.get_marker() for line in figures[0].axes[0].lines}) == 8
    assert figures[0].legends  # outside the axes


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_every_scale(figures, log):
    show.curves({"loss": 1 / np.arange(1, 2001)}, log=log)
    show.curves({"loss": ([0.001, 0.01, 0.1], [1, 2, 3])}, log=log, mark={"λ": 0.01})
    axes = figures[0].axes[0]
    assert (axes.get_xscale() == "log") == ("x" in log)
    assert len(axes.lines[0].get_markevery()) >= 6


# ---- strips


def test_strip_takes_first_and_last():
    history, x = history_of(), noise(3, 16, 16, seed=3)
    alt = show.strip(history, reference=x, count=4).alt
    assert re.findall(r"step (\d+)", alt) == ["0", "40", "70", "110"]
    dB = [f"{metrics.psnr(history.frame(i), x):.1f} dB" for i in (0, 4, 7, 11)]
    assert re.findall(r"[\d.]+ dB", alt) == dB
    means = show.strip(history, reference=x, count=1, mean=True).alt
    assert (
        means == f"A picture: mean up to step 0, {metrics.psnr(history.frame(0, True), x):.1f} dB."
    )
    assert show.strip(history_of(2), count=5).alt.startswith("2 pictures")


# ---- bad input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: show.images({}), "no pictures"),
        (lambda x: show.images(x), "is a Tensor: give a dict"),
        (lambda x: show.images([x]), "is a list: give a dict"),
        (lambda x: show.curves(torch.ones(5)), "give a dict"),
        (lambda x: show.images({"mine": x.numpy()}), "the picture 'mine' is a ndarray"),
        (lambda x: show.images({"mine": x * np.nan}), "the picture 'mine' has .* NaN"),
        (lambda x: show.images({"mine": x}, reference=x[0]), "the reference has shape"),
        (lambda x: show.images({"mine": x}, limits=(1, 0)), "limits"),
        (lambda x: show.images({"mine": 255 * x}), "'mine' has values .* by 255.* limits="),
        (lambda x: show.images({"mine": x}, limits=(0, 255)), "no value is beyond ±1: give limits"),
        (lambda x: show.images({"mine": x}, columns=2.5), "columns=2.5"),
        (lambda x: show.images({"mine": x}, zoom=(0.5, 0, 8)), "top=0.5"),
        (lambda x: show.images({"mine": x}, zoom=(0, 9, 8)), "square of 8 pixels"),
        (lambda x: show.images({"mine": x}, zoom=(0, 0, 4)), "square of 4 pixels"),
        (lambda x: show.images({"mine": x}, reference=x + 0.1, hidden=x[:, :, 1:]), "mask"),
        (lambda x: show.strip(history_of(), count=0), "count=0"),
        (lambda x: show.curves({}), "0 curves"),
        (lambda x: show.curves({letter: [1] for letter in "abcdefghi"}), "9 curves"),
        (lambda x: show.curves({"loss": [np.nan]}), "'loss' has no value"),
        (lambda x: show.curves({"loss": [0, -1]}, log="y"), "'loss' has no value"),
        (lambda x: show.curves({"loss": ([1, 2], [1, 2, 3])}), r"'loss' .*\(2,\).*\(3,\)"),
        (lambda x: show.curves({"loss": [1]}, oracle=["psnr"]), "psnr"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(noise(1, 16, 16))


# ---- in a notebook

CELLS = {
    "show.images({'x': x})": 1,
    "a = show.images({'x': x})\nprint('more')": 1,
    "for i in range(3):\n    a = show.images({f'x {i}': x})\na": 3,
    "show.curves({'loss': [3, 2, 1]})": 1,
    "b = show.curves({'loss': [3, 2, 1]}); b": 1,
    "c = show.images({'x': x}, display=False)": 0,
    "c": 1,
    "a  # once more": 1,
    "show.strip(history)": 1,
    "show.reference('03_curves')": 1,
}


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """What runs the cells of a notebook; none may ask for pyplot, which shows figures itself."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield shell
    InteractiveShell.clear_instance()


def test_shown_once_in_a_notebook(shell):
    shell.user_ns.update(show=show, x=noise(3, 16, 16), history=history_of())
    for cell, times in CELLS.items():
        with capture_output() as captured:
            result = shell.run_cell(cell, store_history=True)
        result.raise_error()
        assert len(captured.outputs) == times, cell
        for shown in captured.outputs:
            described = r'<(img|div)[^>]* (alt|aria-label)="[^"]{5,}"'
            assert re.search(described, shown.data["text/html"])
            assert shown.data["text/plain"]
            assert "image/png" not in shown.data


def test_captions_stay_over_their_picture():
    title, caption = "half of the pixels, step 500", "24.4 dB, which is little"
    x = noise(3, 96, 96)
    panel = panels.panel_of(x, title, caption)
    heading = panels.draw([[panel] * 5]).texts[0].get_text()
    assert max(map(len, heading.split("\n"))) <= 21
    assert heading.replace("\n", " ") == f"{title} {caption}"


# ---- a picture to take along


@pytest.mark.browser
def test_a_restored_picture_is_saved_by_a_click(open_page, tmp_path):
    x = torch.linspace(-0.2, 1.2, 3 * 20 * 30).view(1, 3, 20, 30)
    show.download(x, "mine-2.png", display=False).save(tmp_path / "page.html")
    page = open_page(tmp_path / "page.html")
    with page.expect_download() as saved:
        page.get_by_role("link", name="save mine-2.png, 30 × 20 pixels").click()
    assert saved.value.suggested_filename == "mine-2.png"
    assert torch.equal(images.levels(images.load(saved.value.path())), images.levels(x))


@pytest.mark.parametrize("name", ["mine", "../mine.png", 'a".png', "mine.jpg"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ValueError, match=r"\.png at the end"):
        show.download(torch.rand(1, 1, 8, 8), name)
