"""What the test cells of an assignment are made of: tests that explain, and never stop Run All."""

import dis
import functools
import inspect
import linecache
import os
import sys
import textwrap
from contextlib import ExitStack
from types import CodeType, FunctionType, ModuleType

import numpy as np
import torch

from dipcourse import _ours, check

#: Whether a test that fails raises: nbgrader counts exceptions, students read lines.
strict = "NBGRADER_EXECUTION" in os.environ
#: The visible tests of this kernel: {name: function}, and what each said last: {name: line}.
tests, results = {}, {}

_FINISHED = {f"dipcourse.{module}" for module in ("_ours", "metrics", "priors", "fit", "stopping")}
_TROUBLE = (Exception, SystemExit)  # what a student's code may raise, exit() included
_asked = []  # functions that ``own`` was asked about: each answers for itself
_stage = (None, {})  # what ``alone`` was told: the function under test, ours for the other tasks


def alone(name, of):
    """Test one function of the notebook alone: the first line of a test cell.

    While a test of this cell runs, ours stand in for the functions of all other tasks, so that
    those cost nothing here. And a call of the function fails if it changes an argument.

    Args:
        name: the function or class under test, "psnr".
        of: the assignment, "a1_total_variation".

    Raises:
        ValueError: there is no such assignment.

    Built in assignment 1 (used).

    >>> def psnr(a, b):
    ...     return a.clamp_(0, 1) - data_term(a, b)
    >>> alone("psnr", "a1_total_variation")
    >>> @visible("1 psnr: of white and black")
    ... def white_and_black():
    ...     psnr(torch.full((1,), 2.0), torch.zeros(1))
    ❌ 1 psnr: of white and black: failed
       your function changes its argument a: work on a copy
    """
    global _stage
    if of not in _ours.TASKS:
        raise ValueError(f"no assignment {of!r}: there are {', '.join(_ours.TASKS)}")
    ours = {function.__name__: function for function in _ours.TASKS[of]}
    ours.pop(name, None)
    _stage = (name, ours)


def visible(name):
    """Decorate a test that students see: it runs at once, and prints one line.

    Args:
        name: the task and the aspect: "1a psnr: two greys".

    Returns:
        A decorator. The function that it gets has no arguments and raises if the test fails.

    Raises:
        Whatever the test raises, under nbgrader alone.

    Built in assignment 1 (used).

    >>> @visible("0 addition: small numbers")
    ... def addition():
    ...     near("1 + 1", 1 + 1, 2)
    ✅ 0 addition: small numbers: passed
    """

    def decorate(test):
        tests[name] = staged = _staged(test)
        _report(name, staged, strict)
        return staged

    return decorate


def hidden(name):
    """Decorate a test that only the grader has: it runs at once, and raises if it fails.

    Args:
        name: what is tested, in words that help and give nothing away.

    The name of the test stands for what it returns. As the last line of a cell it is the score: see
    ``award``.

    Raises:
        AssertionError: the test's message, after the name.

    Built in assignment 1 (used).

    >>> @hidden("large numbers")
    ... def large():
    ...     near("2 + 2", 2 + 2, 5)
    Traceback (most recent call last):
    AssertionError: a hidden test, large numbers: 2 + 2: mine 4, reference 5, ...
    """

    def decorate(test):
        try:
            return _staged(test)()
        except AssertionError as error:
            raise AssertionError(f"a hidden test, {name}: {error}") from None

    return decorate


def run(name=""):
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


def attempt(show):
    """Try something that needs your functions; say so if one is not written yet, or fails.

    Args:
        show: a function without arguments. The grader does not call it: slow code costs nothing.

    Built in assignment 1 (used).

    >>> def stub():
    ...     raise NotImplementedError
    >>> attempt(stub)
    ⬜ nothing to see: not written yet. Write the function above first
    >>> attempt(lambda: 1 / 0)
    ❌ nothing to see: failed
       your code raised ZeroDivisionError: division by zero
    """
    if strict:
        return
    try:
        show()
    except NotImplementedError:
        print("⬜ nothing to see: not written yet. Write the function above first")
    except _TROUBLE as error:
        print(f"❌ nothing to see: failed\n{_hint(error)}")


