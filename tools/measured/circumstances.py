"""Under what circumstances something is measured: command, processor, threads, versions, date."""

import os
import platform
import re
import sys
from datetime import date
from pathlib import Path

import torch

from dipcourse import presets

#: What changes a result or its time: the scale, and how AVX2 alone is emulated.
VARIABLES = "DIPCOURSE_SCALE", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"


def now(said=None):
    """What the head of a stored result says; ``said``: its command, if not the one that runs."""
    return {
        "command": said or command(),
        "device": device(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "scale": presets.current_scale(),
        "date": date.today().isoformat(),
    }


def command(*words):
    """A command as one types it in the course's folder; by default the one that runs now."""
    main = getattr(sys.modules["__main__"], "__spec__", None)
    words = words or (main.name.removesuffix(".__main__") if main else "?", *sys.argv[1:])
    given = [f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name)]
    return " ".join([*given, "python -m", *words])


def device():
    """The name of the GPU, or of the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    found = info.is_file() and re.search(r"model name\s*:\s*(.+)", info.read_text())
    return found[1] if found else platform.processor() or platform.machine()


def processor():
    """What decides how fast a fit is: "cuda", or the CPU's vector instructions, such as "avx2"."""
    if torch.cuda.is_available():
        return "cuda"
    return torch.backends.cpu.get_cpu_capability().lower()
