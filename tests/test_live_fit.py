"""The fit that the page drives, without a page: what ticks, buttons and sliders do."""

import asyncio
import itertools
import math
import re
import signal
import threading
from html import escape

import ipywidgets as widgets
import numpy as np
import pytest
import torch

from dipcourse import degrade, fit, live, metrics, nets, player
from dipcourse._html.chart import FONT, Chart, ticks
from dipcourse._palette import stroke
from dipcourse.fit import machine
from dipcourse.live import fitting, sight

A = degrade.Identity()
SIZE = 16


@pytest.fixture(autouse=True)
def _one_step_a_tick(monkeypatch):
    monkeypatch.setattr(fitting, "BUDGET", 0)


def photo():
    return torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def network():
    torch.manual_seed(0)
    net = nets.UNet(4, 3, widths=(8, 8), skip=4)
    return net, nets.fixed_input(4, SIZE, SIZE)


def make(operator=A, **options):
    net, z = network()
    return live.fit_panel(net, z, operator(photo()), operator, **{"jitter": 0.03, **options})


def play(panel, on=True):
    setattr(panel.play, panel._playing, on)


def tick(panel, count=1):
    play(panel)
    for _ in range(count):
        panel.play.value += 1


def is_playing(panel):
    return getattr(panel.play, panel._playing)


# ---- the fit


def test_ticks_make_the_steps_of_fit():
    panel = make(steps=8, frames=4, window=3)
    tick(panel, 8)
    net, z = network()
    want = fit.fit(
        net, z, photo(), A, steps=8, frames=4, jitter=0.03, window=3, lr=0.01, progress=False
    )
    history = panel.history
    assert np.array_equal(history.loss, want.loss)
    assert np.array_equal(history.steps, want.steps)
    assert torch.equal(history.means, want.means)
    assert torch.equal(history.final, want.final)
    assert np.array_equal(history.variance, want.variance, equal_nan=True)
    assert not history.interrupted
    assert "step 8 of 8" in panel.html
    assert "finished" in panel.html
    assert not is_playing(panel)
    tick(panel)
    assert panel.k == 8
    assert "step 7" in repr(player.iterations(history))


def test_the_reference_changes_nothing():
    losses = []
    for reference in (None, photo(), 1 - photo()):
        panel = make(reference=reference)
        tick(panel, 5)
        losses.append(panel.history.loss.tolist())
    assert losses[0] == losses[1] == losses[2]


def test_sliders_act_at_the_next_step():
    panel = make()
    tick(panel, 2)
    panel.sliders["lr"].value = 0.05
    panel.sliders["jitter"].value = 0.0
    tick(panel, 2)
    net, z = network()
    stepper = fit.Stepper(net, z, photo(), A, lr=0.01, jitter=0.03)
    losses = []
    for k in range(4):
        if k == 2:
            stepper.jitter = 0.0
            stepper.optimizer.param_groups[0]["lr"] = 0.05
        stepper.step()
        losses.append(stepper.look())
    assert panel.history.loss == pytest.approx(losses, rel=0, abs=0)
    assert panel.history.settings["changes"] == [[2, "lr", 0.05], [2, "jitter", 0.0]]
    assert panel.history.settings["lr"] == pytest.approx(0.01)


def test_pixels_have_no_jitter():
    panel = live.fit_panel(nets.PixelImage(photo()), None, photo(), A)
    assert list(panel.sliders) == ["lr"]
    tick(panel)
    assert panel.k == 1


# ---- run, pause, one step, start over


def test_pause_and_one_step():
    panel = make()
    assert panel.history is None
    assert "ready" in panel.html
    assert panel.html.count("<img") == 1  # y
    tick(panel, 3)
    assert "running" in panel.html
    play(panel, False)
    assert "paused" in panel.html
    panel.play.value += 1  # the last tick arrives after the pause
    assert panel.k == 3
    panel.step()
    assert panel.k == 4
    tick(panel)
    panel.step()
    assert panel.k == 6
    assert not is_playing(panel)
    assert panel.history.interrupted
    assert panel.history.steps[-1] == 5


def test_a_stop_button_that_a_page_does_not_hide_pauses():
    for order in (1, -1):  # both front ends send two traits, together or one after the other
        panel = make()
        tick(panel, 2)
        for name, value in [("value", 0), (panel._playing, False)][::order]:
            setattr(panel.play, name, value)
        assert panel.k == 2
        assert "paused" in panel.html
        assert not is_playing(panel)


def words_of_buttons(panel):
    row = next(child for child in panel._box.children if isinstance(child, widgets.HBox))
    return [child.description for child in row.children if isinstance(child, widgets.Button)]


