"""A program that starts warm is told from one that starts cold by its time alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import warm

pytestmark = pytest.mark.skipif(not warm.POSSIBLE, reason="programs start cold here")
LOOKS = "import os, sys; print(os.getcwd(), sorted(os.environ.items()), sys.argv, __name__)"


def begun(start, code, *words, **options):
    """The process of a client whose program is this code."""
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    return subprocess.Popen([*start.command, "-c", code, *words], text=True, **pipes, **options)


def both(start, code, *words, text="", **options):
    """What a warm and a cold program put out, and how they end."""
    said = []
    for way in (start, warm.COLD):
        process = begun(way, code, *words, **options)
        out, err = process.communicate(text)
        said.append((out, err.splitlines()[-1:], process.returncode))
    return said


@pytest.mark.parametrize(
    "code",
    [
        LOOKS,
        "print(input()[::-1])",
        "import sys; sys.exit(3)",
        "import sys; sys.exit('words')",
        "import sys; sys.exit()",
        "1 / 0",
        "import atexit; atexit.register(print, 'at last')",
    ],
)
def test_it_does_what_a_cold_one_does(start, code, tmp_path):
    environment = os.environ | {"ONLY_HERE": "yes"}
    one, other = both(start, code, "a", "b c", text="abc\n", cwd=tmp_path, env=environment)
    assert one == other


def test_libraries_are_there_and_the_course_is_not(start):
    code = "import sys; print([name in sys.modules for name in ('torch', 'dipcourse')])"
    assert begun(start, code).communicate()[0] == "[True, False]\n"


def test_a_module_is_found_in_the_folder_and_in_pythonpath(start, tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text("print(__name__)", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "there")}
    for name in ("here", "there"):
        command = [*start.command, "-m", name]
        said = subprocess.check_output(command, cwd=tmp_path / "here", env=environment, text=True)
        assert said == "__main__\n"


def test_an_interrupt_is_passed_on(start):
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of '&' ignores it\n"
        "print(1, flush=True); time.sleep(60)"
    )
    process = begun(start, code)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]


def test_it_ends_with_its_client(start):
    process = begun(start, "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    program = psutil.Process(int(process.stdout.readline()))
    process.kill()
    program.wait(timeout=30)


def test_the_server_ends_with_who_started_it(tmp_path):
    code = (
        "import pathlib, os, sys, warm\n"
        "with warm.server(pathlib.Path(sys.argv[1])) as start:\n"
        "    print(os.getpid(), flush=True)\n"
        "    os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(warm.__file__).parent)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
    address = str(tmp_path / "warm")
    deadline = time.monotonic() + 60
    while serving(address) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not serving(address)


def serving(address):
    """Whether a process listens at the address."""
    return any(one.laddr == address for one in psutil.net_connections("unix"))
