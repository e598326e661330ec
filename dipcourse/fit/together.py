"""Several independent fits at once, one thread each: seeds, settings, photos of a sweep."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import torch
from torch import nn

from dipcourse._numbers import whole
from dipcourse.fit import data_term, demands, machine
from dipcourse.fit.session import Session
from dipcourse.fit.settings import named, takes_settings
from dipcourse.fit.stepper import Stepper
from dipcourse.fit.walk import frame_steps, walk
from dipcourse.history import History

Name = TypeVar("Name")


@dataclass(frozen=True)
class Plan:
    """A fit that has not begun; ``plan`` makes it.

    Built in lesson 01 (used).
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
        ValueError: what ``fit`` would refuse.

    Built in lesson 01 (used).

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> plan(nets.PixelImage(torch.zeros_like(y)), None, y, degrade.Identity(), steps=5).steps
    5
    """
    given = named(settings)
    demands.require(net, z, y, operator, given)
    data_term.split(operator, given.holdout, y)  # refuses a mask that does not fit
    return Plan(net, z, y, operator, whole("steps", steps, 1), frames, settings)


class FitsFailed(RuntimeError):
    """Some of several fits failed; the others ran to their ends.

    Attributes:
        errors: {number or name of the fit: what it raised}.
        histories: the Histories, as ``side_by_side`` would have returned them; of a fit that failed
            what it had so far, or None.

    Built in lesson 01 (used).
    """

    def __init__(self, errors: dict[Any, Exception], histories: Any) -> None:
        said = "; ".join(f"fit {k!r}: {type(e).__name__}: {e}" for k, e in errors.items())
        super().__init__(
            f"{len(errors)} of {len(histories)} fits failed ({said}). The others ran to their "
            "ends: they are in this error's .histories"
        )
        self.errors, self.histories = errors, histories


@overload
def side_by_side(
    plans: Sequence[Plan], *, workers: int | None = ..., progress: bool | None = ...
) -> list[History]: ...
@overload
def side_by_side(
    plans: Mapping[Name, Plan], *, workers: int | None = ..., progress: bool | None = ...
) -> dict[Name, History]: ...
def side_by_side(
    plans: Sequence[Plan] | Mapping[Any, Plan],
    *,
    workers: int | None = None,
    progress: bool | None = None,
) -> list[History] | dict[Any, History]:
    """Make several fits at once, as many as there are cores, one thread each.

    Each History is, bit by bit, that of the same fit alone with ``threads=1``. On a GPU the fits
    run one after the other.

    Args:
        plans: what to fit, see ``plan``: a list, or a dict with a name for each.
        workers: how many fits run at a time; None: one for each core that this process may use.
        progress: show a progress bar of all steps; None does so except under grading.

    Returns:
        List of Histories in the order of the plans, or dict with the same names. An interrupt stops
        all fits: each has what it has made so far, one step at least, with ``history.unfinished``.

    Raises:
        ValueError: two plans share a network.
        FitsFailed: a fit has failed; the others are in its ``histories``.

    Built in lesson 01 (used).

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> starts = {"black": torch.zeros_like(y), "white": torch.ones_like(y)}
    >>> plans = {}
    >>> for name, start in starts.items():
    ...     plans[name] = plan(nets.PixelImage(start), None, y, degrade.Identity(), steps=5)
    >>> histories = side_by_side(plans, progress=False)
    >>> len(histories["white"].loss)
    5
    """
    names = list(plans) if isinstance(plans, Mapping) else list(range(len(plans)))
    each = [plans[name] for name in names]
    if len({id(one.net) for one in each}) < len(each):
        raise ValueError("two plans share a network: make one for each fit")
    histories, errors = _run(each, workers, progress)
    have_names = isinstance(plans, Mapping)
    result = dict(zip(names, histories, strict=True)) if have_names else histories
    if errors:
        raise FitsFailed({names[number]: error for number, error in errors.items()}, result)
    return result  # type: ignore[return-value]  # without errors there is no None


def _run(
    plans: Sequence[Plan], workers: int | None, progress: bool | None
) -> tuple[list[History | None], dict[int, Exception]]:
    """Make the fits; their Histories, and what those that failed have raised."""
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
        stopped = [history for history in histories if history and history.interrupted]
        if stopped:
            session.answer(stopped[0])
    return histories, errors


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