def near(what, got, want, tol=1e-4):
    """Demand that a result has the reference's shape and values.

    Args:
        what: words for it: "psnr of two greys".
        got: number, tensor or array. It is turned into plain numbers before it is compared.
        want: the reference.
        tol: the largest difference allowed between two values.

    Raises:
        AssertionError: says what came and what was expected.

    Built in assignment 1 (used).

    >>> near("the sum", torch.tensor(3.0), 4)
    Traceback (most recent call last):
    AssertionError: the sum: mine 3, reference 4, largest difference 1 (0.0001 allowed)
    """
    right, words = check._compare(got, want, tol)
    if not right:
        raise AssertionError(f"{what}: {words}")


def below(what, got, limit):
    """Demand that a number is finite and at most the limit; ``above`` is the other way round.

    Args:
        what: words for it.
        got: a number, or a tensor or array that holds one.
        limit: the largest value allowed.

    Raises:
        AssertionError: says what came and what was expected.

    Built in assignment 1 (used).

    >>> below("the error", 0.3, 0.2)
    Traceback (most recent call last):
    AssertionError: the error: 0.3, and at most 0.2 is asked for
    """
    value = number(what, got)
    if not value <= limit:
        raise AssertionError(f"{what}: {value:.4g}, and at most {limit:.4g} is asked for")


def above(what, got, limit):
    """Demand that a number is finite and at least the limit: see ``below``.

    >>> above("the gain", 0.3, 0.2)
    """
    value = number(what, got)
    if not value >= limit:
        raise AssertionError(f"{what}: {value:.4g}, and at least {limit:.4g} is asked for")


def award(what, got, steps):
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
    value, least = number(what, got), min(steps)
    if value < least:
        raise AssertionError(f"{what}: {value:.3f}, and points begin at {least}")
    points = max(points for step, points in steps.items() if value >= step)
    above_it = [step for step in steps if step > value]
    more = f" (the next step is at {min(above_it)})" if above_it else ""
    print(f"{what}: {value:.3f}, for {points} of {max(steps.values())} points{more}")
    return float(points)


def number(what, got):
    """The one finite number in ``got``, as a float; AssertionError if it holds none.

    >>> number("a", torch.tensor([[2.5]]))
    2.5
    """
    values = None if got is None else check._numbers(got)
    if values is None:
        hint = ": does your function end with return?" if got is None else ""
        raise AssertionError(f"{what} is {_kind(got)}, not a number{hint}")
    if values.size != 1:
        raise AssertionError(f"{what} has shape {values.shape}; one number is asked for")
    value = float(values.real.reshape(()))
    if not np.isfinite(value):
        raise AssertionError(f"{what} is {value}")
    return value


def whole(what, got, count):
    """Demand a whole number from 0 to count − 1, such as a step; return it as an int.

    >>> whole("the step", 7, 5)
    Traceback (most recent call last):
    AssertionError: the step: 7, and one of 0 … 4 is asked for
    """
    value = number(what, got)
    if value != int(value):
        raise AssertionError(f"{what}: {value:.4g}, and a whole number is asked for")
    if not 0 <= value < count:
        raise AssertionError(f"{what}: {value:.0f}, and one of 0 … {count - 1} is asked for")
    return int(value)


def is_array(what, got, shape):
    """Demand a NumPy array of numbers of this shape; return its values, a float64 copy.

    >>> is_array("the variances", [1, 2], (2,))
    Traceback (most recent call last):
    AssertionError: the variances: a NumPy array is asked for, and came a list
    """
    if not isinstance(got, np.ndarray):
        hint = ": does your function end with return?" if got is None else ""
        raise AssertionError(f"{what}: a NumPy array is asked for, and came {_kind(got)}{hint}")
    values = check._numbers(got)
    if values is None:
        raise AssertionError(f"{what} does not hold numbers, but {got.dtype}")
    if values.shape != tuple(shape):
        raise AssertionError(
            f"{what}: the shape is {values.shape}, and {tuple(shape)} is asked for"
        )
    return np.array(values, dtype=np.float64)


