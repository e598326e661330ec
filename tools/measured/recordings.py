"""Make the fits that the course plays where a machine is too slow for them.

    python -m tools.measured record                 the list, and which of them are kept
    python -m tools.measured record 04_long …       run these fits and keep them
    DIPCOURSE_SCALE=paper python -m tools.measured record --limit 12 04_long
                                                    on a GPU, for your own class: up to 12 MB

A lesson's recordings are functions in tools/measured/lessonNN/studies.py:

    from tools.measured.recordings import recording

    @recording("04_long", preset="denoise")
    def long(preset):
        \"\"\"The denoising fit, 8,000 steps: the fall is slow.\"\"\"
        net, z = preset.make()
        return fit.fit(net, z, y, degrade.Identity(), **preset.fit | {"steps": 8000, "frames": 30})

Their History is written to dipcourse/_recordings, with the command, device, date and preset in its
settings; the lesson plays ``recordings.load("04_long")``. The preset is that of the current scale.
Frames become JPEG, as finely rounded as a megabyte allows; if need be, some are left out. What is
committed may not be larger than that.
"""

import argparse
import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dipcourse import metrics, presets, recordings
from dipcourse.history import History
from tools.measured import circumstances, names

LIMIT = 1_000_000  # bytes
#: What is tried in turn until the file is small enough: a rounding in grey levels, and how many
#: frames must stay; those above are left out two at a time.
STAGES = ((2, 60), (3, 60), (4, 20), (6, 20), (8, 8))

_registered: dict[str, "Recording"] = {}


@dataclass(frozen=True)
class Recording:
    """A fit to record: its name, its preset's name and the function that makes it."""

    name: str
    preset: str
    make: Callable
    scale: str | None = None

    @property
    def shows(self):
        return (self.make.__doc__ or "").partition("\n")[0]


def recording(name, preset, scale=None):
    """Register the decorated function of a Preset, which returns a History, under a name.

    The preset is that of the given scale, or of the current one.
    """
    names.check(name, _registered)

    def register(make):
        _registered[name] = Recording(name, preset, make, scale)
        return make

    return register


def registered():
    """Import the measurements of all lessons and return their recordings, {name: Recording}."""
    names.import_all()
    return dict(sorted(_registered.items()))


def pack(history, path, limit=LIMIT):
    """Save a history within a limit of bytes: rounded as finely, with as many frames as it allows.

    Returns:
        The History as it was kept.

    Raises:
        SystemExit: it is too large even so; the coarsest version is kept in this folder instead.
    """
    every = len(history)
    attempts = [(r, n) for r, fewest in STAGES for n in range(every, min(every, fewest) - 1, -2)]
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.npz"
        for rounding, count in attempts:
            thin = thinned(history, count)
            thin.save(draft, rounding)
            if draft.stat().st_size <= limit - 100:  # room for the coder's PSNR
                break
        else:
            shutil.copy(draft, path.name)
            raise SystemExit(
                f"{path.name} has {draft.stat().st_size:,} bytes, more than {limit:,}. It is here, "
                "in this folder; to have it where the lessons look, use a larger --limit, or make "
                "the picture smaller"
            )
        psnr = round(codec_psnr(thin, History.load(draft)), 2)
    path.parent.mkdir(exist_ok=True)
    settings = thin.settings | {"codec psnr": psnr}
    dataclasses.replace(thin, settings=settings).save(path, rounding)
    return History.load(path)


def thinned(history, count):
    """The same history with fewer frames, the first and the last among them."""
    kept = np.linspace(0, len(history) - 1, count).round().astype(int)
    names = ("steps", "frames", "means")
    return dataclasses.replace(history, **{name: getattr(history, name)[kept] for name in names})


def codec_psnr(history, kept):
    """How near the kept frames and means are to the true ones: the lowest PSNR, in dB."""
    values = [
        metrics.psnr(kept.frame(i, mean), history.frame(i, mean))
        for i in range(len(history))
        for mean in (False, True)
    ]
    return min(99.0, *values)  # no infinity: not all readers of JSON know it


def record(recording, folder=recordings.FOLDER, limit=LIMIT):
    """Run the fit of a recording and keep it; return the History as it was kept."""
    history = recording.make(presets.get(recording.preset, recording.scale))
    command = circumstances.command("tools.measured", "record", recording.name)
    history.settings |= circumstances.now(command) | {
        "preset": recording.preset,
        "shows": recording.shows,
    }
    return pack(history, folder / f"{recording.name}.npz", limit)


def describe(recording, folder=recordings.FOLDER):
    """What a recording shows and what is kept of it, in a few lines."""
    path = folder / f"{recording.name}.npz"
    lines = [f"{recording.name}: {recording.shows}"]
    if path.exists():
        history = History.load(path)
        codec = f"JPEG at {history.settings['codec psnr']} dB"
        lines += [
            f"    {path.stat().st_size / 1e3:.0f} kB, {codec}: {history}",
            f"    {recordings.about(history)}",
        ]
    return "\n".join(lines if path.exists() else [*lines, "    not made yet"])


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured record", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--limit", type=float, default=LIMIT / 1e6, metavar="MB")
    options, known = parser.parse_args(arguments), registered()
    names = options.names
    if unknown := set(names) - set(known):
        parser.error(f"no such recording: {', '.join(sorted(unknown))}; see the list without names")
    for name in names:
        record(known[name], limit=round(1e6 * options.limit))
    for name in names or known:
        print(describe(known[name]))
