"""The iteration player and the divider: what they hold, and how they behave in Chromium."""

import io
import json
import re

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

from dipcourse import images, metrics, player
from dipcourse._html import shown as shows
from dipcourse._palette import COLOURS, ON_DARK
from dipcourse.history import History
from dipcourse.images import codec

STEPS = [0, 1, 2, 5, 10, 20, 40]


def history_of(frames, means=None, steps=None):
    """A History around given uint8 frames (F, C, H, W)."""
    means = frames if means is None else means
    steps = np.arange(len(frames)) if steps is None else np.array(steps)
    last = frames[-1:].float() / 255
    loss = np.geomspace(0.3, 1e-3, int(steps[-1]) + 1)
    return History(loss, steps, frames, means, last, means[-1:].float() / 255, 1.0)


def coded(channels=3):
    """Frame i is flat with red = 20 + 30·i; the running means have green = 200 as well."""
    frames = torch.full((len(STEPS), channels, 32, 48), 60, dtype=torch.uint8)
    for i in range(len(STEPS)):
        frames[i, 0] = 20 + 30 * i
    means = frames.clone()
    means[:, -2] = 200
    return history_of(frames, means, STEPS)


def noisy_photo(size=192, sigma=25):
    x = images.load("astronaut", size=size)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return x, ((x * 255 + sigma * noise).clamp(0, 255)).round().to(torch.uint8)


def contents(shown):
    """The data that the player's script gets."""
    return json.loads(re.search(r'awaken\("[0-9a-f]{32}", (\{.*\}), \w+\);', shown.html)[1])


def picture_of(source):
    """The pixels of a picture that a page holds."""
    return np.asarray(Image.open(io.BytesIO(codec.from_address(source))))


# ---- what it holds


def test_codec_error_is_small_against_the_noise():
    x, frames = noisy_photo()
    source, error = player._coded(frames[0], 1)
    decoded = picture_of(source).astype(float)
    frame = frames[0].permute(1, 2, 0).numpy().astype(float)
    noise = ((frame - 255 * images.to_numpy(x)) ** 2).mean()
    assert error == pytest.approx(((decoded - frame) ** 2).mean())
    assert error < 0.05 * noise


def test_sixty_noisy_frames_stay_within_the_limit():
    x, frame = noisy_photo()
    frames = torch.stack([frame[0].roll(i, 2) for i in range(60)])
    shown = player.iterations(history_of(frames), reference=x)
    data = contents(shown)
    assert len(shown.html) <= player.LIMIT
    assert 15 <= len(data["steps"]) < 60
    assert len(data["frames"][0]) == len(data["frames"][1]) == len(data["steps"])
    assert {0, 59} <= set(data["steps"])
    assert data["codecError"] < 0.05 * 25**2


def test_best_frames_are_kept():
    x, frame = noisy_photo()
    frames = torch.stack([frame[0].roll(i, 2) for i in range(60)])
    means = frames.clone()
    frames[31] = means[13] = (x[0] * 255).to(torch.uint8)
    kept = contents(player.iterations(history_of(frames, means), reference=x))["steps"]
    without = contents(player.iterations(history_of(frames, means)))["steps"]
    assert {0, 13, 31, 59} <= set(kept)
    assert not {13, 31} <= set(without)


def test_large_pictures_are_drawn_smaller():
    _, frame = noisy_photo(512)
    shown = player.iterations(history_of(frame.expand(40, -1, -1, -1)))
    data = contents(shown)
    assert len(shown.html) <= player.LIMIT
    assert data["note"] == "drawn at 1/2 of its size"
    assert len(data["steps"]) >= 8
    assert picture_of(data["frames"][0][0]).shape == (256, 256, 3)


def test_captions_are_the_psnr_of_the_frames():
    x, _ = noisy_photo(48)
    generator = torch.Generator().manual_seed(1)
    frames, means = torch.randint(0, 256, (2, 4, 3, 48, 48), generator=generator).to(torch.uint8)
    history = history_of(frames, means)
    data = contents(player.iterations(history, reference=x))
    for kind, mean in enumerate((False, True)):
        want = [metrics.psnr(history.frame(i, mean), x) for i in range(4)]
        assert data["psnr"][kind] == pytest.approx(want, abs=1e-4)
    assert "needs the clean image" in data["chart"]