def is_float(what, got):
    """Demand a Python float (NumPy's float64 is one); AssertionError otherwise.

    >>> is_float("psnr", torch.tensor(1.0))
    Traceback (most recent call last):
    AssertionError: psnr: a float is asked for, and came a Tensor
    """
    if not isinstance(got, float):
        raise AssertionError(f"{what}: a float is asked for, and came {_kind(got)}")


def floats(what, got, count):
    """Demand a list of so many finite Python floats; AssertionError otherwise.

    Returns:
        The same numbers in a new list.

    Built in assignment 2 (used).

    >>> floats("the losses", [0.5, torch.tensor(0.25)], 2)
    Traceback (most recent call last):
    AssertionError: the losses, number 1: a float is asked for, and came a Tensor
    """
    if not isinstance(got, list | tuple):
        hint = ": does your function end with return?" if got is None else ""
        raise AssertionError(f"{what}: a list of floats is asked for, and came {_kind(got)}{hint}")
    if len(got) != count:
        raise AssertionError(f"{what}: {count} values are asked for, and came {len(got)}")
    for place, value in enumerate(got):
        is_float(f"{what}, number {place}", value)
    return [number(f"{what}, number {place}", value) for place, value in enumerate(got)]


def pair(what, got):
    """Demand two results, ``return first, second``; AssertionError otherwise.

    >>> pair("my_network", None)
    Traceback (most recent call last):
    AssertionError: my_network: two results are asked for (return first, second), and came None
    """
    if not isinstance(got, list | tuple) or len(got) != 2:
        came = f"{len(got)}" if isinstance(got, list | tuple) else _kind(got)
        raise AssertionError(
            f"{what}: two results are asked for (return first, second), and came {came}"
        )
    return got


def is_tensor(what, got, shape=None, attached=None):
    """Demand a tensor, and say what else came.

    Args:
        what: words for it.
        got: the result.
        shape: the shape it must have. None: any.
        attached: True if gradients must flow through it, False if they must not. None: either.

    Returns:
        The values: a plain float32 tensor, a copy.

    Raises:
        AssertionError: another type, another shape, values that are not finite, attached or not.

    Built in assignment 1 (used).

    >>> is_tensor("the picture", [1, 2])
    Traceback (most recent call last):
    AssertionError: the picture: a tensor is asked for, and came a list
    """
    if not isinstance(got, torch.Tensor):
        hint = ": does your function end with return?" if got is None else ""
        raise AssertionError(f"{what}: a tensor is asked for, and came {_kind(got)}{hint}")
    if shape is not None and tuple(got.shape) != tuple(shape):
        raise AssertionError(
            f"{what}: the shape is {tuple(got.shape)}, and {tuple(shape)} is asked for"
        )
    if attached is True and not got.requires_grad:
        raise AssertionError(
            f"{what} is cut off from its argument: no gradient flows (detach? .item()? no_grad?)"
        )
    if attached is False and got.requires_grad:
        raise AssertionError(f"{what} still hangs on the graph of gradients: detach it")
    values = torch.from_numpy(np.array(check._numbers(got), dtype=np.float32))
    if not torch.isfinite(values).all():
        raise AssertionError(f"{what} has values that are not finite (NaN or infinite)")
    return values


