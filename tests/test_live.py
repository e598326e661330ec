"""Panels: the pure functions, and the sliders without a front end."""

import asyncio
import re
import threading

import ipywidgets as widgets
import numpy as np
import pytest
import torch

from dipcourse import degrade, images, live, metrics, show
from dipcourse.history import History
from dipcourse.live import panels


def flat(grey):
    return torch.full((1, 1, 16, 16), float(grey))


def alt(panel):
    return re.search(r'(?:aria-label|<img alt)="([^"]*)"', panel.html)[1]


def history_of(count=5, size=32):
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (count, 3, size, size), generator=generator).to(torch.uint8)
    last = frames[-1:].float() / 255
    steps = np.arange(count) ** 2
    return History(np.ones(int(steps[-1]) + 1), steps, frames, 255 - frames, last, 1 - last, 1.0)


# ---- sliders


@pytest.mark.parametrize(
    ("spec", "kind", "value", "options"),
    [
        ((2, 5), widgets.IntSlider, 2, {"min": 2, "max": 5, "step": 1}),
        ((0, 20, 5), widgets.IntSlider, 0, {"max": 20, "step": 5}),
        ((0, 0.5), widgets.FloatSlider, 0.0, {"step": 0.005, "readout_format": ".3f"}),
        ((0, 0.5, 0.01), widgets.FloatSlider, 0.0, {"max": 0.5, "readout_format": ".2f"}),
        ((-1.0, 1.0, 0.5), widgets.FloatSlider, -1.0, {"readout_format": ".1f"}),
        ([1, 2, 5], widgets.SelectionSlider, 1, {"index": 0}),
        ({"few": 8, "many": 128}, widgets.SelectionSlider, 8, {"label": "few"}),
    ],
)
def test_controls(spec, kind, value, options):
    control = panels.control("strength", spec)
    assert type(control) is kind
    assert control.value == value
    assert control.description == "strength"
    assert {key: pytest.approx(getattr(control, key)) for key in options} == options


def test_ready_controls_keep_their_description():
    assert panels.control("a", widgets.Checkbox()).description == "a"
    assert panels.control("a", widgets.Checkbox(description="tick me")).description == "tick me"


@pytest.mark.parametrize(
    "spec", [(1, 0), (0, 0), (0, 1, 0), (0, 1, -1), (0, float("nan")), (1,), [], {}, 3, "text"]
)
def test_bad_controls_are_named(spec):
    with pytest.raises(ValueError, match=r"strength=.*makes no slider"):
        live.panel(lambda strength: flat(strength), strength=spec)


# ---- panels


def test_panel_follows_its_sliders():
    panel = live.panel(lambda grey, n: flat(grey / n), grey=(0.0, 1.0, 0.1), n=[1, 2])
    assert alt(panel) == "A picture: grey = 0.0, n = 1."
    panel.controls["grey"].value = 0.5
    panel.controls["n"].value = 2
    assert panel.values == {"grey": 0.5, "n": 2}
    assert alt(panel) == "A picture: grey = 0.5, n = 2."
    assert panel.html == show.images({"grey = 0.5, n = 2": flat(0.25)}).html
    with pytest.raises(ValueError, match="several sliders"):
        _ = panel.value


def test_panel_takes_figures():
    panel = live.panel(lambda k: show.curves({"y": [k, 1]}, display=False), k=(3, 5))
    assert alt(panel) == "Line chart over step. y: from 3 at 0 to 1 at 1."
    panel.controls["k"].value = 5
    assert "from 5 at 0" in alt(panel)
    assert panel.value == 5


