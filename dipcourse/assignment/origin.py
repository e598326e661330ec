"""Whose code is this: a task is answered by the notebook's own code, and not by a finished one."""

import dis
import inspect
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType

from dipcourse.assignment import stage

#: What no task may use: rooms of this package that answer one, and ours.
FINISHED = tuple(
    f"dipcourse.{room}" for room in ("assignment.ours", "metrics", "priors", "fit", "stopping")
)
#: Functions that ``own`` was asked about: each answers for itself.
asked: list[object] = []


def own(function: object, *modules: str) -> None:
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
    if isinstance(function, stage.Watched):
        function = function.function
    name = getattr(function, "__name__", "this")
    for origin in getattr(function, "__mro__", (function,)):  # of a class, its bases too
        home = getattr(origin, "__module__", None) or ""
        if home.split(".")[0] in ("dipcourse", "skimage"):
            raise AssertionError(f"{name} comes from {home}: write it yourself")
    finished = [*FINISHED, *(f"dipcourse.{module}" for module in modules)]
    notebook = sys._getframe(1).f_globals["__name__"]
    others = [other for other in asked if other is not function]
    asked[:] = [*others, function]
    for home in _homes(function, notebook, [*others, *stage.stand_ins.values()]):
        if work := _finished(home, finished):
            raise AssertionError(f"{name} uses {work}: write it yourself")


def _finished(home: str, rooms: Iterable[str]) -> str:
    """The finished work that a module is part of, in words; "" if everybody may use it.

    >>> _finished("dipcourse.fit.record", FINISHED), _finished("dipcourse.nets", FINISHED)
    ('dipcourse.fit', '')
    """
    if home.split(".")[0] == "skimage":
        return "scikit-image"
    return next((room for room in rooms if f"{home}.".startswith(f"{room}.")), "")


def _homes(value: object, notebook: str, seen: list[object]) -> Iterator[str]:
    """Yield the modules where a value, and all that it uses, was written; follow the notebook."""
    if any(value is one for one in seen):
        return
    seen.append(value)
    home: str | None
    parts: list[object] = []
    if isinstance(value, ModuleType):
        home = value.__name__
    elif isinstance(value, type):
        home = value.__module__
        if home == notebook:
            parts += [*value.__bases__, *vars(value).values()]
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


def _used(
    code: CodeType, function: FunctionType, outer: dict[str, object] | None = None
) -> list[object]:
    """The global values, imports and attributes of modules that a function's code loads."""
    values: list[object] = []
    value: object = None
    package: object = None
    local = dict(outer or {})
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            value = function.__globals__.get(step.argval)
        elif step.opname == "IMPORT_NAME":
            value = package = sys.modules.get(step.argval) or ModuleType(step.argval)
        elif step.opname == "IMPORT_FROM":
            missing = ModuleType(f"{getattr(package, '__name__', '')}.{step.argval}")
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
    for part in code.co_consts:
        if isinstance(part, CodeType):
            values += _used(part, function, local)
    return values