def own(function, *modules):
    """Demand a function that was written in this notebook and does not call a finished one.

    Args:
        function: the student's, with the helpers that it uses; or a class: all methods and bases.
            A helper that ``own`` was asked about before is left out: it has a task of its own.
        modules: modules of dipcourse that are finished work for this task alone: "degrade".

    Raises:
        AssertionError: says whose work it is, or uses.

    Built in assignment 1 (used).

    >>> from dipcourse import metrics
    >>> own(metrics.psnr)
    Traceback (most recent call last):
    AssertionError: psnr comes from dipcourse.metrics: write it yourself
    """
    if isinstance(function, _Watched):
        function = function.function
    name = getattr(function, "__name__", "this")
    for origin in getattr(function, "__mro__", (function,)):  # of a class, its bases too
        home = getattr(origin, "__module__", None) or ""
        if home.split(".")[0] in ("dipcourse", "skimage"):
            raise AssertionError(f"{name} comes from {home}: write it yourself")
    finished = _FINISHED | {f"dipcourse.{module}" for module in modules}
    notebook = sys._getframe(1).f_globals["__name__"]
    others = [other for other in _asked if other is not function]
    _asked[:] = [*others, function]
    for home in _homes(function, notebook, [*others, *_stage[1].values()]):
        if home in finished or home.split(".")[0] == "skimage":
            words = home if home in finished else "scikit-image"
            raise AssertionError(f"{name} uses {words}: write it yourself")


def refuses(what, call, error=ValueError):
    """Demand that a call raises an error of this kind, and no other.

    Args:
        what: words for the call: "a mask without known pixels".
        call: a function without arguments that makes it.
        error: the class of the error.

    Raises:
        AssertionError: it raised none, or another one.

    Built in assignment 3 (used).

    >>> refuses("the number in 'three'", lambda: int("three"))
    >>> refuses("the number in '3'", lambda: int("3"))
    Traceback (most recent call last):
    AssertionError: the number in '3': a ValueError is asked for, and none was raised
    """
    try:
        call()
    except error:
        return
    except NotImplementedError:
        raise
    except Exception as other:
        came = f"{type(other).__name__}: {other}"
        raise AssertionError(f"{what}: a {error.__name__} is asked for, and came {came}") from None
    raise AssertionError(f"{what}: a {error.__name__} is asked for, and none was raised")


def passes(what, part):
    """Run one of several parts of a test, each worth points, and print how it went.

    Args:
        what: words for the part.
        part: a function without arguments that raises if the part fails.

    Returns:
        1 or 0, for ``award``.

    Raises:
        NotImplementedError: the student's function is still a stub.

    Built in assignment 3 (used).

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


class unchanged:
    """A block that must leave values as they are: tensors, arrays, and lists of them.

    >>> x = torch.zeros(2)
    >>> with unchanged("x", x):
    ...     x += 1
    Traceback (most recent call last):
    AssertionError: your function changes its argument x: work on a copy
    """

    def __init__(self, name, *values):
        self.name, self.values = name, values
        self.before = _copy([*values])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and not _same(self.before, _copy([*self.values])):
            raise AssertionError(f"your function changes its argument {self.name}: work on a copy")


class given:
    """A block in which names of the notebook are ours, so that an earlier task costs nothing here.

    >>> double = None
    >>> with given(double=lambda x: 2 * x):
    ...     double(4)
    8
    """

    def __init__(self, _space=None, **names):
        self.names = names
        self.space = sys._getframe(1).f_globals if _space is None else _space

    def __enter__(self):
        self.kept = {name: self.space[name] for name in self.names if name in self.space}
        self.space.update(self.names)

    def __exit__(self, *_):
        for name in self.names:
            self.space.pop(name, None)
        self.space.update(self.kept)


class _Watched:
    """A student's function that must leave the arguments of a call as they are.

    Networks may learn, and generators move on. What it hands to itself is its own affair.
    """

    def __init__(self, function):
        self.function, self.running = function, False

    def __getattr__(self, name):
        return getattr(self.function, name)

    def __call__(self, *values, **named):
        if self.running:
            return self.function(*values, **named)
        self.running = True
        try:
            with ExitStack() as blocks:
                for name, value in _arguments(self.function, values, named).items():
                    blocks.enter_context(unchanged(name, value))
                return self.function(*values, **named)
        finally:
            self.running = False


def _staged(test):
    """The test with the names that ``alone`` gives to it."""
    name, ours = _stage
    space = test.__globals__

    @functools.wraps(test)
    def staged():
        mine = space.get(name)
        a_function = callable(mine) and not isinstance(mine, type)
        with given(space, **ours, **({name: _Watched(mine)} if a_function else {})):
            return test()

    return staged


def _arguments(function, values, named):
    """The arguments of a call by their names; none if the call does not fit the function."""
    try:
        return inspect.signature(function).bind(*values, **named).arguments
    except (TypeError, ValueError):  # ValueError: it is built in
        return {}


def _copy(value):
    """What tells whether a value changes: numbers, in lists as deep as they go."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return [_copy(part) for part in value]
    if isinstance(value, torch.nn.Module) and not [*value.parameters()]:  # an operator
        return [_copy(buffer) for buffer in value.buffers()]
    return value