def test_one_button_runs_and_pauses_and_one_starts_over():
    """Of the Play widget one button is left: that the page hides ■ is seen in test_front_ends."""
    assert words_of_buttons(make()) == ["One step", "Start over"]
    assert words_of_buttons(make(stage=True)) == ["Start over"]


@pytest.mark.parametrize("stage", [False, True])
def test_y_stays_beside_the_output_from_start_to_end(stage):
    panel = make(steps=3, stage=stage)
    given = sources(panel)[0]
    assert sources(panel) == [given]
    for made in (1, 2, 3):
        tick(panel)
        assert panel.k == made
        assert sources(panel)[0] == given
        assert len(sources(panel)) == (2 if stage else 3)
    assert "finished" in panel.html
    panel.restart()
    assert sources(panel) == [given]


def sources(panel):
    return re.findall(r'<img [^>]*src="([^"]*)"', panel.html)


def test_a_panel_speaks_to_people_not_to_programmers():
    panel = make(steps=3)
    said = [panel.html]
    tick(panel, 2)
    panel.pause()
    said.append(panel.html)
    tick(panel)
    said.append(panel.html)
    for html in said:
        assert ".history" not in html
    assert ["ready" in said[0], "paused" in said[1], "finished" in said[2]] == [True] * 3


def test_a_stage_shows_large_pictures_and_large_words():
    mask = degrade.hole_mask(SIZE, SIZE, 4, 4, 8, 8)
    panel = make(operator=degrade.Mask(mask), reference=photo(), stage=True)
    tick(panel, 2)
    assert panel.html.count("<img") == panel.html.count('width="400" height="400"') == 2
    assert "font-size:18pt" in panel.html
    assert "running mean" not in panel.html
    assert "PSNR in dB (needs the clean image)" in panel.html
    in_box = panel._box.children
    assert not set(panel.sliders.values()) & set(in_box)
    assert set(make().sliders) == set(panel.sliders)  # they act, if a program moves them


def test_the_words_of_a_chart_on_a_stage_are_as_large_as_the_others():
    points = 3 / 4  # of a CSS pixel
    for look, least in ((sight.STAGE, 18), (sight.PLAIN, 10)):
        html = sight.view("step 2", {}, [1.0, 0.5], look=look)
        wide = int(re.search(r'viewBox="0 0 (\d+)', html)[1])
        shown = int(re.search(r"max-width:(\d+)px", html)[1])
        assert FONT * shown / wide * points >= least - 0.1


def test_restart_is_the_same_fit_again():
    panel = make()
    tick(panel, 3)
    first = panel.history
    panel.restart()
    assert panel.k == 0
    assert panel.history is None
    assert is_playing(panel)
    tick(panel, 3)
    assert np.array_equal(panel.history.loss, first.loss)
    panel.sliders["lr"].value = 0.001
    panel.restart()
    assert panel.history is None
    tick(panel, 3)
    assert panel.history.loss[0] == first.loss[0]
    assert panel.history.loss[2] != first.loss[2]
    assert panel.history.settings["lr"] == 0.001
    assert panel.history.settings["changes"] == []


def test_one_panel_runs_at_a_time():
    first, second = make(), make()
    tick(first)
    assert is_playing(first)
    tick(second)
    assert not is_playing(first)
    tick(first)
    assert not is_playing(second)
    make()  # the cell runs again
    assert not is_playing(first)


def test_a_cleared_output_stops_the_fit():
    panel = make()
    panel.play._view_count = 1
    tick(panel)
    panel.play._view_count = 0
    assert not is_playing(panel)


def test_a_page_that_was_loaded_anew_stands_still_and_says_how_to_go_on():
    panel = make()
    panel.play._view_count = 1
    tick(panel)
    assert is_playing(panel)
    panel.play._view_count = 2  # the old page has not said goodbye
    assert not is_playing(panel)
    assert "paused" in panel.html
    assert "if ▶ stops at once, clear" in panel.html


def test_reading_the_history_adds_no_frames():
    panel = make(frames=2)
    for _ in range(4):
        panel.step()
        assert len(panel.history) <= 2
    assert list(panel.history.steps) == [0, 3]


# ---- what goes wrong


def test_a_picture_of_another_size_is_no_reference():
    with pytest.raises(ValueError, match=r"A\(reference\) has shape"):
        make(reference=photo()[..., :8])


def test_a_jitter_needs_an_input():
    with pytest.raises(ValueError, match="with pixels use 0"):
        live.fit_panel(nets.PixelImage(photo()), None, photo(), A, jitter=0.1)


def test_divergence_is_shown_and_its_history_kept():
    net = nets.PixelImage(photo())
    panel = live.fit_panel(net, None, photo() / 2, A, lr=1e30, optimizer="gradient descent")
    for _ in range(3):
        tick(panel)
    assert 'role="alert"' in panel.html
    assert "FitDiverged" in panel.html
    assert not is_playing(panel)
    assert len(panel.history.loss) == 1
    assert np.isfinite(panel.history.loss).all()
    panel.sliders["lr"].value = panel.sliders["lr"].min
    panel.restart()
    assert "alert" not in panel.html


