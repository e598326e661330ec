"""The sandbox: bubblewrap around a process that waits, and forks for each submission.

Inside there is no network, nothing of the teacher's files, nothing that can be written but memory
that goes away. See ``inside`` for the process, ``course`` for the package that it finds.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from dipcourse.grading.sandbox import NoSandbox, course, require_walls

GIGABYTE = 1 << 30
#: What one process of a submission may take …
LIMITS = {
    "RLIMIT_DATA": 4 * GIGABYTE,
    "RLIMIT_FSIZE": GIGABYTE // 8,
    "RLIMIT_NOFILE": 256,
    "RLIMIT_CORE": 0,
}
MEMORY = 6 * GIGABYTE  # … and all of them together
PROCESSES = 50
DISK = GIGABYTE // 4  # of SCRATCH
SCRATCH = "/scratch"  # the one folder that can be written
BUFFER = 1 << 20  # bytes on their way: a small network and its input
SECONDS = 0.5  # between two looks at what they take
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/alternatives",
)


class Sandbox:
    """A place for submissions of one assignment, one after the other.

    Args:
        assignment: its name.
        cells: the code cells of its source, without tests.
        environment: what submissions find in ``os.environ``.
        unsafe: whether to go without walls.

    Raises:
        NoSandbox: there is no bubblewrap, or it does not work here.
    """

    def __init__(
        self,
        assignment: str,
        cells: list[str],
        environment: dict[str, str],
        unsafe: bool = False,
    ) -> None:
        if not unsafe:
            require_walls()
        self.folder = Path(tempfile.mkdtemp(prefix="dipcourse-"))
        self.unsafe, self.environment, self.killed = unsafe, environment, ""
        self.tasks: list[str] = []
        course.write(self.folder, assignment, cells)
        self.restart()

    def restart(self) -> None:
        """Start the process that waits."""
        self.killed = ""
        self.control, theirs = socket.socketpair()
        start = "import gc; gc.disable(); from sandboxed import inside; "  # faster without gc
        start += f"inside.serve({theirs.fileno()}, {json.dumps(LIMITS)}, {not self.unsafe})"
        command = [sys.executable, "-c", start]
        place = str(self.folder) if self.unsafe else "/course"
        variables = self.environment | {"PYTHONPATH": place, "USER": "student"}
        variables |= {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        scratch = tempfile.gettempdir() if self.unsafe else SCRATCH
        variables |= {"HOME": scratch, "TMPDIR": scratch}
        self.process = subprocess.Popen(
            command if self.unsafe else [*walls(self.folder, variables), *command],
            pass_fds=[theirs.fileno()],
            env=variables if self.unsafe else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            start_new_session=True,
        )
        theirs.close()
        if self.control.recv(1) != b"+":
            said = self.process.communicate()[1].decode(errors="replace").strip()
            self.close()
            raise NoSandbox(f"the sandbox does not start here: {said[-500:]}")
        threading.Thread(target=self._watch, args=[self.process], daemon=True).start()

    def submission(self) -> socket.socket:
        """End the last submission; the connection to the process of a new one."""
        mine, theirs = socket.socketpair()
        for end in (mine, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        with theirs:
            try:
                self._tell(b"f", [theirs.fileno()])
            except OSError:  # the last one has ended the process that waits, or was too greedy
                self.restart()
                self._tell(b"f", [theirs.fileno()])
        return mine

    def end(self) -> None:
        """End the submission that runs, with all that it has started."""
        with contextlib.suppress(OSError):
            self._tell(b"e", [])

    def close(self) -> None:
        """Take the sandbox down."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tell(self, word: bytes, files: list[int]) -> None:
        socket.send_fds(self.control, [word], files)
        if self.control.recv(1) != b"+":
            raise OSError("the sandbox has ended")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """End a sandbox whose processes take too much."""
        while process.poll() is None:
            family = family_of(process.pid)
            memory = sum(map(memory_of, family))
            if memory > MEMORY:
                self.killed = f"it took more than {MEMORY // GIGABYTE} GB of memory"
            if len(family) > PROCESSES:
                self.killed = f"it started more than {PROCESSES} processes"
            if self.killed:
                process.kill()
                return
            threading.Event().wait(SECONDS)


def family_of(process: int) -> list[psutil.Process]:
    """All processes that descend from one; none if it has ended."""
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.Error:
        return []


def memory_of(process: psutil.Process) -> int:
    """Bytes that a process takes; 0 if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def walls(folder: Path, variables: dict[str, str]) -> list[str]:
    """The command that puts walls around another command.

    Args:
        folder: what is seen as /course.
        variables: the environment inside.
    """
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    command += ["--cap-drop", "ALL", "--hostname", "sandbox"]
    for path in dict.fromkeys([*SYSTEM, sys.base_prefix, sys.prefix]):
        command += ["--ro-bind-try", path, path]
    for package in map(str, course.hidden_packages()):
        command += ["--tmpfs", package, "--remount-ro", package]
    command += ["--ro-bind", str(folder), "/course", "--proc", "/proc", "--dev", "/dev"]
    for place, size in (("/dev/shm", DISK), (SCRATCH, DISK)):
        command += ["--size", str(size), "--tmpfs", place]
    for name, value in variables.items():
        command += ["--setenv", name, value]
    return [*command, "--remount-ro", "/", "--chdir", SCRATCH, "--"]