def _same(before, after):
    """Whether two copies agree; NaN agrees with NaN."""
    if type(before) is not type(after):
        return False
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, torch.Tensor | np.ndarray):
        agree = before.shape == after.shape and before.dtype == after.dtype
        return agree and bool(((before == after) | ((before != before) & (after != after))).all())
    return before is after or before == after


def _report(name, test, strict=False):
    """Run a test and print the line about it, which is kept; strict: raise what it raises."""
    try:
        test()
    except _TROUBLE as error:
        if strict:
            raise
        if isinstance(error, NotImplementedError):
            results[name] = f"⬜ {name}: not written yet"
        else:
            results[name] = f"❌ {name}: failed\n{_hint(error)}"
    else:
        results[name] = f"✅ {name}: passed"
    print(results[name])


def _hint(error):
    """What a failed test says, and where the student's code went wrong if it was there."""
    if isinstance(error, AssertionError) and str(error):
        return textwrap.indent(textwrap.fill(str(error), 90), "   ")
    return f"   your code raised {type(error).__name__}: {error}{_where(error)}"


def _where(error):
    """The line of the notebook in which an error arose."""
    place, found = error.__traceback__, ""
    while place:
        file = place.tb_frame.f_code.co_filename
        line = linecache.getline(file, place.tb_lineno).strip()
        if line and ("ipykernel" in file or file.startswith("<ipython")):
            found = f"\n   in {place.tb_frame.f_code.co_name}, line {place.tb_lineno}: {line}"
        place = place.tb_next
    return found


def _kind(value):
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _homes(value, notebook, seen):
    """Yield the modules where a value, and all that it uses, was written; follow the notebook."""
    if any(value is one for one in seen):
        return
    seen.append(value)
    if isinstance(value, ModuleType):
        home, parts = value.__name__, []
    elif isinstance(value, type):
        home = value.__module__
        parts = [*value.__bases__, *vars(value).values()] if home == notebook else []
    elif isinstance(value, FunctionType):
        home = value.__globals__.get("__name__")
        parts = [getattr(value, "__wrapped__", None)]  # torch.no_grad, functools.wraps
        if home == notebook:
            parts += [*inspect.getclosurevars(value).nonlocals.values()]
            parts += [*(value.__defaults__ or ()), *_used(value.__code__, value)]
    else:
        home, parts = type(value).__module__, [type(value)]
        if home in ("functools", "builtins"):  # partial, method, property, lru_cache
            keys = ("func", "__func__", "__wrapped__", "fget")
            parts += [getattr(value, key, None) for key in keys]
    yield str(home)
    for part in parts:
        yield from _homes(part, notebook, seen)


def _used(code, function, local=()):
    """The global values, imports and attributes of modules that a function's code loads."""
    values, value, package, local = [], None, None, dict(local)
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            value = function.__globals__.get(step.argval)
        elif step.opname == "IMPORT_NAME":
            value = package = sys.modules.get(step.argval) or ModuleType(step.argval)
        elif step.opname == "IMPORT_FROM":
            missing = ModuleType(f"{package.__name__}.{step.argval}")
            value = getattr(package, step.argval, missing)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
            value = getattr(value, step.argval, None)
        elif step.opname.startswith(("LOAD_FAST", "LOAD_DEREF")):
            value = local.get(step.argval)
        elif step.opname in ("STORE_FAST", "STORE_DEREF"):
            local[step.argval] = value
        else:
            value = None
        values.append(value)
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return sum((_used(part, function, local) for part in inner), values)