def test_first_error_is_raised_later_ones_are_shown():
    with pytest.raises(ZeroDivisionError):
        live.panel(lambda k: flat(1 / k), k=(0, 2))
    panel = live.panel(lambda k: flat(1 / (1 - k)), k=(0, 2))
    panel.controls["k"].value = 1
    assert 'role="alert"' in panel.html
    assert "ZeroDivisionError: division by zero" in panel.html
    panel.controls["k"].value = 2
    assert alt(panel) == "A picture: k = 2."


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: live.panel(flat), "no sliders"),
        (lambda: live.panel(flat, gray=(0, 1)), r"\['gray'\] do not fit"),
        (lambda: live.panel(lambda k: k, k=(0, 1)), "returned a int"),
        (lambda: live.panel(lambda k: flat(k)[0], k=(0, 1)), "has shape"),
    ],
)
def test_bad_panels_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_another_thread_hands_over_and_never_queues():
    """A subshell moves the slider while the main thread is busy: one drawing, of the last value."""
    drawn = []

    def render(k):
        drawn.append((k, threading.current_thread() is threading.main_thread()))
        return flat(k / 100)

    async def kernel():
        panel = live.panel(render, k=(0, 100))

        def drag(values):
            for value in values:
                panel.controls["k"].value = value

        for values in (range(1, 50), range(50, 101)):
            subshell = threading.Thread(target=drag, args=[values])
            subshell.start()
            subshell.join()  # the main thread is busy
            while panel._waiting:
                await asyncio.sleep(0.01)

    asyncio.run(kernel())
    assert drawn == [(0, True), (49, True), (100, True)]


def test_moves_during_a_drawing_are_not_lost():
    started, moved = threading.Event(), threading.Event()
    drawn = []

    def render(k):
        drawn.append(k)
        if k == 1:
            started.set()
            assert moved.wait(10)
        return flat(k / 3)

    async def kernel():
        panel = live.panel(render, k=(0, 3))

        def drag():
            panel.controls["k"].value = 1
            assert started.wait(10)
            panel.controls["k"].value = 2
            panel.controls["k"].value = 3
            moved.set()

        subshell = threading.Thread(target=drag)
        subshell.start()
        while subshell.is_alive() or panel._waiting:
            await asyncio.sleep(0.01)
        return alt(panel)

    assert asyncio.run(kernel()) == "A picture: k = 3."
    assert drawn == [0, 1, 3]


# ---- views and the slider over steps


def test_difference():
    x = flat(0.5)
    assert live.difference(x)(x + 0.1).unique() == pytest.approx(0.75)
    assert live.difference(x, limit=0.1)(x - 0.2).unique() == 0
    with pytest.raises(ValueError, match="the reference"):
        live.difference(x[0])


def test_spectrum_shows_the_frequency():
    k = torch.arange(32)
    wave = (0.5 + 0.2 * torch.cos(2 * torch.pi * 4 * k / 32)).expand(1, 3, 32, 32)
    picture = live.spectrum()(wave)
    assert picture.shape == (1, 1, 32, 32)
    bright = (picture[0, 0] > 0.5).nonzero().tolist()
    assert bright == [[16, 12], [16, 16], [16, 20]]  # rows, columns: ±4 and the mean
    assert picture[0, 0, 16, 12] == pytest.approx(1)  # amplitude 0.1


def test_crop():
    x = torch.rand(1, 3, 32, 40)
    assert torch.equal(live.crop(4, 30, 10)(x), x[:, :, 4:14, 30:40])
    with pytest.raises(ValueError, match="does not fit"):
        live.crop(4, 31, 10)(x)


def test_iterations_index_the_kept_steps():
    history, x = history_of(), torch.rand(1, 3, 32, 32)
    panel = live.iterations(history, {"half": lambda frame: frame / 2}, reference=x)
    assert [step for _, step in panel.controls["step"].options] == [0, 1, 4, 9, 16]
    panel.controls["step"].value = 9
    dB = f"{metrics.psnr(history.frame(3), x):.1f} dB"
    assert alt(panel) == f"2 pictures side by side: step 9, {dB}; half."
    pictures = {f"step 9, {dB}": history.frame(3), "half": history.frame(3) / 2}
    assert panel.html == show.images(pictures).html