def test_odd_histories():
    one = history_of(torch.zeros(1, 1, 16, 16, dtype=torch.uint8))
    assert contents(player.iterations(one))["steps"] == [0]
    perfect = player.iterations(one, reference=torch.zeros(1, 1, 16, 16))
    assert contents(perfect)["psnr"] == [[None], [None]]
    diverged = coded()
    diverged.loss[-5:] = np.nan
    diverged.loss[3] = 0
    data = contents(player.iterations(diverged))
    assert data["heights"][0].count(None) == 1  # the last step; step 3 was not kept
    assert re.search(r'data-curve="0" d="([^"]*)"', data["chart"])[1].count("M") == 2


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"\(1, 3, 16, 16\).*\(1, 3, 32, 48\)"):
        player.iterations(coded(), reference=torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match="not a tensor"):
        player.iterations(coded(), reference=np.zeros((32, 48, 3)))
    empty = coded()
    empty.frames, empty.steps = empty.frames[:0], empty.steps[:0]
    with pytest.raises(ValueError, match="no frames"):
        player.iterations(empty)


def test_a_fit_that_was_stopped_is_marked():
    history = coded()
    history.interrupted, history.settings["planned"] = True, 60
    shown = player.iterations(history, title="My fit")
    assert contents(shown)["title"] == "My fit (stopped after 41 of 60 steps)"
    assert "<caption>My fit (stopped after 41 of 60 steps)</caption>" in shown.html


def test_title_cannot_break_the_page():
    shown = player.iterations(coded(), title='a "b" </script><i>')
    assert shown.html.count("</script>") == 1
    assert "<i>" not in shown.html
    assert contents(shown)["title"] == 'a "b" </script><i>'


# ---- shown exactly once


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield shell
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("cell", "times"),
    [
        ("show_once(html)", 1),
        ("a = show_once(html)", 1),
        ("show_once(html); 1", 1),
        ("for _ in range(3): a = show_once(html)\na", 3),
        ("a = Shown(html)", 0),
        ("a = Shown(html)\na", 1),
    ],
)
def test_shown_once(shell, monkeypatch, cell, times):
    seen = []
    monkeypatch.setattr(shows, "display", lambda data, raw: seen.append(data))
    shell.user_ns.update(show_once=shows.show_once, Shown=shows.Shown, html='<img alt="a dot">')
    assert shell.run_cell(cell, store_history=True).success
    assert [data["text/html"] for data in seen] == ['<img alt="a dot">'] * times
    assert all(set(data) == {"text/html", "text/plain"} for data in seen)
    if "a = " in cell:
        shell.run_cell("a", store_history=True)
        assert len(seen) == times + 1  # a later cell shows it again


def test_nothing_happens_outside_ipython(capsys):
    player.iterations(coded())
    assert capsys.readouterr() == ("", "")


# ---- in the browser


@pytest.fixture
def write(tmp_path):
    def write_(history, **options):
        path = tmp_path / "player.html"
        player.iterations(history, **options).save(path)
        return path

    return write_


def red_green(page):
    """The colour in the middle of the canvas."""
    return page.evaluate(
        """() => { const canvas = document.querySelector('canvas');
        return [...canvas.getContext('2d').getImageData(24, 16, 1, 1).data].slice(0, 2); }"""
    )


def assert_shown(page, i, mean=False):
    """Frame i is drawn, named and marked."""
    page.wait_for_function(
        "step => document.querySelector('figcaption').textContent.startsWith(`step ${step} of`)",
        arg=STEPS[i],
    )
    assert red_green(page) == pytest.approx([20 + 30 * i, 200 if mean else 60], abs=8)
    kind = "running mean" if mean else "single frame"
    assert f"step {STEPS[i]} of 40 · {kind}" in page.get_attribute("canvas", "aria-label")
    assert page.input_value("input[type=range]") == str(i)
    assert f"step {STEPS[i]} " in page.get_attribute("input[type=range]", "aria-valuetext")
    assert float(page.get_attribute("circle", "cx")) == pytest.approx(52 + 356 * STEPS[i] / 40)


