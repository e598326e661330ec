"""In the sandbox: waits with all libraries loaded, and becomes a submission when it is told to.

One process waits and forks; its child runs the cells of one notebook and answers calls of its
functions. No test, no solution and no other submission is ever in it.
"""

import base64
import builtins
import contextlib
import ctypes
import gc
import importlib
import json
import linecache
import os
import resource
import shutil
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot  # noqa: F401
import torch
import torch._dynamo
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type

from . import remote, wire

ROOMS = (  # what cells import
    *("assignment", "check", "degrade", "handin", "history"),
    *("images", "metrics", "nets", "presets", "show"),
)
CHARACTERS = 100_000  # of a cell's output that are kept
BYTES = 4_000_000  # of a cell's pictures
KEPT_FOLDERS = "/scratch", "/dev/shm"  # emptied between two submissions
DUMPABLE = 4  # PR_SET_DUMPABLE
submissions: list[int] = []  # the process of the one that runs


# ---- the process that waits


def serve(descriptor: int, limits: dict[str, int], walls: bool) -> None:
    """Fork for each submission, until the grader closes the connection.

    Args:
        descriptor: the number of the socket on which the grader says what to do.
        limits: {name of a limit in ``resource``: its value}, for submissions.
        walls: whether this process is alone in a sandbox, so that it may end and remove all else.
    """
    torch.set_num_threads(1)
    warnings.formatwarning = lambda text, kind, *_: f"{kind.__name__}: {text}\n"
    for room in ROOMS:
        importlib.import_module(f"dipcourse.{room}")
    gc.freeze()  # so that forks share this memory for good
    gc.enable()
    ctypes.CDLL(None).prctl(DUMPABLE, 0, 0, 0, 0)  # a fork cannot look into this process
    grader = socket.socket(fileno=descriptor)
    grader.sendall(b"+")
    while True:
        word, files, *_ = socket.recv_fds(grader, 1, 1)
        if not word:
            return
        end_all(walls)
        if word == b"f":
            child = os.fork()
            if child == 0:
                grader.close()
                become(socket.socket(fileno=files[0]), limits)
            submissions.append(child)
            os.close(files[0])
        grader.sendall(b"+")


def end_all(walls: bool) -> None:
    """End what the last submission has left: its processes and its files."""
    if walls:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    else:
        for child in submissions:
            os.kill(child, signal.SIGKILL)
    submissions.clear()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    for folder in KEPT_FOLDERS if walls else ():
        for path in Path(folder).iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def become(grader: socket.socket, limits: dict[str, int]) -> None:
    """Be one submission, until the grader has done with it."""
    ctypes.CDLL(None).prctl(DUMPABLE, 1, 0, 0, 0)
    os.setsid()
    os.register_at_fork(after_in_child=grader.close)  # a fork of theirs does not answer, too
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    place = Path(os.environ["TMPDIR"]) / "notebook"
    place.mkdir(exist_ok=True)
    os.chdir(place)
    try:
        Submission(grader).work()
    except wire.Broken:
        pass
    finally:
        os._exit(0)


# ---- a submission