def test_iterations_have_default_views():
    history = history_of()
    assert "spectrum" in alt(live.iterations(history))
    assert "difference" not in alt(live.iterations(history))
    text = alt(live.iterations(history, reference=torch.rand(1, 3, 32, 32), mean=True))
    assert all(word in text for word in ("mean up to step 0, ", "difference", "centre"))


# ---- damage


@pytest.mark.parametrize("kind", live.DAMAGE)
def test_every_damage_fits_its_operator(kind):
    x = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    for strength in live.DAMAGE[kind][1]:
        y, operator = live.damage(x, kind, strength)
        assert operator(x).shape == y.shape
        assert torch.equal(y, live.damage(x, kind, strength)[0])
        if kind in ("noise", "JPEG"):
            assert isinstance(operator, degrade.Identity)
            assert not torch.equal(y, x)
        else:
            assert torch.equal(y, operator(x))


def test_lessons_find_the_damage_beside_its_panel():
    assert live.damage is degrade.damage
    assert live.DAMAGE is degrade.DAMAGE


def test_damage_has_the_strength_that_was_asked_for():
    x = torch.full((1, 3, 192, 192), 0.5)
    y, _ = live.damage(x, "noise", 25)
    assert (y - x).std() * 255 == pytest.approx(25, rel=0.02)
    _, operator = live.damage(x, "missing pixels", 90)
    assert operator.mask.mean() == pytest.approx(0.1, abs=0.01)
    assert live.damage(x, "fewer pixels", 4)[0].shape == (1, 3, 48, 48)
    with pytest.raises(ValueError, match="'fog': use one of noise"):
        live.damage(x, "fog", 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: live.damage(x, "noise", 0.1), "strength=0.1: give σ in grey levels, such as 15"),
        (lambda x: live.damage(x, "noise", "15"), "strength='15'"),
        (lambda x: live.damage(x, "missing pixels", 0.5), "0.5: give hidden, in %, such as 50"),
        (lambda x: live.damage(x, "JPEG", 0.9), "quality=0.9: use a whole number from 1 to 95"),
        (
            lambda x: live.difference(x, limit=50),
            "limit=50: give it in .* 50 grey levels are 50/255",
        ),
        (lambda x: live.difference(x, limit=0), "limit=0"),
        (lambda x: live.crop(0.1, 0, 16)(x), "top=0.1: use a whole number of pixels"),
    ],
)
def test_numbers_in_another_unit_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(torch.full((1, 3, 48, 48), 0.5))


def test_damage_panel_follows_its_controls():
    x = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    panel = live.damage_panel({"mine": x, "flipped": x.flip(3)})
    assert panel.values["kind"] == "noise"
    assert f"{metrics.psnr(panel.y, x):.1f} dB" in alt(panel)
    assert shown_sliders(panel) == ["noise"]
    panel.controls["kind"].value = "fewer pixels"
    panel.controls["fewer pixels"].value = 6
    panel.controls["photo"].value = "flipped"
    assert shown_sliders(panel) == ["fewer pixels"]
    assert torch.equal(panel.x, x.flip(3))
    assert torch.equal(panel.y, degrade.Downsample(6)(x.flip(3)))
    assert panel.operator.factor == 6
    assert alt(panel) == "2 pictures side by side: x: clean; y: fewer pixels, factor: 6."


def test_damage_panel_takes_names_and_paths():
    panel = live.damage_panel(["face", images.folder() / "face.png"], size=48)
    assert torch.equal(panel.x, images.load("face", 48))
    panel.controls["photo"].index = 1
    assert torch.equal(panel.x, images.load("face", 48))
    with pytest.raises(ValueError, match="no photos"):
        live.damage_panel(())


def test_damage_panel_takes_one_photo():
    assert live.damage_panel("coffee", size=48).controls["photo"].options == ("coffee",)
    x = torch.full((1, 1, 48, 48), 0.5)
    assert torch.equal(live.damage_panel(x).x, x)
    with pytest.raises(ValueError, match="the photo"):
        live.damage_panel(x[0])


def shown_sliders(panel):
    return [name for name in live.DAMAGE if panel.controls[name].layout.display != "none"]
