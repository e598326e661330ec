"""One notebook in JupyterLab and in the front end of Colab's generation, used as a student would.

The tests share its page. The last one kills the kernel.
"""

import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import torch

from dipcourse.images import codec

pytestmark = pytest.mark.browser

PANEL = """
import threading
import torch
from dipcourse import live, show
def render(grey):
    if grey == 3:
        raise RuntimeError("no picture for 3")
    x = torch.full((1, 1, 16, 16), grey / 10)
    return show.images({f"grey {grey} in {threading.current_thread().name}": x}, display=False)
panel = live.panel(render, grey=(0, 10))
panel
"""
VIEWS = """
import numpy as np
from dipcourse import player
from dipcourse.history import History
frames = torch.full((5, 3, 32, 32), 60, dtype=torch.uint8)
frames[:, 0] = torch.arange(20, 220, 40).view(5, 1, 1)
last = frames[-1:] / 255
history = History(np.geomspace(1, .1, 5), np.arange(5), frames, frames, last, last, 1.0)
views = live.iterations(history)
"""
# Pixels that go from black to red, very slowly at first: their colour tells how far the fit is.
FIT = """
from dipcourse import degrade, fit, nets, priors
y = torch.full((1, 3, 32, 32), 0.1)
y[:, 0] = 0.8
net = nets.PixelImage(torch.zeros_like(y))
fitting = live.fit_panel(net, None, y, degrade.Identity(), lr=3e-6, steps=10**6)
"""
DRAW = """
import ipywidgets
drawn = live.draw_mask(y)
heard = ipywidgets.HTML()
def tell(_):
    heard.value = f"the kernel has heard: pixel (8, 8) is {int(drawn.mask[0, 0, 8, 8])}"
drawn.canvas.observe(tell, names="drawn")
display(heard)
"""
RESTORE = """
answer = ipywidgets.HTML()
def restore(_):
    A = degrade.Mask(drawn.mask)
    start = nets.PixelImage(A(y))
    history = fit.fit(start, None, A(y), A, steps=200, lr=0.05, progress=False,
                      prior=lambda x: priors.total_variation(x) / 1e6)
    changes = fitting.history.settings["changes"]
    answer.value = (
        f"{int((drawn.mask == 0).sum())} hidden, red {A(y)[0, 0, 8, 8]:.1f} becomes "
        f"{history.final[0, 0, 8, 8]:.1f}; {len(fitting.history.loss)} steps, "
        f"rate {changes[-1][2]:g}"
    )
button = ipywidgets.Button(description="Restore")
button.on_click(restore)
display(button, answer)
"""
PICK = """
picked = live.pick_photo(y)
told = ipywidgets.HTML()
def tell(_):
    x = picked.photo
    told.value = f"{x.shape[3]} wide, {x.shape[2]} high, red {x[0, 0].mean():.1f}"
picked.picker.observe(tell, names="picked")
display(told)
"""
PLAYER = "film = player.iterations(history)"
COMPARE = "divider = player.compare(y, 1 - y)"
CELLS = PANEL, VIEWS, FIT, DRAW, RESTORE, PICK, PLAYER, COMPARE


@pytest.fixture(scope="module", params=["jupyterlab", "classic_notebook"])
def notebook(open_lasting_page, request):
    """The page of the notebook after Run All, its cells, and its server."""
    server = request.getfixturevalue(request.param)
    window = {"width": 1300, "height": 3600}
    page = open_lasting_page(server.notebook("live.ipynb", *CELLS), viewport=window)
    server.run_all(page)
    cells = [page.locator(server.CELL).nth(number) for number in range(len(CELLS))]
    cells[-1].locator(".stage").wait_for(timeout=90_000)
    names = "panel", "views", "fit", "canvas", "restore", "pick", "film", "divider"
    return SimpleNamespace(page=page, server=server, **dict(zip(names, cells, strict=True)))


def test_panel_and_views(notebook):
    page, panel = notebook.page, notebook.panel
    panel.get_by_alt_text("grey 0 in MainThread").wait_for()
    assert panel.locator("img").count() == 1
    assert panel.locator(".widget-label", has_text="grey").count() == 1
    panel.locator(notebook.server.SLIDER).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    panel.get_by_role("alert").get_by_text("RuntimeError: no picture for 3").wait_for()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    picture = panel.get_by_alt_text("grey 8 in MainThread")
    picture.wait_for()
    wait_until(page, lambda: middle(picture) == pytest.approx([204] * 3, abs=1))

    notebook.views.locator(notebook.server.SLIDER).focus()
    page.keyboard.press("End")
    notebook.views.locator('[role=group][aria-label*="step 4; spectrum"]').wait_for()


