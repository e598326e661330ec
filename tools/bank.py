"""The bank of right and wrong answers to assignments, tests/bank/."""

import re

from tools.notebooks import ROOT

BANK = ROOT / "tests" / "bank"
ENTRY = re.compile(
    r"^## (?P<kind>right|wrong): (?P<words>[^\n]*?)(?: -> (?P<test>\S+))?\n+"
    r"```python\n(?P<code>.*?)\n```$",
    re.MULTILINE | re.DOTALL,
)
Entry = dict[str, str | None]
Bank = dict[str, dict[str, list[Entry]]]


def bank(assignment: str) -> Bank:
    """{task: {"right": [entry], "wrong": [entry]}}; an entry is a dict with words, test, code."""
    pages = sorted((BANK / assignment).glob("*.md"))
    return {path.stem: entries(path.read_text("utf-8")) for path in pages}


def entries(text: str) -> dict[str, list[Entry]]:
    """The entries of a page by their kind; raises AssertionError if one is not understood."""
    found = [match.groupdict() for match in ENTRY.finditer(text)]
    assert len(found) == text.count("\n## "), f"an entry is not understood: {text[:80]}"
    return {kind: [e for e in found if e["kind"] == kind] for kind in ("right", "wrong")}
