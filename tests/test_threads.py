"""The threads of a fit: fewer on a busy machine, a fixed number where one is asked for."""

import os
import subprocess
import sys

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from dipcourse import degrade, fit, nets
from dipcourse.fit import threads
from tools.execute import execute, printed

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Four threads, a look at each step, and a list of the numbers of threads that stall."""
    monkeypatch.setattr(threads, "PAUSE", -1.0)
    monkeypatch.setattr(threads, "_machine", threads.Machine())
    busy = []
    monkeypatch.setattr(threads, "stalls", lambda number: number in busy)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield busy
    torch.set_num_threads(before)


def numbers(looks):
    return [threads._machine.threads() for _ in range(looks)]


FIT_OF_LESSON_00 = """
from dipcourse import degrade, fit, images, presets

preset = presets.get("overfit")
x = images.load("face", preset.size)
net, z = preset.make()
settings = preset.fit | {"steps": 15}
history = fit.fit(net, z, x, degrade.Identity(), progress=False, **settings)
changed = history.settings.get("threads changed", [])
print(history.settings["threads"], *[number for _, number in changed])
"""


def small_fit(**settings):
    y = torch.full((1, 1, 8, 8), 0.5)
    net = nets.PixelImage(torch.zeros_like(y))
    return fit.fit(net, None, y, degrade.Identity(), steps=6, progress=False, **settings)


def test_a_quiet_machine_gives_all_threads(machine):
    assert numbers(3) == [4, 4, 4]


def test_a_busy_machine_gives_as_many_as_do_not_stall(machine):
    machine[:] = [4]
    assert numbers(2) == [2, 2]
    machine[:] = [4, 2]
    assert numbers(2) == [1, 1]


def test_threads_come_back_after_two_quiet_looks_each(machine):
    machine[:] = [4, 2]
    assert numbers(1) == [1]
    machine[:] = [4]
    assert numbers(4) == [1, 2, 2, 2]
    machine[:] = []
    assert numbers(3) == [2, 4, 4]


def test_one_quiet_look_among_busy_ones_changes_nothing(machine):
    machine[:] = [4]
    assert numbers(1) == [2]
    for busy in ([], [4], [], [4]):
        machine[:] = busy
        assert numbers(1) == [2]


def test_looks_are_rare(machine, monkeypatch):
    looks = []
    monkeypatch.setattr(threads, "stalls", looks.append)
    monkeypatch.setattr(threads, "PAUSE", 1000.0)
    monkeypatch.setattr(threads, "_machine", threads.Machine())
    small_fit()
    small_fit()
    assert looks == [4]


def test_the_history_tells_the_threads_and_when_they_changed(machine):
    assert small_fit().settings["threads"] == 4
    machine[:] = [4]
    history = small_fit()
    assert history.settings["threads"] == 2
    assert "threads changed" not in history.settings
    machine[:] = []
    assert small_fit().settings["threads changed"] == [[1, 4]]
    assert torch.get_num_threads() == 4


def test_a_number_that_is_asked_for_stays(machine):
    machine[:] = [4, 3, 2]
    history = small_fit(threads=3)
    assert history.settings["threads"] == 3
    assert "threads changed" not in history.settings


def test_under_grading_one_thread(machine, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert small_fit().settings["threads"] == 1


def test_a_fit_on_a_gpu_does_not_look(machine, monkeypatch):
    monkeypatch.setattr(threads, "stalls", lambda number: pytest.fail("looked"))
    with threads.Threads(None, torch.device("cuda")).at(0):
        assert torch.get_num_threads() == 4


def test_the_operations_of_a_step_get_that_number(machine):
    seen = []

    class Watched(nets.PixelImage):
        def forward(self, z):
            seen.append(torch.get_num_threads())
            return super().forward(z)

    y = torch.full((1, 1, 8, 8), 0.5)
    machine[:] = [4]
    fit.fit(Watched(y), None, y, degrade.Identity(), steps=2, progress=False)
    assert seen[-3:] == [2, 2, 2]  # two steps and the final output; the demands ran it before


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "two"])
def test_no_number_of_threads(wrong):
    with pytest.raises((ValueError, TypeError), match="threads"):
        small_fit(threads=wrong)


@pytest.fixture
def busy_machine():
    """A program for each core that never waits."""
    code = "while True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(cores())]
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("busy_machine")
def test_busy_programs_are_noticed():
    assert sum(threads.stalls(cores() + 1) for _ in range(40)) > 4  # about half of them


@pytest.mark.usefixtures("busy_machine")
def test_a_notebook_finishes_beside_busy_programs(tmp_path, monkeypatch):
    """With as many threads as there are cores, and one more: with all of them it would crawl."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores() + 1))
    notebook = new_notebook(cells=[new_code_cell(FIT_OF_LESSON_00, id="fit")])
    run = execute(notebook, tmp_path, "laptop", timeout=300)
    assert run.ok, run
    threads_used = [int(number) for number in printed(notebook.cells[0]).split()]
    assert min(threads_used) <= (cores() + 1) // 2


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
