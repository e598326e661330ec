"""The mask that is drawn: texts from and to the page, and the page's script on its own."""

import io

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

from dipcourse import degrade, live
from dipcourse._palette import PAINT
from dipcourse.images import codec
from dipcourse.live import base
from dipcourse.live import mask as drawing

HOLE = degrade.hole_mask(24, 32, 5, 10, 9, 20)


def photo(height=24, width=32):
    x = torch.full((1, 3, height, width), 0.2)
    x[:, 1] = 0.6
    return x


# ---- without a page


def test_the_mask_is_what_is_painted():
    drawn = live.draw_mask(photo())
    assert torch.equal(drawn.mask, torch.ones(1, 1, 24, 32))
    stroke = {"method": "custom", "content": {"drawn": drawing.encode(HOLE)}}
    drawn.canvas._handle_msg({"content": {"data": stroke}, "buffers": []})
    assert torch.equal(drawn.mask, HOLE)
    assert torch.equal(degrade.Mask(drawn.mask)(photo()), photo() * HOLE)


def test_start_stays_where_nobody_draws():
    drawn = live.draw_mask(photo(), start=HOLE)
    assert torch.equal(drawn.mask, HOLE)
    assert "the photo; 40 of 768 pixels are hidden" in drawn.html
    assert "degrade.hole_mask" in drawn.html
    source = drawn.html.split('src="')[1].split('"')[0]
    picture = np.asarray(Image.open(io.BytesIO(codec.from_address(source))))
    assert picture[6, 12].tolist() == [0, 0, 0]
    assert picture[4, 12].tolist() == [51, 153, 51]


def test_the_page_shows_what_the_kernel_says():
    assert f'PAINT = "{PAINT}";' in drawing.Canvas._esm
    drawn = live.draw_mask(photo(), HOLE)
    assert (drawn.canvas.width, drawn.canvas.height) == (32, 24)
    assert f'class="{drawn.canvas.note}"' in drawn.html


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: live.draw_mask(photo()[0]), "the image has shape"),
        (lambda: live.draw_mask(photo(), HOLE[:, :, 1:]), r"start has \(23, 32\) pixels"),
        (lambda: live.draw_mask(photo(), HOLE / 2), "only 0"),
        (lambda: drawing.decode("data:image/png;base64,AAAA", 24, 32), "no drawing"),
        (lambda: drawing.decode("data:image/png;base64,!", 24, 32), "no drawing"),
        (
            lambda: drawing.decode(drawing.encode(HOLE), 24, 24),
            r"\(24, 32\) pixels, the photo \(24, 24",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_canvas_and_fallback_are_shown_once(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    seen = []
    monkeypatch.setattr(base, "display", lambda *args, **options: seen.append(args[0]))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        shell.user_ns.update(live=live, x=photo())
        assert shell.run_cell("d = live.draw_mask(x)\nd", store_history=True).success
    finally:
        InteractiveShell.clear_instance()
    canvas, note = seen
    assert canvas.note in note["text/html"]


# ---- the script in Chromium, with a stand-in for the notebook

ZOOM = 14  # CSS pixels of a pixel of the photo: round(432 / 32)


@pytest.fixture
def canvas_page(open_widget):
    def open_(start=None, **options):
        names = ("photo", "about", "note", "width", "height", "drawn")
        page = open_widget(live.draw_mask(photo(), start).canvas, names, **options)
        assert page.get_by_label("Brush").nth(0).input_value() == "4"  # for a small photo
        page.get_by_label("Brush").nth(0).fill("12")
        return page

    return open_


def at(page, x, y, view=0):
    """CSS coordinates of a place on the photo."""
    box = page.locator("canvas").nth(view).bounding_box()
    assert box["width"] == pytest.approx(32 * ZOOM)
    return box["x"] + x * ZOOM, box["y"] + y * ZOOM


def mask_of(page):
    return drawing.decode(page.evaluate("state.drawn"), 24, 32)


def disc(x, y, size=12):
    """1 where the centre of a pixel is farther from (x, y) than half a brush."""
    rows, columns = torch.meshgrid(torch.arange(24) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    return ((columns - x) ** 2 + (rows - y) ** 2 > (size / 2) ** 2).float()[None, None]


def colour(page, x, y, view=0):
    return (
        page.locator("canvas")
        .nth(view)
        .evaluate(
            "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y]
        )
    )


@pytest.mark.browser
@pytest.mark.parametrize("ratio", [1, 1.5])
def test_draw_erase_undo_clear(canvas_page, ratio):
    page = canvas_page(device_scale_factor=ratio)
    assert not page.get_by_text("no widget").is_visible()
    page.mouse.click(*at(page, 8.1, 9.2))
    first = disc(8.1, 9.2)
    assert torch.equal(mask_of(page), first)
    hidden = int((first == 0).sum())
    assert page.get_by_role("status").nth(0).inner_text() == f"{hidden} of 768 pixels are hidden"
    for view in (0, 1):
        assert colour(page, 8, 9, view) == [*drawing.COLOUR, 255]
        assert colour(page, 20, 9, view) == [51, 153, 51, 255]

    page.mouse.move(*at(page, 20.1, 9.2))
    page.mouse.down()
    page.mouse.move(*at(page, 26.1, 9.2))  # quickly: what lies between is filled
    page.mouse.up()
    stroke = mask_of(page)
    both = first * disc(20.1, 9.2) * disc(26.1, 9.2)
    assert (stroke <= both).all()
    assert stroke[0, 0, 9, 18:28].sum() == 0
    assert (stroke[0, 0, :, 23] == 0).sum() == 12

    page.get_by_role("button", name="Erase").nth(1).click()
    assert page.get_by_role("button", name="Erase").nth(0).get_attribute("aria-pressed") == "true"
    page.get_by_label("Brush").nth(1).fill("4")
    page.mouse.click(*at(page, 8.1, 9.2, view=1))
    assert torch.equal(mask_of(page), torch.maximum(stroke, 1 - disc(8.1, 9.2, 4)))
    page.get_by_role("button", name="Undo").nth(0).click()
    assert torch.equal(mask_of(page), stroke)
    page.get_by_role("button", name="Undo").nth(1).press("Enter")
    assert torch.equal(mask_of(page), first)
    page.get_by_role("button", name="Clear").nth(0).click()
    assert mask_of(page).all()
    page.get_by_role("button", name="Undo").nth(0).click()
    assert torch.equal(mask_of(page), first)
    for _ in range(2):
        page.get_by_role("button", name="Undo").nth(0).click()
    assert mask_of(page).all()
    assert page.requests == []


@pytest.mark.browser
def test_finger_and_start(canvas_page):
    page = canvas_page(start=HOLE, has_touch=True)
    assert colour(page, 12, 6) == [*drawing.COLOUR, 255]
    assert page.get_by_role("status").nth(0).inner_text() == "40 of 768 pixels are hidden"
    page.touchscreen.tap(*at(page, 26.1, 16.2))
    assert torch.equal(mask_of(page), HOLE * disc(26.1, 16.2))
    assert page.evaluate("[saved, messages]") == [0, 1]  # see PageWidget
