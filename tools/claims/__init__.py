"""Numbers that the prose may quote, and the runs they come from.

Prose quotes a run as ``TBD <!-- claim: lesson00-fall -->``. `make claims` computes the number over
several seeds, stores it in tests/claims.json and writes it into the prose in place of TBD (or of
the text of the last time). A fast test then compares prose and JSON.

A lesson's claims are the functions of one module, tools/claims/lesson00.py for example:

    from functools import cache

    from tools.claims import claim

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

    python -m tools.claims --only lesson00 [another …]     modules or single ids; default: all
"""

import importlib
import json
import os
import pkgutil
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "tests" / "claims.json"
COMMENT = re.compile(r"[ \t]*<!-- claim: (?P<id>\S+) -->")
PLACEHOLDER = "TBD"

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
    """Return "low–high unit", or "value unit" when both ends round to the same.

    >>> spread([3.14, 3.61, 3.3], "dB"), spread([2.0, 2.01], "s", digits=0)
    ('3.1–3.6 dB', '2 s')
    """
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
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


def stored(path=STORE):
    """Return the claims of tests/claims.json as {id: entry}; empty when there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def store(entries, path=STORE):
    """Merge entries into tests/claims.json, sorted by id."""
    merged = dict(sorted((stored(path) | entries).items()))
    path.write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


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
    """Return what tests/claims.json keeps of one claim."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return {
        "text": text,
        "values": values,
        "seeds": list(seeds),
        "unit": unit,
        "scale": scale,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "date": date.today().isoformat(),
        "command": command,
        "lesson": lesson,
    }


def registered(only=()):
    """Import the modules of claims and return them; `only`: modules or ids."""
    wanted = {name.partition("-")[0] for name in only}
    for module in pkgutil.iter_modules(__path__):
        if module.name != "__main__" and (not wanted or module.name in wanted):
            importlib.import_module(f"{__name__}.{module.name}")
    chosen = [c for c in _registered.values() if not only or c.id in only or c.lesson in only]
    unknown = set(only) - {c.id for c in chosen} - {c.lesson for c in chosen}
    if unknown:
        raise SystemExit(f"no such module or claim: {', '.join(sorted(unknown))}")
    return chosen


def _ends_with(prose, text):
    """Whether prose ends with text, and not with a longer number: "13.5 dB" is not "3.5 dB"."""
    return re.search(r"(?<![\w.–-])" + re.escape(text) + r"\Z", prose) is not None


def quote(prose, new, old):
    """Write the claims' new texts into a piece of prose.

    Args:
        prose: Markdown in which each claim's comment follows its text or TBD.
        new: {id: text to write}.
        old: {id: text of the last time}.

    Returns:
        The prose with the new texts. Where neither the old text nor TBD stands before a comment,
        nothing is changed: the fast test names that place.

    >>> quote("falls by TBD <!-- claim: a-b -->.", {"a-b": "3–4 dB"}, {})
    'falls by 3–4 dB <!-- claim: a-b -->.'
    """
    done, end = "", 0
    for comment in COMMENT.finditer(prose):
        before = prose[end : comment.start()]
        id = comment["id"]
        for known in (new.get(id), old.get(id), PLACEHOLDER):
            if known and id in new and _ends_with(before, known):
                before = before.removesuffix(known) + new[id]
                break
        done += before + comment[0]
        end = comment.end()
    return done + prose[end:]


def wrong_quotes(prose, known):
    """Return a message for each claim comment of a prose that is unknown or wrongly quoted.

    >>> wrong_quotes("by 5 dB <!-- claim: a-b -->", {"a-b": {"text": "3–4 dB"}})
    ['claim a-b: the text before its comment must be "3–4 dB", not "by 5 dB"']
    """
    messages = []
    for comment in COMMENT.finditer(prose):
        id, before = comment["id"], prose[: comment.start()]
        if id not in known:
            messages.append(f"claim {id} is not in tests/claims.json")
        elif not _ends_with(before, known[id]["text"]):
            found = before.splitlines()[-1][-30:] if before else ""
            text = known[id]["text"]
            messages.append(
                f'claim {id}: the text before its comment must be "{text}", not "{found}"'
            )
    return messages


def requote(new, old, root=ROOT):
    """Write new texts into the pages and the lessons' Markdown cells; return the files changed."""
    import nbformat

    changed = []
    for path in [*sorted(root.glob("*.md")), *sorted((root / "lessons").glob("*.ipynb"))]:
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            quoted = quote(text, new, old)
            if quoted != text:
                path.write_text(quoted, encoding="utf-8")
                changed.append(path)
            continue
        notebook = nbformat.read(path, as_version=4)
        texts = [cell.source for cell in notebook.cells]
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = quote(cell.source, new, old)
        if texts != [cell.source for cell in notebook.cells]:
            nbformat.write(notebook, path)
            changed.append(path)
    return changed


def save(entries, path=STORE, root=ROOT):
    """Store new entries and quote them in the prose; print which files changed."""
    old = {id: entry["text"] for id, entry in stored(path).items()}
    store(entries, path)
    for changed in requote({id: e["text"] for id, e in entries.items()}, old, root):
        print(f"quoted in {changed.relative_to(root)}")
