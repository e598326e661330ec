"""A fit that is on the page while it runs."""

import itertools
import re

import pytest
import torch

from dipcourse import degrade, fit, nets
from dipcourse.live import watching


def watch(steps=6, **settings):
    torch.manual_seed(0)
    y = torch.rand(1, 3, 16, 16)
    net = nets.PixelImage(torch.zeros_like(y))
    given = {"the damaged photo": y}
    return watching.watch(net, None, y, degrade.Identity(), steps=steps, beside=given, **settings)


@pytest.fixture
def pages(monkeypatch):
    """What a notebook would show, one after the other."""
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    monkeypatch.setattr(watching, "get_ipython", lambda: True)
    monkeypatch.setattr(watching, "display", lambda *_, **__: Handle())
    return shown


def test_it_is_the_fit_itself():
    torch.manual_seed(0)
    y = torch.rand(1, 3, 16, 16)
    plain = fit.fit(
        nets.PixelImage(torch.zeros_like(y)), None, y, degrade.Identity(), steps=6, progress=False
    )
    assert torch.equal(watch().frames, plain.frames)


def test_the_output_is_drawn_beside_what_was_given(pages, monkeypatch):
    monkeypatch.setattr(watching, "EVERY", 0)
    watch()
    notes = [re.search(r"step (\d) of 6", page["text/html"])[1] for page in pages]
    assert notes == ["1", "2", "3", "4", "5", "6", "6"]
    for page in pages:
        assert re.findall(r'<img alt="([^"]*),', page["text/html"]) == [
            "the damaged photo",
            "output of the network",
        ]
    assert pages[0]["text/html"] != pages[-1]["text/html"].replace("step 6", "step 1")


def test_few_pictures_are_drawn_of_a_quick_fit_and_always_the_last(pages, monkeypatch):
    clock = itertools.count(step=0.01)  # a look at it takes so many seconds
    monkeypatch.setattr(watching.time, "monotonic", lambda: next(clock))
    watch(steps=40)
    assert 3 <= len(pages) <= 5
    assert "step 40 of 40" in pages[-1]["text/plain"]


def test_an_interrupted_fit_shows_how_far_it_came(pages, monkeypatch):
    follow = watching._Page.follow

    def stop(page, stepper):
        follow(page, stepper)
        if stepper.k == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching._Page, "follow", stop)
    assert watch().unfinished
    assert "step 3 of 6" in pages[-1]["text/plain"]
