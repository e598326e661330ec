"""Numbers that the prose may quote, and the runs they come from.

Prose quotes a run as ``TBD <!-- claim: lesson00-fall -->``. `make claims` computes the number over
several seeds, stores it in stored/claims.json and writes it into the prose in place of TBD (or of
the text of the last time). A fast test then compares prose and JSON.

A lesson's claims are the functions of one module, tools/measured/lesson00/claims.py for example:

    from functools import cache

    from tools.measured.claims import claim

    @cache                                     # several claims may share one fit
    def run(seed): ...

    @claim("lesson00-fall", unit="dB", holds=lambda falls: min(falls) >= 3)
    def fall(seed):
        \"\"\"PSNR lost between the best step and the last.\"\"\"
        return peak(run(seed)) - last(run(seed))

`claim(id, holds, unit="", digits=1, text=None, seeds=(0, 1, 2), scale="laptop")`
    id      the lesson's module, a hyphen, a name; unique
    holds   function of the list of values (one per seed): True if what the prose says of them is
            true *with a margin*; a claim that does not hold is not written, and the exit code is 1
    text    function of the values that gives the words quoted; by default `spread`: "3.1–3.6 dB"
    scale   DIPCOURSE_SCALE during the run
The decorated function takes a seed and returns a number (or, with `text` given, anything that JSON
can hold).

    python -m tools.measured claims --only lesson00 [another …]     lessons or single ids
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.measured import circumstances, names, quoting

_registered: dict[str, "Claim"] = {}


@dataclass(frozen=True)
class Claim:
    """One quotable number: how to compute it for a seed, say it, and judge it."""

    id: str
    compute: Callable[[int], Any]
    holds: Callable[[list], bool]
    text: Callable[[list], str]
    unit: str
    seeds: tuple[int, ...]
    scale: str

    @property
    def lesson(self):
        return self.id.split("-")[0]


def spread(values, unit="", digits=1):
    """Return "low–high unit", or "value unit" when both ends round to the same; nested lists, too.

    >>> spread([[3.14, 3.61], [3.3, 3.2]], "dB"), spread([2.0, 2.01], "s", digits=0)
    ('3.1–3.6 dB', '2 s')
    """
    low, high = (f"{f(values):.{digits}f}" for f in (np.min, np.max))
    return f"{low if low == high else f'{low}–{high}'} {unit}".strip()


def middle(values, unit="dB", digits=1):
    """Return "median (low–high) unit": for fits whose course is partly chance, over many seeds.

    >>> middle([0.9, 0.1, 0.2, 0.0, 0.3])
    '0.2 (0.0–0.9) dB'
    """
    return f"{np.median(values):.{digits}f} ({spread(values, digits=digits)}) {unit}"


def signed(values, unit="dB"):
    """Return "−low to +high unit"; the values may be nested lists.

    >>> signed([[-0.12, 0.31], [0.2, 0.0]])
    '−0.1 to +0.3 dB'
    """
    low, high = (f"{f(values):+.1f}".replace("-", "−") for f in (np.min, np.max))
    return f"{low} to {high} {unit}"


def claim(id, holds, unit="", digits=1, text=None, seeds=(0, 1, 2), scale="laptop"):
    """Register the decorated function of a seed as a claim (see the module's docstring)."""
    if len(seeds) < 3:
        raise ValueError(f"claim {id}: at least 3 seeds, not {len(seeds)}")
    if id in _registered:
        raise ValueError(f"claim {id} is registered twice")

    def register(compute):
        say = text or (lambda values: spread(values, unit, digits))
        _registered[id] = Claim(id, compute, holds, say, unit, tuple(seeds), scale)
        return compute

    return register


def measure(claim, command):
    """Compute a claim for each of its seeds; return its entry, or None when it does not hold.

    A claim whose computation asserts something else on the way does not hold if that fails.
    """
    before = os.environ.get("DIPCOURSE_SCALE")
    os.environ["DIPCOURSE_SCALE"] = claim.scale
    start = time.perf_counter()
    try:
        values = [claim.compute(seed) for seed in claim.seeds]
    except AssertionError as failed:
        print(f"{claim.id:32} {'':24} DOES NOT HOLD: {failed}")
        return None
    finally:
        os.environ.pop("DIPCOURSE_SCALE")
        if before is not None:
            os.environ["DIPCOURSE_SCALE"] = before
    seconds = time.perf_counter() - start
    text, holds = claim.text(values), bool(claim.holds(values))
    print(f"{claim.id:32} {text:24} {'holds' if holds else 'DOES NOT HOLD'}  ({seconds:.0f} s)")
    if not holds:
        print(f"    values: {values}")
        return None
    return entry(claim.lesson, text, values, claim.unit, claim.scale, command, claim.seeds)


def entry(lesson, text, values, unit, scale, command, seeds=()):
    """Return what is stored of one claim."""
    facts = {"text": text, "values": values, "seeds": list(seeds), "unit": unit}
    return facts | circumstances.now(command) | {"scale": scale, "lesson": lesson}


def registered(only=()):
    """Import the claims of all lessons and return them; `only`: lessons or ids."""
    names.import_all({name.partition("-")[0] for name in only})
    chosen = [c for c in _registered.values() if not only or c.id in only or c.lesson in only]
    unknown = set(only) - {c.id for c in chosen} - {c.lesson for c in chosen}
    if unknown:
        raise SystemExit(f"no such lesson or claim: {', '.join(sorted(unknown))}")
    return chosen


_saving = multiprocessing.Lock()


def keep(ids):
    """Measure claims, and store and quote each that holds; return the ids of the others."""
    failed = []
    for id in ids:
        found = measure(_registered[id], f"python -m tools.measured claims --only {id}")
        if found is None:
            failed.append(id)
        else:
            with _saving:
                quoting.save({id: found})
    return failed


def keep_side_by_side(lessons):
    """The same for lists of ids, one lesson each: as many at a time as there are cores."""
    if len(lessons) == 1 or sys.platform != "linux":  # elsewhere a process cannot be forked safely
        return [id for ids in lessons for id in keep(ids)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        return [id for failed in pool.map(keep, lessons) for id in failed]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured claims", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", nargs="+", default=[], metavar="LESSON_OR_ID")
    lessons = {}
    for claim in registered(parser.parse_args(arguments).only):
        lessons.setdefault(claim.lesson, []).append(claim.id)
    failed = keep_side_by_side(list(lessons.values()))
    if failed:
        print(f"do not hold: {', '.join(failed)}")
    return 1 if failed else 0