def test_an_error_is_shown_until_it_is_mended():
    broken = []

    def prior(x):
        if broken:
            raise RuntimeError("no <prior> today")
        return x.mean() * 0

    panel = make(prior=prior)
    tick(panel, 2)
    broken.append(True)
    tick(panel)
    assert "RuntimeError: no &lt;prior&gt; today" in panel.html
    assert "at step 2" in panel.html
    assert not is_playing(panel)
    panel.play.value = 0  # a pause does not hide it
    assert 'role="alert"' in panel.html
    assert len(panel.history.loss) == 2
    broken.clear()
    panel.step()
    assert 'role="alert"' not in panel.html
    assert panel.k == 3


def test_an_interrupt_is_a_pause():
    def prior(x):
        raise KeyboardInterrupt

    panel = make(prior=prior)
    tick(panel)
    assert not is_playing(panel)
    assert "stopped" in panel.html


@pytest.fixture
def _ignored():
    """A kernel ignores interrupts while it handles no message."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ignored")
@pytest.mark.parametrize("presses", [1, 2])
def test_the_kernels_stop_button_ends_the_tick_or_its_step(presses):
    """One lets the running step come to its end; a second one breaks it off."""

    def prior(x):
        if panel.k == 2:
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
        return x.mean() * 0

    async def kernel():
        nonlocal panel
        panel = make(prior=prior)
        tick(panel, 2)
        panel.play.value += 1
        await turns()
        assert panel.k == (3 if presses == 1 else 2)
        assert escape(fitting.STOPPED) in panel.html
        tick(panel, 2)  # nothing is stuck
        assert "running" in panel.html
        panel.pause()
        await turns()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN

    panel = None
    asyncio.run(kernel())


@pytest.mark.usefixtures("_ignored")
def test_the_kernels_stop_button_is_heard_between_ticks():
    async def kernel():
        panel = make()
        await turns()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        tick(panel, 2)
        await turns()
        signal.raise_signal(signal.SIGINT)
        await turns()
        assert not is_playing(panel)
        assert escape(fitting.STOPPED) in panel.html
        assert panel.k == 2
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN

    asyncio.run(kernel())


async def turns():
    """Let the loop do what has been asked of it."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lr": 0}, "above 0"),
        ({"lr": math.inf}, "above 0"),
        ({"steps": 0}, "steps=0"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"jitter": math.nan}, "jitter=nan"),
        ({"jitter": -1}, "jitter=-1"),
        ({"reference": np.zeros((8, 8))}, "the reference is a ndarray"),
        ({"frames": 1}, "at least 2"),
        ({"window": 1}, "at least 2 steps"),
    ],
)
def test_bad_settings_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        make(**options)


def test_an_operator_of_ones_own_needs_no_mask():
    class Own(torch.nn.Module):
        def forward(self, x):
            return x

    panel = make(operator=Own(), reference=photo())
    tick(panel)
    assert f"output: {metrics.psnr(panel._stepper.output, photo()):.1f} dB (" in panel.html


def test_the_film_is_counted_before_the_panel_is_made(monkeypatch):
    asked = []
    monkeypatch.setattr(machine, "require_memory", lambda *arguments: asked.append(arguments))
    make(steps=200, frames=9, prior=torch.sum)
    assert asked[0][-2:] == (9, True)


def test_another_thread_hands_its_ticks_over():
    """A subshell ticks while a cell runs: the steps are made after it, in the main thread."""
    places = []

    def prior(x):
        places.append(threading.current_thread() is threading.main_thread())
        return x.mean() * 0

    async def kernel():
        panel = make(prior=prior)

        def page(work):
            subshell = threading.Thread(target=work)
            subshell.start()
            subshell.join()  # the main thread is busy
            assert panel.k == before
            return subshell

        async def settle():
            while panel._busy:
                await asyncio.sleep(0.01)

        before = 0
        page(lambda: tick(panel, 5))
        await settle()
        assert panel.k == 2  # of the ticks that came meanwhile, one counts
        before = 2
        page(lambda: tick(panel))
        await settle()
        assert panel.k == 3
        before = 3
        page(panel.pause)
        await asyncio.sleep(0.05)
        assert "paused" in panel.html

    asyncio.run(kernel())
    assert places == [True] * 3


# ---- pure functions


