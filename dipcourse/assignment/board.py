"""The board on which the tests of a notebook report: they explain, and never stop Run All."""

import linecache
import os
import textwrap
from collections.abc import Callable
from typing import TypeVar

from dipcourse.assignment import demands, stage

Result = TypeVar("Result")

#: Whether a test that fails raises: nbgrader counts exceptions, students read lines.
strict = "NBGRADER_EXECUTION" in os.environ
#: The visible tests of this kernel: {name: function}.
tests: dict[str, Callable[[], object]] = {}
#: What each of them said last: {name: line}.
results: dict[str, str] = {}

_TROUBLE = (Exception, SystemExit)  # what a student's code may raise, exit() included


def visible(name: str) -> Callable[[Callable[[], Result]], Callable[[], Result]]:
    """Decorate a test that students see: it runs at once, and prints one line.

    Args:
        name: the task and the aspect: "1a psnr: two greys".

    Returns:
        A decorator. The function that it gets has no arguments and raises if the test fails.

    Raises:
        Whatever the test raises, under nbgrader alone.

    Built in assignment 1 (used).

    >>> from dipcourse.assignment import near
    >>> @visible("0 addition: small numbers")
    ... def addition():
    ...     near("1 + 1", 1 + 1, 2)
    ✓ 0 addition: small numbers: passed
    """

    def decorate(test: Callable[[], Result]) -> Callable[[], Result]:
        tests[name] = staged = stage.staged(test)
        _report(name, staged, strict)
        return staged

    return decorate


def hidden(name: str) -> Callable[[Callable[[], Result]], Result]:
    """Decorate a test that only the grader has: it runs at once, and raises if it fails.

    Args:
        name: what is tested, in words that help and give nothing away.

    The name of the test stands for what it returns. As the last line of a cell it is the score: see
    ``award``.

    Raises:
        AssertionError: the test's message, after the name.

    Built in assignment 1 (used).

    >>> from dipcourse.assignment import near
    >>> @hidden("large numbers")
    ... def large():
    ...     near("2 + 2", 2 + 2, 5)
    Traceback (most recent call last):
    AssertionError: a hidden test, large numbers: 2 + 2: mine 4, reference 5, ...
    """

    def decorate(test: Callable[[], Result]) -> Result:
        try:
            return stage.staged(test)()
        except AssertionError as error:
            raise AssertionError(f"a hidden test, {name}: {error}") from None

    return decorate


def run(name: str = "") -> None:
    """Run the visible tests again whose name contains this text, and print a line for each.

    Args:
        name: "psnr", "1a", …; empty: all. A test is known once its cell has been run.

    Built in assignment 1 (used).

    >>> run("no such task")
    There is no such test: run the test cells first. Known: ...
    """
    chosen = {full: test for full, test in tests.items() if name.lower() in full.lower()}
    if not chosen:
        known = ", ".join(sorted(tests)) or "none yet"
        print(f"There is no such test: run the test cells first. Known: {known}")
    for full, test in chosen.items():
        _report(full, test)


def attempt(show: Callable[[], object]) -> None:
    """Try something that needs your functions; say so if one is not written yet, or fails.

    Args:
        show: a function without arguments. The grader does not call it: slow code costs nothing.

    Built in assignment 1 (used).

    >>> def stub():
    ...     raise NotImplementedError
    >>> attempt(stub)
    ☐ nothing to see: not written yet. Write the function above first
    >>> attempt(lambda: 1 / 0)
    ✗ nothing to see: failed
       your code raised ZeroDivisionError: division by zero
    """
    if strict:
        return
    try:
        show()
    except NotImplementedError:
        print("☐ nothing to see: not written yet. Write the function above first")
    except _TROUBLE as error:
        print(f"✗ nothing to see: failed\n{_hint(error)}")


def award(what: str, got: object, steps: dict[float, float]) -> float:
    """Print how many points a number is worth.

    Args:
        what: words for it.
        got: the number.
        steps: {least number: points}, growing.

    Returns:
        The points, a float.

    Raises:
        AssertionError: the number is below the first step.

    Built in assignment 1 (used).

    >>> award("the gain", 0.3, {0.2: 1, 0.5: 3})
    the gain: 0.300, for 1 of 3 points (the next step is at 0.5)
    1.0
    """
    value, least = demands.number(what, got), min(steps)
    if value < least:
        raise AssertionError(f"{what}: {value:.3f}, and points begin at {least}")
    points = max(points for step, points in steps.items() if value >= step)
    above_it = [step for step in steps if step > value]
    more = f" (the next step is at {min(above_it)})" if above_it else ""
    print(f"{what}: {value:.3f}, for {points} of {max(steps.values())} points{more}")
    return float(points)


def passes(what: str, part: Callable[[], object]) -> int:
    """Run one of several parts of a test, each worth points, and print how it went.

    Args:
        what: words for the part.
        part: a function without arguments that raises if the part fails.

    Returns:
        1 or 0, for ``award``.

    Raises:
        NotImplementedError: the student's function is still a stub.

    Built in assignment 3 (used).

    >>> from dipcourse.assignment import below
    >>> passes("small", lambda: below("the error", 0.3, 0.2))
    small: not reached. the error: 0.3, and at most 0.2 is asked for
    0
    """
    try:
        part()
    except NotImplementedError:
        raise
    except AssertionError as error:
        print(f"{what}: not reached. {error}")
        return 0
    except Exception as error:
        print(f"{what}: your code raised {type(error).__name__}: {error}")
        return 0
    print(f"{what}: reached")
    return 1


def _report(name: str, test: Callable[[], object], strict: bool = False) -> None:
    """Run a test and print the line about it, which is kept; strict: raise what it raises."""
    try:
        test()
    except _TROUBLE as error:
        if strict:
            raise
        if isinstance(error, NotImplementedError):
            results[name] = f"☐ {name}: not written yet"
        else:
            results[name] = f"✗ {name}: failed\n{_hint(error)}"
    else:
        results[name] = f"✓ {name}: passed"
    print(results[name])


def _hint(error: BaseException) -> str:
    """What a failed test says, and where the student's code went wrong if it was there."""
    if isinstance(error, AssertionError) and str(error):
        return textwrap.indent(textwrap.fill(str(error), 90), "   ")
    return f"   your code raised {type(error).__name__}: {error}{_where(error)}"


def _where(error: BaseException) -> str:
    """The line of the notebook in which an error arose."""
    place, found = error.__traceback__, ""
    while place:
        file = place.tb_frame.f_code.co_filename
        line = linecache.getline(file, place.tb_lineno).strip()
        if line and ("ipykernel" in file or file.startswith("<ipython")):
            found = f"\n   in {place.tb_frame.f_code.co_name}, line {place.tb_lineno}: {line}"
        place = place.tb_next
    return found