@pytest.mark.browser
def test_slider_keys_and_toggle(write, open_page):
    page = open_page(write(coded()))
    assert_shown(page, 0)
    slider = page.get_by_role("slider")
    slider.focus()
    for key, i in [("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("End", 6), ("Home", 0)]:
        page.keyboard.press(key)
        assert_shown(page, i)
    slider.fill("4")
    assert_shown(page, 4)
    page.get_by_label("running mean").check()
    assert_shown(page, 4, mean=True)
    page.keyboard.press("ArrowLeft")  # keyboard: back to the other radio button
    assert_shown(page, 4)
    assert page.requests == []


@pytest.mark.browser
def test_slider_follows_the_mouse(write, open_page):
    page = open_page(write(coded()))
    box = page.locator("input[type=range]").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert_shown(page, 3)


@pytest.mark.browser
def test_play_and_pause(write, open_page):
    page = open_page(write(coded()))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('input[type=range]').value >= 2")
    page.get_by_role("button", name="Pause").click()
    paused = int(page.input_value("input[type=range]"))
    assert paused < 6
    page.wait_for_timeout(600)
    assert_shown(page, paused)
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play").wait_for()  # it stops by itself
    assert_shown(page, 6)
    page.get_by_role("button", name="Play").press("Enter")  # from the end: once more
    page.wait_for_function("() => document.querySelector('input[type=range]').value < 6")


@pytest.mark.browser
def test_a_click_on_the_curve_jumps(write, open_page):
    page = open_page(write(coded()))
    page.locator("svg").click(position={"x": 52 + 356 * 21 / 40, "y": 100})
    assert_shown(page, 5)


@pytest.mark.browser
def test_psnr_is_shown(write, open_page):
    history = coded()
    x = torch.full((1, 3, 32, 48), 0.5)
    page = open_page(write(history, reference=x, title="A fit"))
    page.get_by_role("slider").fill("3")
    page.get_by_label("running mean").check()
    assert_shown(page, 3, mean=True)
    want = f"PSNR {metrics.psnr(history.frame(3, mean=True), x):.2f} dB"
    assert want in page.inner_text("figcaption")
    assert "needs the clean image" in page.locator("svg").text_content()
    assert "A fit" in page.get_attribute("canvas", "aria-label")
    dashes = page.locator("svg path[stroke-dasharray]").evaluate_all(
        "all => all.map(path => path.getAttribute('stroke-dasharray'))"
    )
    assert dashes == ["none", "none", "6 4", "6 4"]


@pytest.mark.browser
def test_grey_pictures_and_one_frame(write, open_page):
    page = open_page(write(history_of(torch.full((1, 1, 32, 48), 99, dtype=torch.uint8))))
    page.wait_for_function("() => document.querySelector('figcaption').textContent")
    assert red_green(page) == pytest.approx([99, 99], abs=4)


@pytest.mark.browser
def test_without_scripts_there_is_a_filmstrip(write, open_page):
    path = write(coded(), title="A fit")
    page = open_page(path, java_script_enabled=False)
    strip = page.locator("table img")
    assert strip.count() == 5
    assert all(strip.nth(i).is_visible() for i in range(5))
    assert page.get_by_alt_text("A fit: the output at step 40").bounding_box()["width"] > 100
    assert page.get_by_text("step 40", exact=True).is_visible()
    assert not open_page(path).locator("table").is_visible()


@pytest.mark.browser
def test_script_before_its_element_and_copies(open_page, tmp_path):
    html = player.iterations(coded()).html
    path = tmp_path / "late.html"
    path.write_text("<!doctype html><meta charset=utf-8><body>")
    page = open_page(path)
    page.evaluate(
        """html => {
        const host = document.createElement('div');
        host.innerHTML = html;
        const script = document.createElement('script');
        script.textContent = host.querySelector('script').textContent;
        document.head.append(script);  // runs now; its element is not there yet
        setTimeout(() => document.body.append(host, host.cloneNode(true)), 200);
        }""",
        html,
    )
    page.wait_for_function("() => document.querySelectorAll('canvas').length === 2")
    page.get_by_role("slider").nth(1).fill("4")
    captions = page.locator("figcaption")
    assert [captions.nth(i).inner_text().split(" of")[0] for i in (0, 1)] == ["step 0", "step 10"]
    page.get_by_label("running mean").nth(0).check()
    assert page.locator("input[type=radio]:checked").count() == 2
    page.evaluate(
        "() => { const s = document.head.querySelector('script');"
        " document.head.append(Object.assign(document.createElement('script'), {text: s.text})); }"
    )
    assert page.locator("canvas").count() == 2  # a script that runs again starts nothing twice


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible(write, open_page, scheme):
    page = open_page(write(coded()), color_scheme=scheme)
    page.wait_for_selector("figcaption")
    dark = page.evaluate(
        """() => {
        const luminance = (colour) => colour.match(/[0-9.]+/g).slice(0, 3)
            .reduce((sum, v, i) => sum + [0.3, 0.6, 0.1][i] * v / 255, 0);
        const paper = luminance(getComputedStyle(document.body).backgroundColor);
        const ink = [...document.querySelectorAll('figcaption, label, button, svg text')]
            .map((node) => getComputedStyle(node)[node.tagName === 'text' ? 'fill' : 'color'])
            .map(luminance);
        return [paper, ...ink];
        }"""
    )
    paper, *ink = dark
    assert (paper < 0.2) == (scheme == "dark")
    assert len(ink) > 10
    assert all(abs(value - paper) > 0.6 for value in ink)


def luminance(rgb):
    """Relative luminance of (red, green, blue), as WCAG defines it."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    return sum(share * v for share, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "colours"), [("light", COLOURS), ("dark", ON_DARK)])
def test_curves_have_the_colours_of_the_palette_and_stand_out(write, open_page, scheme, colours):
    page = open_page(write(coded(), reference=torch.zeros(1, 3, 32, 48)), color_scheme=scheme)
    page.wait_for_selector("circle")
    looks = """nodes => nodes.map(node => getComputedStyle(node))
    .map(({stroke, fill, backgroundColor}) => ({stroke, fill, backgroundColor}))"""
    curves = page.locator("[data-curve]").evaluate_all(looks)
    (dot,) = page.locator("circle").evaluate_all(looks)
    (paper,) = page.locator("body").evaluate_all(looks)
    assert dot["fill"] == curves[0]["stroke"]
    for number, curve in enumerate(curves):
        ink, ground = (
            [int(v) / 255 for v in re.findall(r"\d+", text)[:3]]
            for text in (curve["stroke"], paper["backgroundColor"])
        )
        assert [round(255 * v) for v in ink] == list(bytes.fromhex(colours[number][1:]))
        dark, light = sorted(map(luminance, (ink, ground)))
        assert (light + 0.05) / (dark + 0.05) > 3  # what WCAG asks of graphics


# ---- the divider


def two(height=32, width=48):
    """Red before, green after."""
    before, after = torch.zeros(2, 1, 3, height, width)
    before[:, 0], after[:, 1] = 0.8, 0.8
    return before, after


def test_compare_holds_both_pictures():
    shown = player.compare(*two(), labels=("y <1>", "x"), title='a "b"')
    assert repr(shown) == 'a "b": y <1> and x, with a divider'
    data = contents(shown)
    assert (data["width"], data["height"]) == (48, 32)
    for source, red in zip(data["pictures"], (204, 0), strict=True):
        assert picture_of(source)[16, 24].tolist() == pytest.approx([red, 204 - red, 0], abs=4)
    assert 'alt="a &quot;b&quot;: y &lt;1&gt;"' in shown.html
    assert "<1>" not in shown.html


def test_compare_gives_the_psnr_of_pictures_of_the_references_size():
    before, after = two()
    small = before[:, :, ::4, ::4]
    data = contents(player.compare(small, after, reference=before))
    assert data["labels"] == ["before", f"after, {metrics.psnr(after, before):.1f} dB"]
    assert (data["width"], data["height"]) == (48, 32)
    assert contents(player.compare(before, after, reference=before))["labels"][0] == "before"


def test_compare_makes_large_pictures_smaller():
    shown = player.compare(*(torch.rand(1, 3, 1024, 1024) for _ in range(2)))
    assert len(shown.html) <= player.LIMIT
    assert picture_of(contents(shown)["pictures"][0]).shape == (512, 512, 3)


@pytest.mark.parametrize(
    ("before", "after", "options", "words"),
    [
        (torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 48), {}, "same proportions"),
        (torch.zeros(3, 32, 32), torch.zeros(1, 3, 32, 32), {}, "the picture 'before'"),
        (torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), {"labels": ("y",)}, "give two"),
    ],
)
def test_bad_comparisons_are_named(before, after, options, words):
    with pytest.raises(ValueError, match=words):
        player.compare(before, after, **options)


def halves(page):
    """Colours of the screen at 1/8, 3/8, 5/8 and 7/8 of the stage: "red" or "green"."""
    shot = page.locator(".stage").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    places = pixels[height // 8, [k * width // 8 for k in (1, 3, 5, 7)]]
    return ["red" if red > green else "green" for red, green, _ in places]


@pytest.mark.browser
def test_divider_by_mouse_keys_and_finger(open_page, tmp_path):
    path = tmp_path / "compare.html"
    player.compare(*two(), labels=("red", "green")).save(path)
    page = open_page(path, has_touch=True)
    slider = page.get_by_role("slider", name="Divider between red and green")
    page.locator(".stage").wait_for()
    assert halves(page) == ["red", "red", "green", "green"]
    box = page.locator(".stage").bounding_box()
    x, y = box["x"], box["y"] + box["height"] / 2
    page.mouse.move(x + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] * 0.75, y, steps=3)
    page.mouse.up()
    page.mouse.move(x + 5, y)  # the button is up: nothing moves
    assert slider.input_value() == "75"
    assert halves(page) == ["red", "red", "red", "green"]
    slider.focus()
    page.keyboard.press("Home")
    assert halves(page) == ["green"] * 4
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "99 per cent red"
    assert halves(page) == ["red"] * 4
    page.touchscreen.tap(x + box["width"] / 4, y)
    assert halves(page) == ["red", "green", "green", "green"]
    assert page.get_by_alt_text("Before and after: green").count() == 2  # one for no scripts
    assert page.requests == []


@pytest.mark.browser
def test_without_scripts_the_two_stand_side_by_side(open_page, tmp_path):
    path = tmp_path / "compare.html"
    player.compare(*two(), labels=("red", "green")).save(path)
    page = open_page(path, java_script_enabled=False)
    boxes = [
        page.get_by_alt_text(f"Before and after: {name}").bounding_box()
        for name in ("red", "green")
    ]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert not open_page(path).locator("table").is_visible()