def test_advance_keeps_to_its_time_and_limit():
    net, z = network()
    stepper = fit.Stepper(net, z, photo(), A)
    seconds = itertools.count()
    losses = fitting.advance(stepper, 10, {0, 2}, 3, clock=lambda: next(seconds))
    assert len(losses) == stepper.k == 3
    assert len(fitting.advance(stepper, 10, set(), 0)) == 1
    losses += fitting.advance(stepper, 10, set(), math.inf)
    assert stepper.k == 10
    assert fitting.advance(stepper, 10, set(), 1) == []
    history = stepper.history()
    assert history.steps.tolist() == [0, 2, 9]
    assert history.loss[:3].tolist() == pytest.approx(losses[:3])


def test_psnr_is_an_oracle_and_of_hidden_pixels():
    plain = make()
    tick(plain)
    assert "dB" not in plain.html
    assert "clean image" not in plain.html
    mask = degrade.hole_mask(SIZE, SIZE, 4, 4, 8, 8)
    panel = make(operator=degrade.Mask(mask), reference=photo())
    tick(panel)
    want = metrics.psnr(panel._stepper.output, photo(), 1 - mask)
    caption = f"output: {want:.1f} dB, on hidden pixels (needs the clean image)"
    assert f"<figcaption>{caption}</figcaption>" in panel.html
    assert "PSNR in dB (needs the clean image)" in panel.html


def test_pictures_have_alt_texts_and_titles_are_escaped():
    html = sight.view("step 3 · on", {'<b> "x"': photo()}, [1.0, 0.5])
    assert 'alt="&lt;b&gt; &quot;x&quot;, step 3"' in html
    assert "<b>" not in html
    assert re.search(r'role="img" aria-label="loss \(log axis\): from 0.5 to 1 over 2 steps"', html)


def curves(svg):
    """The paths of a chart's curves."""
    return re.findall(r'<path data-curve="\d" d="([^"]*)"', svg)


def test_a_chart_leaves_gaps():
    chart = Chart("loss", range(1, 6), [[1.0, math.nan, 0.01, 0.0, 0.1]], log=True)
    (path,) = curves(chart.svg())
    assert re.fullmatch(r"M\S+ 26\.0M\S+ 262\.0M\S+ 144\.0", path)
    assert chart.heights([1.0, math.inf, 0.01, -1.0, 0.1]) == [26, None, 262, None, 144]
    assert "from 0.01 to 1 over 5 steps" in chart.svg()
    empty = Chart("loss", [1], [[math.nan]]).svg()
    assert curves(empty) == [""]
    assert "nothing to draw" in empty


def test_no_number_of_an_axis_is_cut_off():
    svg = Chart("loss", [1, 2], [[0.01, 0.0125]], log=True).svg()
    marks = ticks(0.01, 0.0125, log=True)
    assert max(len(str(mark)) for mark in marks) >= 6
    left = float(re.search(r'data-left="(\d+)"', svg)[1])
    for mark in marks:
        place = re.search(rf'<text x="([^"]*)" y="[^"]*" text-anchor="end" [^>]*>{mark}<', svg)
        assert float(place[1]) < left
        assert float(place[1]) >= len(str(mark)) * FONT * 0.6  # a digit is at most so wide


def test_a_chart_of_two_curves_has_a_legend():
    svg = Chart("PSNR", [1, 2], [[3.0, 3.0], [3.0, 3.0]], kinds=("one", "mean")).svg()
    assert [path.count(" 154.0") for path in curves(svg)] == [2, 2]  # in the middle
    assert svg.count('stroke-dasharray="6 4"') == 2  # curve and legend
    assert [">one<" in svg, ">mean<" in svg] == [True, True]


@pytest.mark.parametrize(
    ("low", "high", "log", "marks"),
    [
        (0, 40, False, [0, 10, 20, 30, 40]),
        (19.97, 20.02, False, [19.97, 19.98, 19.99, 20, 20.01, 20.02]),
        (0.02, 0.3, True, [0.02, 0.05, 0.1, 0.2]),
        (0.02, 3, True, [0.03, 0.1, 0.3, 1, 3]),
        (2e-4, 3, True, [0.001, 0.01, 0.1, 1]),
        (0.02, 0.06, True, [0.02, 0.03, 0.04, 0.05, 0.06]),
    ],
)
def test_marks_of_an_axis_are_round(low, high, log, marks):
    assert ticks(low, high, log) == marks


def test_a_long_fit_has_a_short_curve():
    html = sight.view("step 10000", {}, np.ones(10_000).tolist())
    (path,) = curves(html)
    assert path.count("L") == sight.POINTS - 1
    assert 'data-last="10000"' in html


def test_the_chart_of_a_panel_and_of_a_page_are_one():
    panel = make(reference=photo())
    tick(panel, 3)
    page = player.iterations(panel.history, reference=photo()).html.replace("\\u003c", "<")
    for part in ("PSNR in dB (needs the clean image)", stroke(0), stroke(1)):
        assert part in panel.html
        assert part in page.replace('\\"', '"')
