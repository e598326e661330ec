"""What the studies tools/study_NN.py share: tables that are kept, and the register of recordings.

A study whose table a lesson shows (``recordings.table("04_widths")``):

    from tools.studies import Table, recording

    def widths():
        table = Table("04_widths", key=("width", "seed"))
        for width, seed in product((8, 32, 128), range(3)):
            table.add({"width": width, "seed": seed, "PSNR": measure(width, seed)})
        print(table)

Each row is stored at once, in place of an older one with the same key. ``table.has(width=8,
seed=0)`` tells whether a row is there, so that a study that was interrupted can go on.

A fit that a lesson plays (``recordings.load("04_long")``):

    @recording("04_long", preset="denoise")
    def long(preset):
        \"\"\"The denoising fit, 8,000 steps: the fall is slow.\"\"\"
        net, z = preset.make()
        return fit.fit(net, z, y, degrade.Identity(), **preset.fit | {"steps": 8000, "frames": 30})

`python -m tools.record 04_long` makes it. The preset is that of the current scale.
"""

import importlib
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from dipcourse import presets, recordings

_registered: dict[str, "Recording"] = {}


@dataclass(frozen=True)
class Recording:
    """A fit to record: its name, its preset's name and the function that makes it."""

    name: str
    preset: str
    make: Callable

    @property
    def shows(self):
        return (self.make.__doc__ or "").partition("\n")[0]


def recording(name, preset):
    """Register the decorated function of a Preset, which returns a History, under a name."""
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", name):
        raise ValueError(f"recording {name!r}: call it NN_what, such as '04_long'")
    if name in _registered:
        raise ValueError(f"recording {name} is registered twice")

    def register(make):
        _registered[name] = Recording(name, preset, make)
        return make

    return register


def registered():
    """Import the studies and return their recordings, {name: Recording}."""
    for path in sorted(Path(__file__).parent.glob("study_*.py")):
        importlib.import_module(f"tools.{path.stem}")
    return dict(sorted(_registered.items()))


def circumstances(command):
    """Under what circumstances something is measured now: a dict for the head of a file."""
    return {
        "command": command,
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
    scale = os.environ.get("DIPCOURSE_SCALE")
    return " ".join([*([f"DIPCOURSE_SCALE={scale}"] if scale else []), "python -m", *words])


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


class Table:
    """A table of results that is kept in a file, one row a line.

    Args:
        name: NN_what; the lesson reads it with ``recordings.table(name)``.
        key: the columns that make two rows the same measurement.
        folder: where the file lies.

    Raises:
        SystemExit: the rows that are kept were measured under other circumstances, so that one
            head cannot be true of all.
    """

    SAME = ("device", "threads", "torch", "scale")

    def __init__(self, name, key, folder=recordings.FOLDER):
        self.path, self.key = folder / f"{name}.json", key
        self.about = circumstances(command())
        kept = json.loads(self.path.read_text("utf-8")) if self.path.exists() else {"rows": []}
        self.rows = kept["rows"]
        differ = [k for k in self.SAME if k in kept and kept[k] != self.about[k]]
        if differ:
            changes = "; ".join(f"{k}: {kept[k]}, now {self.about[k]}" for k in differ)
            raise SystemExit(
                f"{self.path.name} was measured under other circumstances ({changes}). To measure "
                "it all anew, delete the file first."
            )

    def has(self, **values):
        """Whether there is a row with these values."""
        return any(all(row.get(k) == v for k, v in values.items()) for row in self.rows)

    def add(self, row):
        """Store a row, in place of the one with the same key."""
        same = [i for i, r in enumerate(self.rows) if all(r[k] == row[k] for k in self.key)]
        if same:
            self.rows[same[0]] = row
        else:
            self.rows.append(row)
        lines = ",\n".join(json.dumps(r, ensure_ascii=False, allow_nan=False) for r in self.rows)
        head = json.dumps(self.about, ensure_ascii=False, indent=1)
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(f'{head[:-2]},\n "rows": [\n{lines}\n]}}\n', encoding="utf-8")

    def __str__(self):
        return recordings.text({"rows": self.rows})
