"""A photo of one's own: what the page sends, and the page's script on its own."""

import io

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

from dipcourse import images, live
from dipcourse.images import codec
from dipcourse.live import base, picking


def photo(height=24, width=32):
    x = torch.full((1, 3, height, width), 0.2)
    x[:, 1, :, width // 2 :] = 0.6
    return x


def sent(array):
    """What the page would send for an array (H, W, channels) of levels."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return codec.address(file.getvalue())


# ---- without a page


def test_the_start_stays_until_somebody_chooses():
    picked = live.pick_photo(photo())
    assert torch.equal(picked.photo, photo())
    assert 'images.load("photo.jpg")' in picked.html.replace("&quot;", '"')
    choice = {"method": "custom", "content": {"picked": sent(np.full((10, 20, 3), 51, np.uint8))}}
    picked.picker._handle_msg({"content": {"data": choice}, "buffers": []})
    assert torch.allclose(picked.photo, torch.full((1, 3, 10, 20), 0.2))


def test_a_name_and_the_opaque_page():
    assert torch.equal(live.pick_photo("face").photo, images.load("face"))
    opaque = np.full((10, 20, 4), 255, np.uint8)
    assert picking.decode(sent(opaque)).shape == (1, 3, 10, 20)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: live.pick_photo(photo()[0]), "the photo has shape"),
        (lambda: live.pick_photo(photo(), longest=10), "longest"),
        (lambda: picking.decode("data:image/png;base64,AAAA"), "no picture"),
        (lambda: picking.decode("data:image/png;base64,!"), "no picture"),
        (lambda: picking.decode(sent(np.zeros((4, 4, 3), np.uint8))), "at least 8"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_picker_and_fallback_are_shown_once(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    seen = []
    monkeypatch.setattr(base, "display", lambda *args, **options: seen.append(args[0]))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        shell.user_ns.update(live=live, x=photo())
        assert shell.run_cell("p = live.pick_photo(x)\np", store_history=True).success
    finally:
        InteractiveShell.clear_instance()
    picker, note = seen
    assert picker.note in note["text/html"]


# ---- the script in Chromium, with a stand-in for the notebook

CAMERA = """() => {
    const scene = document.createElement("canvas");
    [scene.width, scene.height] = [64, 48];
    const pen = scene.getContext("2d");
    setInterval(() => { pen.fillStyle = "rgb(0, 255, 0)"; pen.fillRect(0, 0, 64, 48); }, 20);
    window.stream = scene.captureStream();
    navigator.mediaDevices.getUserMedia = async () => window.stream;
}"""


REFUSED = "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error()); }"


@pytest.fixture
def pick_page(open_widget):
    names = ("photo", "about", "note", "longest", "picked")
    return open_widget(live.pick_photo(photo(), longest=64).picker, names, before=CAMERA)


def choose(page, name, data):
    page.get_by_label("Your photo").nth(0).set_input_files(
        {"name": name, "mimeType": "image/jpeg", "buffer": data}
    )


def jpeg(height, width, turned=False):
    """A JPEG whose left half is white, with what a camera writes down about it."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, : width // 2] = 255
    exif = Image.Exif()
    exif[0x010F] = "Maker of cameras"
    if turned:
        exif[0x0112] = 6  # the camera was held upright
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


@pytest.mark.browser
def test_a_file_is_made_small_upright_and_loses_what_the_camera_wrote(pick_page):
    page = pick_page
    assert not page.get_by_text("no widget").is_visible()
    assert "a photo of the course, 32 × 24 pixels" in page.get_by_role("status").nth(1).inner_text()
    choose(page, "me.jpg", jpeg(120, 320, turned=True))
    page.wait_for_function("messages === 1")
    text = page.evaluate("state.picked")
    assert b"Maker" not in codec.from_address(text)
    x = picking.decode(text)
    assert x.shape == (1, 3, 64, 24)
    assert x[:, :, :28].min() > 0.9
    assert x[:, :, 36:].max() < 0.1
    for view in (0, 1):
        assert "your photo, 24 × 64 pixels" in page.get_by_role("status").nth(view).inner_text()
        assert page.locator("img").nth(view).get_attribute("src") == text


@pytest.mark.browser
def test_a_small_file_keeps_its_size_and_no_picture_is_refused_in_words(pick_page):
    page = pick_page
    choose(page, "me.jpg", jpeg(20, 40))
    page.wait_for_function("messages === 1")
    assert picking.decode(page.evaluate("state.picked")).shape == (1, 3, 20, 40)
    choose(page, "me.heic", b"no picture at all")
    page.get_by_text("save it as PNG or JPEG").nth(0).wait_for()
    assert page.evaluate("[saved, messages]") == [0, 1]  # see PageWidget


@pytest.mark.browser
def test_the_camera_opens_when_asked_and_closes_when_the_photo_is_taken(pick_page):
    page = pick_page
    page.get_by_role("button", name="Camera").nth(0).click()
    take = page.get_by_role("button", name="Take it").nth(0)
    page.wait_for_function("document.querySelector('video').videoWidth === 64")
    take.click()
    page.wait_for_function("messages === 1")
    x = picking.decode(page.evaluate("state.picked"))
    assert x.shape == (1, 3, 48, 64)
    assert x[0, 1].min() > 0.8
    assert x[0, 0].max() < 0.2
    assert page.evaluate("stream.getTracks().every((track) => track.readyState === 'ended')")
    assert page.get_by_role("button", name="Camera").nth(0).is_visible()


@pytest.mark.browser
def test_a_camera_that_may_not_be_used_is_said(pick_page):
    page = pick_page
    page.evaluate(REFUSED)
    page.get_by_role("button", name="Camera").nth(0).click()
    page.get_by_text("The camera is not open to this page").nth(0).wait_for()