class Submission:
    """A notebook at work.

    Args:
        grader: the connection to the grader.
    """

    def __init__(self, grader: socket.socket) -> None:
        self.shell = Shell.instance()
        self.space = self.shell.user_ns
        self.peer = Peer(grader, self.lookup, where=where, trusting=True)
        self.peer.space = self.space
        self.peer.handlers = {"cell": self.cell, "names": self.describe, "forget": self.forget}
        importlib.import_module("dipcourse")._absent.ask = self.course

    def work(self) -> None:
        """Do what the grader asks for, for ever."""
        while True:
            self.peer.serve(wire.receive(self.peer.connection))

    def cell(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Run a cell; return its outputs as a notebook has them."""
        outputs.start()
        self.shell.run_cell(request["source"], store_history=True)
        return outputs.stop()

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """{name: its parameters} of those names that stand for something in the notebook."""
        return {
            name: remote.parameters_of(self.space[name])
            for name in request["names"]
            if name in self.space
        }

    def forget(self, request: dict[str, Any]) -> None:
        """Free what is kept for the grader."""
        self.peer.forget()

    def lookup(self, name: str) -> Any:
        """What a name stands for in the notebook."""
        if name not in self.space:
            raise NameError(f"name {name!r} is not defined")
        return self.space[name]

    def course(self, name: str, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a function of the course that is not in this process: the grader decides."""
        return self.peer.call({"name": name}, values, named)


class Peer(remote.Peer):
    """The submission's end; during a call, ours stand in the notebook for other tasks."""

    space: dict[str, Any]

    @contextlib.contextmanager
    def standing(self, names: dict[str, Any]) -> Iterator[None]:
        """A block in which names of the notebook are functions of the grader."""
        before = {name: self.space[name] for name in names if name in self.space}
        self.space.update(names)
        outputs.start()
        try:
            yield
        finally:
            outputs.stop()  # what a function under test prints could tell what it was given
            for name in names:
                self.space.pop(name, None)
            self.space.update(before)


def where(error: BaseException) -> str:
    """The line of the notebook in which an error arose; "" if it arose nowhere in it."""
    place, found = error.__traceback__, ""
    while place:
        code = place.tb_frame.f_code
        if code.co_filename.startswith("<ipython"):
            line = linecache.getline(code.co_filename, place.tb_lineno).strip()
            found = f"in {code.co_name}, line {place.tb_lineno}: {line}"
        place = place.tb_next
    return found


# ---- what cells show


class Outputs:
    """The outputs of a cell as they come, up to a length."""

    def __init__(self) -> None:
        self.cells: list[list[dict[str, Any]]] = []

    def start(self) -> None:
        """Begin with a cell, or with a call whose output nobody sees."""
        self.cells.append([])

    def stop(self) -> list[dict[str, Any]]:
        """The outputs since the last start."""
        return self.cells.pop()

    def add(self, output: dict[str, Any]) -> None:
        """Keep an output, if there is room for it."""
        kept = self.cells[-1] if self.cells else []
        if sum(len(json.dumps(one)) for one in kept if "data" in one) < BYTES:
            kept.append(output)

    def write(self, name: str, text: str) -> None:
        """Keep what is printed, if there is room for it."""
        kept = self.cells[-1] if self.cells else []
        if kept and kept[-1].get("name") == name:
            room = CHARACTERS - len(kept[-1]["text"])
            kept[-1]["text"] += text[: max(room, 0)]
        elif len(kept) < 1000:
            kept.append({"output_type": "stream", "name": name, "text": text[:CHARACTERS]})

    def clear(self) -> None:
        """Forget what the cell has shown."""
        if self.cells:
            self.cells[-1].clear()


outputs = Outputs()


class Stream:
    """Standard output or error of the notebook."""

    encoding = "utf-8"

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, text: str) -> int:
        outputs.write(self.name, str(text))
        return len(text)

    def flush(self) -> None:
        """There is nothing to flush."""

    def isatty(self) -> bool:
        return False


class Publisher(DisplayPublisher):
    """Keeps what a cell displays."""

    def publish(self, data: Any, metadata: Any = None, source: Any = None, **options: Any) -> None:
        shown = {"data": plain(data), "metadata": plain(metadata or {})}
        outputs.add({"output_type": "display_data"} | shown)

    def clear_output(self, wait: bool = False) -> None:
        outputs.clear()


class Hook(DisplayHook):
    """Keeps the value of a cell."""

    def write_output_prompt(self) -> None:
        """The notebook has its own."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        value = {"data": plain(format_dict), "metadata": plain(md_dict or {})}
        count = {"execution_count": self.prompt_count}
        outputs.add({"output_type": "execute_result"} | value | count)


class Shell(InteractiveShell):
    """IPython, without a terminal, programs and input."""

    display_pub_class = Type(Publisher)
    displayhook_class = Type(Hook)

    def __init__(self, **options: Any) -> None:
        sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
        super().__init__(**options)
        assert self.history_manager is not None
        self.history_manager.enabled = False
        builtins.input = no_input

    def system(self, command: str) -> None:
        """Run no program."""
        print(f"not run while grading: {command}")

    system_raw = system_piped = system

    def _showtraceback(self, kind: Any, value: Any, trace: list[str]) -> None:
        error = {"ename": str(kind.__name__), "evalue": str(value), "traceback": trace}
        outputs.add({"output_type": "error"} | error)


def no_input(prompt: object = "") -> str:
    """In place of ``input``."""
    raise RuntimeError("nobody can type while a notebook is graded")


def plain(value: Any) -> Any:
    """What is JSON of a value: pictures as text."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, str | int | float | list | type(None)) else str(value)
