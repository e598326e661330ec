"""In the kernel of a submission: what the tests stand on stays what it was at the start.

What a notebook replaces in torch, NumPy, IPython or the tests is put back before and after each
cell; the grader can ask what a test cell replaced, and what was run; files of the course folder are
refused. This is no sandbox: INSTRUCTORS.md says what it does not cover.
"""

import builtins
import importlib
import json
import math
import os
import pkgutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import matplotlib.pyplot
import numpy
import torch
import torch._dynamo  # replaces functions of torch when it is imported: the first optimiser does so
from IPython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from dipcourse import images
from dipcourse.assignment import board

MODULES = (
    builtins,
    math,
    numpy,
    torch,
    torch.nn,
    torch.nn.functional,
    torch.autograd,
    torch.optim,
)
CLASSES = (torch.Tensor, torch.Generator)

#: Rooms of this package that tests call. Each is guarded with all of its modules, and with all
#: modules of this package that they import.
ROOMS = (
    "assignment",
    "check",
    "degrade",
    "fit",
    "images",
    "metrics",
    "nets",
    "priors",
    "show",
    "stopping",
)

#: What the audit hook refuses: files of the course, and all that starts a program.
FILES = {"open": 1, "os.listdir": 1, "os.scandir": 1, "os.rename": 2, "os.link": 2, "os.remove": 1}
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "sqlite3.connect")


def course_modules() -> list[ModuleType]:
    """The modules of ``ROOMS``, and those of this package that are loaded with them."""
    for room in ROOMS:
        module = importlib.import_module(f"dipcourse.{room}")
        for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{module.__name__}."):
            importlib.import_module(found.name)
    return [module for name, module in sys.modules.items() if f"{name}.".startswith("dipcourse.")]


def assignment_classes(modules: Iterable[ModuleType]) -> list[type]:
    """The classes that are defined in the modules of ``assignment``."""
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        if value.__module__ == module.__name__
        if f"{module.__name__}.".startswith("dipcourse.assignment.")
    ]


#: Set by ``start``: JSON of the code that was run last, and the names that it replaced.
report: Callable[[], str]


def start() -> None:
    """Guard this kernel; nbgrader calls it before the first cell, see ``dipcourse.grading``."""
    global report
    torch.set_num_threads(1)
    warnings.formatwarning = lambda text, kind, *_: f"{kind.__name__}: {text}\n"  # no test's line
    shell = get_ipython()
    found: list[str] = []
    shell.system = lambda command: print(f"not run while grading: {command}")

    def begin(*_: object) -> None:
        restore()
        found.clear()

    def end(*_: object) -> None:
        found.extend(restore())

    def run_and_replaced() -> str:
        end()
        return json.dumps([shell.history_manager.input_hist_parsed[-1], sorted(set(found))])

    report = run_and_replaced
    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", end)
    restore = snapshot(shell=shell)
    fence(os.environ["DIPCOURSE_COURSE"])


def snapshot(shell: InteractiveShell | None = None) -> Callable[[], list[str]]:
    """Return a function that undoes what has been replaced since, and returns its names.

    >>> import math
    >>> restore, root = snapshot(), math.sqrt
    >>> math.sqrt = abs
    >>> restore()
    ['math.sqrt']
    >>> math.sqrt is root
    True
    """
    course = course_modules()
    holders: list[ModuleType | type] = [*MODULES, *course, *CLASSES, *assignment_classes(course)]
    kept = [(holder, _contents(holder)) for holder in holders]
    lists = [(owner, name, _copy(getattr(owner, name))) for owner, name in _lists(shell)]
    grading, strict = os.environ.get("NBGRADER_EXECUTION"), board.strict
    code: dict[FunctionType, tuple[str, CodeType, tuple[Any, ...] | None]] = {
        value: (f"{value.__module__}.{name}", value.__code__, value.__defaults__)
        for _, contents in kept
        for name, value in contents.items()
        if isinstance(value, FunctionType)
    }

    def restore() -> list[str]:
        replaced = []
        for holder, contents in kept:
            if not isinstance(holder, type):
                sys.modules[holder.__name__] = holder
            for name in [n for n in _contents(holder) if n not in contents]:
                if isinstance(holder, type) and hasattr(super(holder, holder), name):
                    replaced.append(f"{holder.__name__}.{name}")
                    delattr(holder, name)  # new, and covers a method of the base class
            for name, value in contents.items():
                if vars(holder).get(name) is not value:
                    replaced.append(f"{holder.__name__}.{name}")
                    setattr(holder, name, value)
        for function, (name, its_code, defaults) in code.items():
            if function.__code__ is not its_code or function.__defaults__ is not defaults:
                replaced.append(name)
                function.__code__, function.__defaults__ = its_code, defaults
        for owner, name, value in lists:
            if getattr(owner, name) != value:
                replaced.append(f"IPython's {name}")
                setattr(owner, name, _copy(value))
        if board.strict is not strict:
            replaced.append("dipcourse.assignment.board.strict")
            board.strict = strict
        if grading is not None:
            os.environ["NBGRADER_EXECUTION"] = grading
        return replaced

    return restore


def fence(course: str | Path) -> None:
    """Refuse the files of a course folder, and new programs, for as long as this kernel lives.

    What a notebook needs stays open: its own folder, this package and its pictures, Python's.
    """
    root, package = Path(course).resolve(), Path(__file__).resolve().parents[1]
    needed: list[str | Path] = [os.getcwd(), package, images.folder(), tempfile.gettempdir()]
    needed += [sys.prefix, *sys.path, matplotlib.get_cachedir(), matplotlib.get_configdir()]
    places = [Path(place).resolve() for place in needed]
    open_ = tuple(f"{place}{os.sep}" for place in places if not root.is_relative_to(place))
    closed, resolve = f"{root}{os.sep}", os.path.realpath

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in PROGRAMS:
            raise PermissionError(f"no {event} while a notebook is graded")
        for path in arguments[: FILES.get(event, 0)]:
            if isinstance(path, int):  # a file that is open already
                continue
            place = resolve(os.fsdecode(path or ".")) + os.sep
            if place.startswith(closed) and not place.startswith(open_):
                raise PermissionError(f"{place[:-1]} is closed while a notebook is graded")

    sys.addaudithook(hook)


def _contents(holder: ModuleType | type) -> dict[str, Any]:
    """What a module or class can do: its functions, classes and modules."""
    return {
        name: value
        for name, value in vars(holder).items()
        if callable(value) or isinstance(value, property | type(sys))
        if isinstance(holder, type) or not name.startswith("__")
        if name not in ("__class__", "__dict__", "__doc__", "__weakref__")
    }


def _lists(shell: InteractiveShell | None) -> list[tuple[Any, str]]:
    """Where IPython keeps what runs around a cell and what rewrites it: (owner, name)."""
    if shell is None:
        return []
    rewriting = ("cleanup_transforms", "line_transforms", "token_transformers")
    return [
        (shell.events, "callbacks"),
        (shell, "ast_transformers"),
        (shell, "input_transformers_post"),
        *((shell.input_transformer_manager, name) for name in rewriting),
    ]


def _copy(value: Iterable[Any]) -> Any:
    """A copy of a list, or of a dict of lists."""
    if isinstance(value, dict):
        return {key: list(one) for key, one in value.items()}
    return list(value)
