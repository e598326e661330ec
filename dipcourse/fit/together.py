"""Several independent fits at once, one thread each: seeds, settings, photos of a sweep."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dipcourse._numbers import whole
from dipcourse.fit import machine
from dipcourse.fit.session import Session
from dipcourse.fit.settings import named, takes_settings
from dipcourse.fit.stepper import Stepper
from dipcourse.fit.walk import frame_steps, walk
from dipcourse.history import History


@dataclass(frozen=True)
class Plan:
    """A fit that has not begun; ``plan`` makes it.

    Built in lesson 02 (used).
    """

    net: nn.Module
    z: torch.Tensor | None
    y: torch.Tensor
    operator: nn.Module
    steps: int
    frames: int
    settings: dict[str, Any]


@takes_settings
def plan(
    net: nn.Module,
    z: torch.Tensor | None,
    y: torch.Tensor,
    operator: nn.Module,
    *,
    steps: int,
    frames: int = 60,
    **settings: Any,
) -> Plan:
    """Plan a fit for ``side_by_side``; the arguments are those of ``fit``.

    Args:
        net: module whose output for z is a picture (1, C, H, W); each plan has its own.
        z: tensor (1, channels, H, W), the fixed input, or None for a ``PixelImage``.
        y: tensor (1, C, h, w), the measurement.
        operator: A of ``degrade``, from (1, C, H, W) to (1, C, h, w).
        steps: number of updates N.
        frames: how many outputs to keep, early ones densely.
        settings: see ``Settings``.

    Returns:
        Plan.

    Raises:
        TypeError: there is no setting of that name.
        ValueError: no whole number of steps.

    Built in lesson 02 (used).

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> plan(nets.PixelImage(torch.zeros_like(y)), None, y, degrade.Identity(), steps=5).steps
    5
    """
    named(settings)
    return Plan(net, z, y, operator, whole("steps", steps, 1), frames, settings)


class FitsFailed(RuntimeError):
    """Some of several fits failed; the others ran to their ends.

    Attributes:
        errors: {number of the fit: what it raised}.
        histories: list of the Histories, in order; of a fit that failed what it had so far, or
            None.

    Built in lesson 02 (used).
    """

    def __init__(self, errors: dict[int, Exception], histories: list[History | None]) -> None:
        said = "; ".join(f"fit {k}: {type(e).__name__}: {e}" for k, e in errors.items())
        super().__init__(
            f"{len(errors)} of {len(histories)} fits failed ({said}). The others ran to their "
            "ends: they are in this error's .histories. Fits are counted from 0"
        )
        self.errors, self.histories = errors, histories


def side_by_side(
    plans: Sequence[Plan], *, workers: int | None = None, progress: bool | None = None
) -> list[History]:
    """Make several fits at once, as many as there are cores, one thread each.

    Each History is, bit by bit, that of the same fit alone with ``threads=1``. On a GPU the fits
    run one after the other.

    Args:
        plans: what to fit; see ``plan``.
        workers: how many fits run at a time; None: one for each core that this process may use.
        progress: show a progress bar of all steps; None does so except under grading.

    Returns:
        List of Histories, in the order of the plans. An interrupt stops all fits: each has what it
        has made so far, one step at least, with ``history.unfinished``.

    Raises:
        ValueError: two plans share a network.
        FitsFailed: a fit has failed; the others are in its ``histories``.

    Built in lesson 02 (used).

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> starts = (torch.zeros_like(y), torch.ones_like(y))
    >>> plans = [plan(nets.PixelImage(x), None, y, degrade.Identity(), steps=5) for x in starts]
    >>> [len(history.loss) for history in side_by_side(plans, progress=False)]
    [5, 5]
    """
    if len({id(one.net) for one in plans}) < len(plans):
        raise ValueError("two plans share a network: make one for each fit")
    stop, before = threading.Event(), torch.get_num_threads()
    with Session(progress) as session, session.bar(sum(one.steps for one in plans)) as bar:
        with ThreadPoolExecutor(_workers(plans, workers), initializer=_one_thread) as pool:
            running = [pool.submit(_make, one, stop, _one_by_one(bar.update)) for one in plans]
            try:
                wait(running)
            except KeyboardInterrupt:
                stop.set()
                if session.grading:
                    raise
                session.notice()
            session.wait()
            histories, errors = _gathered(running)
        torch.set_num_threads(before)  # what threads begin with that come later
        if errors:
            raise FitsFailed(errors, histories)
        done = [history for history in histories if history]
        for stopped in [history for history in done if history.interrupted][:1]:
            session.answer(stopped)
    return done


def _workers(plans: Sequence[Plan], wanted: int | None) -> int:
    if any(machine.device(one.settings.get("device")).type != "cpu" for one in plans):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return whole("workers", wanted or cores or 1, 1)


_counting = threading.Lock()


def _one_by_one(work: Callable[[], object]) -> Callable[[], None]:
    """The same work, never in two threads at a time."""

    def alone() -> None:
        with _counting:
            work()

    return alone


def _one_thread() -> None:
    torch.set_num_threads(1)


def _make(one: Plan, stop: threading.Event, advance: Callable[[], object]) -> History:
    """One of the fits, in a thread of its own."""
    home = next(one.net.parameters()).device
    keep = frame_steps(one.steps, one.frames)
    settings = {"threads": 1} | one.settings
    stepper = Stepper(one.net, one.z, one.y, one.operator, frames=len(keep), **settings)
    for _ in walk(stepper, one.steps, keep):
        advance()
        if stop.is_set():
            break
    history = stepper.history(planned=one.steps)
    one.net.to(home)
    return history


def _gathered(
    running: Sequence[Future[History]],
) -> tuple[list[History | None], dict[int, Exception]]:
    """The Histories, and the errors of the fits that failed."""
    histories: list[History | None] = []
    errors: dict[int, Exception] = {}
    for number, future in enumerate(running):
        try:
            histories.append(future.result())
        except Exception as error:
            errors[number] = error
            histories.append(getattr(error, "history", None))
    return histories, errors
