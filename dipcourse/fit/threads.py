"""How many CPU threads a fit uses: as many as torch has, fewer while the machine is busy.

The threads of one operation wait for each other, spinning. Where another program has the core of
one of them, the others wait for milliseconds, at each of the hundreds of operations of a step: a
fit beside two others takes a hundred times as long with two threads, and twice as long with one.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

LOOK = 0.02  # seconds that a look at the machine takes
PAUSE = 1.0  # seconds between two looks
STALL = 1e-3  # seconds: an operation of microseconds that takes so long has waited for a thread
SHARE = 0.4  # of a look: alone, stalls take up to a fifth of it, beside a busy program over half

_small = torch.zeros(2**17)  # large enough that torch shares it out among threads


def stalls(number: int) -> bool:
    """Do so many threads wait for one that another program keeps from running?

    Args:
        number: of threads, 1 or more.

    Returns:
        Whether at least two fifths of a fiftieth of a second went by in waiting.

    Built in lesson 00 (used).

    >>> stalls(1)
    False
    """
    if number == 1:
        return False
    with using(number):
        _small.add_(1)  # starts the threads
        seconds: list[float] = []
        while sum(seconds) < LOOK:
            began = time.perf_counter()
            _small.add_(1)
            seconds.append(time.perf_counter() - began)
    waited = sum(taken for taken in seconds if taken > STALL)
    return waited > SHARE * sum(seconds)


@contextmanager
def using(number: int) -> Iterator[None]:
    """A block in which torch uses so many threads."""
    before = torch.get_num_threads()
    if number == before:
        yield
        return
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Machine:
    """What the looks at the machine have found so far; all fits of a process share one."""

    def __init__(self) -> None:
        self.most = self.number = torch.get_num_threads()
        self.looked = -PAUSE
        self.quiet = 0  # looks in a row that found more threads free

    def threads(self) -> int:
        """How many threads to use now; looks at the machine if the last look is long ago."""
        if self.most != torch.get_num_threads():
            self.most = self.number = torch.get_num_threads()
            self.looked = -PAUSE
        if self.most > 1 and time.perf_counter() - self.looked > PAUSE:
            self._look()
            self.looked = time.perf_counter()
        return self.number

    def _look(self) -> None:
        if stalls(self.number):
            while stalls(self.number):
                self.number //= 2
            self.quiet = 0
        elif self.number < self.most:
            more = min(2 * self.number, self.most)
            self.quiet = 0 if stalls(more) else self.quiet + 1
            if self.quiet == 2:
                self.number, self.quiet = more, 0


_machine = Machine()


class Threads:
    """The threads of one fit.

    Args:
        wanted: how many; None: see above, or one under grading, so that no grade depends on what
            else runs.
        device: where the fit runs; only a CPU is looked at.

    Attributes:
        changes: {step: number of threads from there on}.
    """

    def __init__(self, wanted: int | None, device: torch.device) -> None:
        if wanted is None and "NBGRADER_EXECUTION" in os.environ:
            wanted = 1
        self.pinned = wanted or (None if device.type == "cpu" else torch.get_num_threads())
        self.changes: dict[int, int] = {}

    @contextmanager
    def at(self, step: int) -> Iterator[None]:
        """A block with the number of threads that is right now."""
        number = self.pinned or _machine.threads()
        if not self.changes or self.last != number:
            self.changes[step] = number
        with using(number):
            yield

    @property
    def last(self) -> int:
        """The number of threads of the last step."""
        return list(self.changes.values())[-1]

    def facts(self) -> dict[str, object]:
        """For the History: the number of threads, and at which steps another began."""
        if not self.changes:
            return {"threads": self.pinned or torch.get_num_threads()}
        first, *others = self.changes.items()
        facts: dict[str, object] = {"threads": first[1]}
        if others:
            facts["threads changed"] = [list(change) for change in others]
        return facts
