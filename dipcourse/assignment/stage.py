"""What surrounds a test while it runs: our functions for other tasks, a watch on arguments."""

import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import FunctionType
from typing import TypeVar, cast

from dipcourse.assignment import demands, ours

Result = TypeVar("Result")

#: What ``alone`` was told last: the name of the function under test, "" before …
under_test = ""
#: … and our functions for the other tasks: {name: function}.
stand_ins: dict[str, Callable[..., object]] = {}
#: What stands in a notebook now for functions of it: those of ``given``, block in block.
standing: dict[str, object] = {}


def alone(name: str, of: str) -> None:
    """Test one function of the notebook alone: the first line of a test cell.

    While a test of this cell runs, ours stand in for the functions of all other tasks, so that
    those cost nothing here. And a call of the function fails if it changes an argument.

    Args:
        name: the function or class under test, "psnr".
        of: the assignment, "a1_total_variation".

    Raises:
        ValueError: there is no such assignment.

    Built in assignment 1 (used).

    >>> import torch
    >>> from dipcourse.assignment import visible
    >>> def psnr(a, b):
    ...     return a.clamp_(0, 1) - data_term(a, b)
    >>> alone("psnr", "a1_total_variation")
    >>> @visible("1 psnr: of white and black")
    ... def white_and_black():
    ...     psnr(torch.full((1,), 2.0), torch.zeros(1))
    ✗ 1 psnr: of white and black: failed
       your function changes its argument a: work on a copy
    """
    global under_test, stand_ins
    if of not in ours.TASKS:
        raise ValueError(f"no assignment {of!r}: there are {', '.join(ours.TASKS)}")
    under_test = name
    stand_ins = {task.__name__: task for task in ours.TASKS[of] if task.__name__ != name}


class given:
    """A block in which names of the notebook are ours, so that an earlier task costs nothing here.

    Args:
        names: the names, and what they stand for; what stood there comes back at the end.

    Built in assignment 1 (used).

    >>> double = None
    >>> with given(double=lambda x: 2 * x):
    ...     double(4)
    8
    """

    def __init__(self, _space: dict[str, object] | None = None, **names: object) -> None:
        self.names = names
        self.space = sys._getframe(1).f_globals if _space is None else _space

    def __enter__(self) -> None:
        self.kept = {name: self.space[name] for name in self.names if name in self.space}
        self.space.update(self.names)
        self.before = dict(standing)
        standing.update(self.names)

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            self.space.pop(name, None)
        self.space.update(self.kept)
        standing.clear()
        standing.update(self.before)


class Watched:
    """A student's function that must leave the arguments of a call as they are.

    Networks may learn, and generators move on. What it hands to itself is its own affair.

    Args:
        function: the student's.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self.function, self.running = function, False

    def __getattr__(self, name: str) -> object:
        return getattr(self.function, name)

    def __call__(self, *values: object, **named: object) -> object:
        if self.running:
            return self.function(*values, **named)
        self.running = True
        try:
            with ExitStack() as blocks:
                for name, value in _arguments(self.function, values, named).items():
                    blocks.enter_context(demands.unchanged(name, value))
                return self.function(*values, **named)
        finally:
            self.running = False


def staged(test: Callable[[], Result]) -> Callable[[], Result]:
    """The test with the names that ``alone`` gives to it."""
    name, others = under_test, stand_ins
    space = cast(FunctionType, test).__globals__

    @functools.wraps(test)
    def with_names() -> Result:
        mine = space.get(name)
        watched = {name: Watched(mine)} if callable(mine) and not isinstance(mine, type) else {}
        with given(space, **others, **watched):
            return test()

    return with_names


def _arguments(
    function: Callable[..., object], values: tuple[object, ...], named: dict[str, object]
) -> dict[str, object]:
    """The arguments of a call by their names; none if the call does not fit the function."""
    try:
        return inspect.signature(function).bind(*values, **named).arguments
    except (TypeError, ValueError):  # ValueError: it is built in
        return {}
