"""The live demo: every minute works alone, live or recorded, and the recordings show the point."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dipcourse import degrade, images, live, metrics, player, presets, recordings, show
from dipcourse.stopping import oracle
from tools import lesson_code, notebooks

(PATH,) = notebooks.LESSONS.glob("90_*.ipynb")
CODE = [c.id for c in notebooks.read(PATH).cells if c.cell_type == "code" and c.id != "setup"]
PREPARED = CODE[: CODE.index("damage")]
MINUTES = CODE[CODE.index("damage") :]
ENDLESS = 10**9  # seconds that the audience would wait


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")


def prepared(**changes):
    """The names that there are above minute 1; fits run live, however slow this machine is."""
    names = lesson_code.run("90", *PREPARED)
    names.update({"PATIENCE": ENDLESS} | changes)  # in place: the helpers look here
    return names


def run(*cells, names):
    """Run cells on names that `prepared` made: in place, for the helpers look there."""
    for cell in cells:
        exec(lesson_code.source("90", cell), names)
    return names


def steps(panel, number):
    for _ in range(number):
        panel.step()


def hidden_psnr(history, x, hidden):
    return metrics.psnr(history.frame(-1), x, hidden)


@pytest.mark.parametrize("patience", [ENDLESS, 0], ids=["live", "recorded"])
@pytest.mark.parametrize("minute", MINUTES)
def test_each_minute_works_alone(minute, patience, capsys):
    run(minute, names=prepared(PATIENCE=patience))
    said = capsys.readouterr().out
    plays = ("film(", "judged(", "recordings.about(")
    shows_a_film = any(part in lesson_code.source("90", minute) for part in plays)
    runs_a_fit = minute in ("heal", "noise", "shuffle", "copy-noise")
    assert ("record" in said) == (shows_a_film or (runs_a_fit and not patience)), said


def test_nothing_starts_by_itself(capsys):
    names = run(*MINUTES, names=prepared())
    panels = [names[name] for name in ("healing", "denoising", "copying")]
    assert [panel.k for panel in panels] == [0, 0, 0]
    assert "so this is a recording" in capsys.readouterr().out


def test_the_fits_are_on_a_stage_and_y_stays_beside_them():
    names = run("heal", "noise", "copy-noise", names=prepared())
    for name in ("healing", "denoising", "copying"):
        panel = names[name]
        panel.step()
        titles = re.findall(r"<figcaption>(.*?)</figcaption>", panel.html)
        assert titles == ["y: what the fit gets", "output"]
        assert panel.html.count("<img alt=") == panel.html.count('width="400"') == 2


def test_a_presenter_is_told_how_to_enlarge_and_how_to_show_the_code():
    first = notebooks.read(PATH).cells[1]
    assert first.id == "presenter"
    for words in ("zoom", "Presentation Mode", "Expand All Code", "Colab"):
        assert words in first.source


def test_measuring_the_machine_leaves_the_network_as_it_was(monkeypatch):
    names, given = prepared(), {}
    monkeypatch.setattr(live, "fit_panel", lambda net, z, y, A, **more: given.update(net=net))
    names["watch"]("90_noisy", "overfit", names["noisy"](names["x"]), degrade.Identity())
    fresh, _ = presets.get("overfit", "smoke").make(height=64, width=64)
    weights = zip(given["net"].state_dict().values(), fresh.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_a_slow_machine_gets_the_recording_and_is_told(monkeypatch, capsys):
    names = prepared(pace=lambda *fit: 0.1, PATIENCE=60)
    played = []
    monkeypatch.setattr(player, "iterations", lambda history, title: played.append(history))
    made = names["watch"]("90_noisy", "overfit", names["noisy"](names["x"]), degrade.Identity())
    assert made is None
    assert played[0].settings["command"].endswith("90_noisy")
    said = capsys.readouterr().out
    assert "160 s here" in said  # 12 steps, and a third more for drawing
    assert "more than 60 s, so this is a recording" in said
    assert "face" in said


def test_the_film_is_that_of_the_panel_once_somebody_ran_it(capsys):
    names = run("noise", names=prepared())
    assert len(names["film"](names["denoising"], "90_noisy")[0].loss) == 500
    steps(names["denoising"], 5)
    capsys.readouterr()
    history, photo = names["film"](names["denoising"], "90_noisy")
    assert len(history.loss) == 5
    assert photo is names["x"]
    assert capsys.readouterr().out == ""


def test_a_fit_stands_still_when_its_film_is_shown(monkeypatch):
    names, paused = run("noise", names=prepared()), []
    steps(names["denoising"], 3)
    monkeypatch.setattr(names["denoising"], "pause", lambda: paused.append(True))
    names["film"](names["denoising"], "90_noisy")
    assert paused


def test_the_recordings_come_with_their_photo():
    names = prepared()
    for name in ("90_drawn", "90_noisy", "03_noise"):
        history, photo = names["film"](None, name)
        assert photo.shape == history.final.shape


def test_what_is_painted_is_restored():
    names = prepared()
    names["drawn"] = SimpleNamespace(mask=degrade.hole_mask(64, 64, 10, 10, 20, 20))
    names = run("heal", names=names)
    assert torch.equal(names["mask"], names["drawn"].mask)
    steps(names["healing"], 3)
    history = run("look", names=names)["history"]
    assert len(history.loss) == 3


def test_a_photo_painted_over_completely_gets_the_scribble():
    names = prepared(drawn=SimpleNamespace(mask=torch.zeros(1, 1, 64, 64)))
    assert torch.equal(run("heal", names=names)["mask"], degrade.scribble_mask(64, 64))


def test_votes_are_counted_marked_and_used(monkeypatch):
    names = run("vote", names=prepared())
    assert list(names["votes"]) == list("ABCDEF")
    for box, hands in zip(names["boxes"], (0, 1, 2, 9, 5, 3), strict=True):
        box.value = hands
    assert [hands for hands, _ in names["votes"].values()] == [0, 1, 2, 9, 5, 3]
    assert [bar.value / bar.max for bar in names["bars"]] == [
        hands / 9 for hands in (0, 1, 2, 9, 5, 3)
    ]
    step = names["voted"].steps[names["picks"]["D"]]
    drawn = []
    monkeypatch.setattr(show, "curves", lambda *given, **more: drawn.append(more["mark"]))
    run("reveal", names=names)
    assert drawn[0]["D (9)"] == step
    assert "A (0)" not in drawn[0]
    assert run("against", names=names)["step"] == step


def test_votes_belong_to_the_fit_that_was_shown():
    names = run("heal", "vote", names=prepared())
    steps(names["healing"], 20)
    run("look", names=names)
    names["boxes"][2].value = 12
    at = names["voted"].steps[names["picks"]["C"]]
    assert names["votes"]["C"] == (12, at)

    run("noise", names=names)  # a new fit, which nobody has voted on
    steps(names["denoising"], 5)
    assert run("reveal", names=names)["mark"]["C (12)"] == at
    assert run("against", names=names)["step"] == at
    assert len(names["history"].loss) == 500

    assert list(run("vote", "reveal", names=names)["mark"]) == ["best step"]
    assert len(names["history"].loss) == 5


def test_without_votes_the_best_step_is_compared():
    names = run("vote", "reveal", "against", names=prepared())
    assert names["step"] == names["mark"]["best step"] == oracle(names["history"], names["photo"])


def test_the_six_stages_are_spread_over_the_whole_fit():
    names = run("vote", names=prepared())
    chosen = [names["voted"].steps[i] for i in names["picks"].values()]
    assert chosen == sorted(set(chosen))
    assert chosen[-1] == len(names["voted"].loss) - 1


def test_the_recorded_noise_comes_back():
    history, x = prepared()["film"](None, "90_noisy")
    psnr = [metrics.psnr(history.frame(i), x) for i in range(len(history))]
    assert max(psnr) - psnr[-1] > 3
    assert 5 < np.argmax(psnr) < len(history) - 4


def test_the_recorded_scribble_is_filled():
    history, x = prepared()["film"](None, "90_drawn")
    hidden = 1 - degrade.scribble_mask(128, 128)
    grey = torch.full_like(x, 0.5)
    assert hidden_psnr(history, x, hidden) > metrics.psnr(grey, x, hidden) + 8


def test_the_recorded_photo_is_learnt_before_its_shuffled_pixels_and_these_before_noise():
    names = ("03_photo", "03_pixels", "03_noise")
    losses = [recordings.load(name).loss for name in names]
    quarter = [int(np.argmax(loss < loss[0] / 4)) for loss in losses]  # steps
    assert 4 * quarter[0] < quarter[1] < quarter[2]


def test_the_recorded_drop_is_sudden_and_passes():
    history, x = recordings.load("09_drop"), images.load("face", 64)
    psnr = np.array([metrics.psnr(history.frame(i), x) for i in range(len(history))])
    lowest = psnr.argmin()
    assert np.median(psnr[:lowest]) - psnr[lowest] > 1.5
    assert psnr[-1] > psnr[lowest] + 1.5


def test_the_recorded_pixels_are_grain_and_the_burger_is_not():
    finals = [recordings.load(name).final.clamp(0, 1) for name in ("11_pixels", "11_burger")]
    blur = degrade.Blur(1.0)
    grain = [(x - blur(x)).std().item() for x in finals]
    assert grain[0] > 2 * grain[1]
