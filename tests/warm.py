"""Start a Python program in a fork of one that has imported torch and all else that takes seconds.

A test that starts many programs (kernels, nbgrader) pays for their imports once. The program itself
is imported anew, ``dipcourse`` too; only the libraries are there already. Linux alone has what this
needs; elsewhere, and with ``DIPCOURSE_COLD=1``, programs start as they always do.

    with warm.server(folder) as start:
        subprocess.run([*start.command, "-m", "nbgrader"], env=os.environ | start.environment)
"""

import atexit
import contextlib
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from typing import NamedTuple

LIBRARIES = """
    anywidget ipykernel.kernelapp IPython ipywidgets matplotlib.pyplot nbgrader.apps
    nbgrader.plugins numpy PIL.Image scipy.interpolate scipy.ndimage scipy.optimize scipy.signal
    scipy.stats skimage.metrics skimage.restoration skimage.transform sqlalchemy torch
    torch._dynamo tqdm
"""
POSSIBLE = hasattr(os, "pidfd_open") and not os.environ.get("DIPCOURSE_COLD")
INLINE = "module://matplotlib_inline.backend_inline"  # a kernel says so before it imports pyplot
ALONE = "-I", "-S"  # a client needs the standard library alone: it is there in an instant


# ---- for the tests


class Start(NamedTuple):
    """How a Python program starts: the begin of its command, and what kernels need besides."""

    command: list[str]
    environment: dict[str, str]


COLD = Start([sys.executable], {})


@contextlib.contextmanager
def server(folder):
    """While the block lasts, programs and kernels can start warm: its value says how."""
    if not POSSIBLE:
        yield COLD
        return
    address = str(folder / "warm")
    command = [sys.executable, *ALONE, __file__, address]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(listening.fileno())],
            pass_fds=[listening.fileno()],
            env=os.environ | {"MPLBACKEND": INLINE},
            stdin=subprocess.PIPE,  # ends with this process, however that ends
            start_new_session=True,  # Ctrl-C is for the programs, and their clients pass it on
        )
    try:
        yield Start(command, {"JUPYTER_PATH": kernels(folder, command)})
    finally:
        process.kill()
        process.wait()


def kernels(folder, command):
    """A path for Jupyter, which finds a kernel there that starts with the command."""
    launch = [*command, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": launch, "display_name": "Python 3", "language": "python"}
    place = folder / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return str(folder)


# ---- the process that waits


def serve(listening):
    """Fork for each client, until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a fork ended
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        load()
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            attend(client)
        client.close()


@functools.cache  # for the first client
def load():
    """Import the libraries."""
    gc.disable()  # imports are faster without
    for name in LIBRARIES.split():
        __import__(name)
    from nbgrader import api

    api.get_alembic_version = functools.cache(api.get_alembic_version)
    with contextlib.suppress(OSError):  # a command that is not there
        api.get_alembic_version()  # takes a second, for each new gradebook
    gc.freeze()  # so that a fork shares this memory for good
    gc.set_threshold(5000)
    gc.enable()


def attend(client):
    """Fork once more: the child becomes what the client asked for, this process looks after it."""
    asked, files, *_ = socket.recv_fds(client, 1 << 22, 3)
    while not asked.endswith(b"\n"):
        asked += client.recv(1 << 22)
    command, folder, environment = json.loads(asked)
    child = os.fork()
    if child == 0:
        client.close()
        become(folder, environment, files)
        run(*command)
    watch(client, child)


def become(folder, environment, files):
    """Take over the client's folder, environment and files."""
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.chdir(folder)
    if "JPY_PARENT_PID" in environment:  # a kernel ends with its parent
        environment["JPY_PARENT_PID"] = str(os.getppid())
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [folder, *paths, *sys.path[1:]]  # the first was the folder of this file


def watch(client, child):
    """End with the child, and end the child with the client."""
    client.send(f"{child}\n".encode())
    ended = os.pidfd_open(child)
    ready, *_ = select.select([client, ended], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):  # the client is gone
        client.send(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def run(flag, what, *arguments):
    """Do what ``python -m what`` or ``python -c what`` does, and end."""
    sys.argv, code = [flag, *arguments], 0
    try:
        if flag == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking all that was imported apart would take two seconds


# ---- the client, which stands for the program


def ask(address, command):
    """Have a command started; pass signals on; return how it ended."""
    server = socket.socket(socket.AF_UNIX)
    server.connect(address)
    asked = json.dumps([command, os.getcwd(), dict(os.environ)]).encode() + b"\n"
    sent = socket.send_fds(server, [asked], [0, 1, 2])
    server.sendall(asked[sent:])
    replies = server.makefile()
    child = int(replies.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    code = int(replies.readline())
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    place, *words = sys.argv[1:]
    if place != "serve":
        sys.exit(ask(place, words))
    serve(socket.socket(fileno=int(words[0])))
