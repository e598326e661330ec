"""A step of lesson 00's fit on a quiet and on a busy machine: `make bench ARGS="--only busy"`.

Three ways to choose the threads are compared, in turns: as ``fit`` does it, all cores always, and
one. Beside other fits, those choose theirs in the same way. A turn ends after some seconds, however
few steps it has made.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from statistics import median

import torch

from dipcourse import degrade, fit, images, presets
from tools.measured.circumstances import processor
from tools.measured.tables import STORED, Table

TURNS, STEPS, SECONDS = 5, 60, 6.0
WAYS = {"fit's": None, "all cores": torch.get_num_threads(), "one": 1}
SPAWN = get_context("spawn")
Work = Callable[[int | None, Event], None]


def stepper(threads: int | None) -> fit.Stepper:
    """The fit of lesson 00, after its first steps."""
    preset = presets.get("overfit", "laptop")
    x = images.load("face", preset.size)
    y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0))
    net, z = preset.make(seed=0)
    settings = {name: value for name, value in preset.fit.items() if name != "steps"}
    made = fit.Stepper(net, z, y, degrade.Identity(), **settings, threads=threads)
    for _ in range(3):
        made.step()
    return made


def turn(threads: int | None) -> float:
    """Milliseconds a step, over one turn in this process."""
    running = stepper(threads)
    first, began = running.k, time.perf_counter()
    while running.k < first + STEPS and time.perf_counter() < began + SECONDS:
        running.step()
    return 1e3 * (time.perf_counter() - began) / (running.k - first)


def other_fit(threads: int | None, ready: Event) -> None:
    running = stepper(threads)
    ready.set()
    while True:
        running.step()


def other_program(threads: int | None, ready: Event) -> None:
    ready.set()
    while True:
        pass


class Others:
    """Other processes that do some work, each until it is told to pause."""

    def __init__(self, work: Work, number: int, threads: int | None) -> None:
        started = [SPAWN.Event() for _ in range(number)]
        self.processes = [
            SPAWN.Process(target=work, args=(threads, ready), daemon=True) for ready in started
        ]
        for process in self.processes:
            process.start()
        for ready in started:
            ready.wait()
        self.tell(signal.SIGSTOP)

    def tell(self, what: signal.Signals) -> None:
        for process in self.processes:
            os.kill(process.pid, what)

    @contextmanager
    def working(self) -> Iterator[None]:
        self.tell(signal.SIGCONT)
        yield
        self.tell(signal.SIGSTOP)


def conditions() -> dict[str, tuple[Work, int]]:
    """Name → (work of the others, how many of them)."""
    cores = torch.get_num_threads()
    return {
        "quiet": (other_program, 0),
        "one busy program": (other_program, 1),
        "a busy program for each core": (other_program, cores),
        "one other fit": (other_fit, 1),
        "two other fits": (other_fit, 2),
    }


def main(store: bool = False) -> None:
    """Print the table; keep it, if it is to be stored."""
    print(f"{'ms a step beside':30}" + "".join(f"{way:>12}" for way in WAYS) + "   fit's/quiet")
    quiet = None
    with ProcessPoolExecutor(1, SPAWN) as measuring:
        for name, (work, number) in conditions().items():
            others = {way: Others(work, number, threads) for way, threads in WAYS.items()}
            found: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(TURNS):
                for way, threads in WAYS.items():
                    with others[way].working():
                        found[way].append(measuring.submit(turn, threads).result())
            for way in WAYS:
                others[way].tell(signal.SIGKILL)
            ms = {way: median(values) for way, values in found.items()}
            quiet = quiet or ms["fit's"]
            ratio = ms["fit's"] / quiet
            cells = "".join(f"{value:12.1f}" for value in ms.values())
            print(f"{name:30}{cells}{ratio:14.2f}", flush=True)
            if store:
                rounded = {f"{way} ms": round(value, 1) for way, value in ms.items()}
                row = {"beside": name} | rounded | {"ratio": round(ratio, 2)}
                Table(f"busy_{processor()}", ("beside",), STORED).add(row)