def test_a_fit_is_steered(notebook):
    """Run, another learning rate, pause, one step."""
    page, panel, server = notebook.page, notebook.fit, notebook.server
    buttons = panel.locator("button")
    given, output = panel.locator("figure img").first, panel.locator("figure img").nth(1)
    panel.get_by_text("step 0 of").wait_for()
    assert buttons_seen(panel) == ["Run", "One step", "Start over"]
    buttons.nth(server.PLAY).click()
    panel.get_by_text("· running").wait_for()
    assert middle(output)[0] < 60
    assert buttons_seen(panel) == ["Pause", "One step", "Start over"]
    panel.locator(server.SLIDER).focus()
    page.keyboard.press("End")  # a hundred times the learning rate
    wait_until(page, lambda: middle(output)[0] > 150)
    assert middle(given) == pytest.approx([204, 26, 26], abs=1)

    buttons.nth(server.PAUSE).click()
    panel.get_by_text("· paused").wait_for()
    paused = steps(panel)
    page.wait_for_timeout(500)  # two ticks that must not come
    assert steps(panel) == paused
    panel.get_by_role("button", name="One step").click()
    wait_until(page, lambda: steps(panel) == paused + 1)

    buttons.nth(server.PLAY).click()
    wait_until(page, lambda: steps(panel) > paused + 1)
    buttons.nth(server.PAUSE).click()
    panel.get_by_text("· paused").wait_for()


def buttons_seen(panel):
    """The words of the buttons that the page shows, those that a style sheet writes included."""
    return panel.locator("button.jupyter-button:visible").evaluate_all(
        """buttons => buttons.map((button) => {
        const icon = button.querySelector('i');
        const written = icon && getComputedStyle(icon, '::after').content;
        return button.innerText.trim() || written.replaceAll('"', '');
        })"""
    )


def test_the_kernels_stop_button_stops_the_fit_and_says_so(notebook):
    """Whenever it comes: in a tick, or between two, where a kernel ignores it otherwise."""
    panel, server = notebook.fit, notebook.server
    for _ in range(5):
        panel.locator("button").nth(server.PLAY).click()
        panel.get_by_text("· running").wait_for()
        server.interrupt_kernels()
        panel.get_by_text("· stopped by the kernel's stop button").wait_for()
    made = steps(panel)
    panel.get_by_role("button", name="One step").click()  # the kernel lives, and nothing plays
    wait_until(notebook.page, lambda: steps(panel) == made + 1)


def test_a_hole_is_drawn_and_restored(notebook):
    page, cell = notebook.page, notebook.canvas
    canvas = cell.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    zoom = box["width"] / 32
    page.mouse.click(box["x"] + 24.1 * zoom, box["y"] + 20.2 * zoom)
    cell.get_by_role("button", name="Undo").click()
    cell.get_by_text("0 of 1024 pixels are hidden", exact=True).wait_for()
    page.mouse.click(box["x"] + 8.1 * zoom, box["y"] + 8.2 * zoom)
    hidden = int(re.match(r"\d+", cell.get_by_role("status").inner_text())[0])
    assert hidden > 0
    # JupyterLab sends the messages of two widgets to two threads of the kernel
    cell.get_by_text("the kernel has heard: pixel (8, 8) is 0").wait_for()
    made = steps(notebook.fit)
    notebook.restore.get_by_role("button", name="Restore").click()
    words = f"{hidden} hidden, red 0.0 becomes 0.8; {made} steps, rate 0.0003"
    notebook.restore.get_by_text(words).wait_for()
    notebook.fit.get_by_role("button", name="Start over").click()
    notebook.fit.get_by_text("step 0 of").wait_for()


def test_a_photo_of_ones_own_reaches_the_kernel(notebook):
    red = torch.zeros(3, 20, 40, dtype=torch.uint8)
    red[0] = 204
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": codec.to_png(red)}
    notebook.pick.get_by_label("Your photo").set_input_files(file)
    notebook.pick.get_by_text("40 wide, 20 high, red 0.8").wait_for()
    notebook.pick.get_by_text("your photo, 40 × 20 pixels").wait_for()


def test_what_needs_no_kernel_outlives_it(notebook):
    page, film = notebook.page, notebook.film
    film.get_by_role("slider").fill("1")
    film.get_by_text("step 1 of").first.wait_for()
    assert middle(film.locator("canvas"))[:2] == pytest.approx([60, 60], abs=8)
    assert not page.complaints
    notebook.server.kill_kernels()
    assert notebook.server.ask("GET", "api/kernels") == []
    film.get_by_role("slider").fill("3")
    film.get_by_text("step 3 of").first.wait_for()
    assert middle(film.locator("canvas"))[:2] == pytest.approx([140, 60], abs=8)
    slider = notebook.divider.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "100 per cent before"
    assert {urlsplit(url).hostname for url in page.requests} == {"127.0.0.1"}
    lost = "Failed to load resource"  # Notebook 6 goes on asking for the dead kernel
    page.complaints[:] = [text for text in page.complaints if not text.startswith(lost)]


def middle(locator):
    """The colour in the middle of a picture or canvas."""
    return locator.evaluate(
        """source => {
        const canvas = document.createElement('canvas');
        const [w, h] = [source.naturalWidth || source.width, source.naturalHeight || source.height];
        Object.assign(canvas, {width: w, height: h});
        const context = canvas.getContext('2d');
        context.drawImage(source, 0, 0);
        return [...context.getImageData(w / 2, h / 2, 1, 1).data].slice(0, 3);
        }"""
    )


def steps(panel):
    return int(re.search(r"step (\d+) of", panel.inner_text())[1])


def wait_until(page, condition):
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(100)
    pytest.fail("waited in vain")
