"""Where does this number come from? `python -m tools.measured where 28.1`, `… where 09_cures`."""

import argparse
import inspect
import re
from pathlib import Path

from tools import notebooks
from tools.measured import claims, figures, names, quoting, recordings, tables
from tools.measured.quoting import ROOT


def place(function):
    """File and line of a function: "tools/measured/lesson00/claims.py:41"."""
    code = inspect.unwrap(function).__code__
    return f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_firstlineno}"


def quotes():
    """{claim: places that quote it}; a place is a page, or a lesson and its cell."""
    found = {}
    for page in sorted(ROOT.glob("*.md")):
        for comment in quoting.COMMENT.finditer(page.read_text(encoding="utf-8")):
            found.setdefault(comment["id"], []).append(page.name)
    for path in notebooks.lessons():
        for cell in notebooks.read(path).cells:
            for comment in quoting.COMMENT.finditer(cell.source):
                found.setdefault(comment["id"], []).append(f"{path.name}, cell {cell.id}")
    return found


def about_claims(word):
    """Lines about the claims whose id or text has the word."""
    whole = re.compile(rf"(?<![\w.]){re.escape(word)}(?![\w.])")
    known, quoted = quoting.stored(), quotes()
    compute = {claim.id: claim.compute for claim in claims.registered()}
    for id, entry in known.items():
        if word in id or whole.search(entry["text"]):
            made = place(compute[id]) if id in compute else "the times of the book's lessons"
            yield f"claim {id}: {entry['text']}; {len(entry['seeds'])} seeds"
            yield f"    computed by {made}"
            yield f"    {head(entry)}"
            yield from (f"    quoted in {where}" for where in quoted.get(id, ["no prose"]))


def head(facts):
    """The circumstances of a stored result as one line."""
    return "{command} · {device}, {threads} threads, torch {torch}, {date}".format(**facts)


def about_studies(word):
    """Lines about the tables, fits and figures whose names have the word."""
    registers = {
        "table": {name: found.fill for name, found in tables.registered().items()},
        "fit": {name: found.make for name, found in recordings.registered().items()},
        "figure": figures.registered(),
    }
    for kind, known in registers.items():
        for name, function in known.items():
            if word in name:
                yield f"{kind} {name}: {inspect.getdoc(function).splitlines()[0]}"
                yield f"    made by {place(function)}"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured where", description=__doc__)
    parser.add_argument("word", help="a number as the prose has it, or a part of a name")
    word = parser.parse_args(arguments).word
    names.import_all()
    lines = [*about_claims(word), *about_studies(word)]
    print("\n".join(lines) or f"nothing that is stored has {word!r} in its text or its name")
    return 0 if lines else 1
