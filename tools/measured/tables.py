"""Tables of results that are kept, for the lessons that show them.

    from tools.measured.tables import table

    @table("04_widths", key=("width", "seed"))
    def widths(table):
        \"\"\"How wide the network is, three seeds.\"\"\"
        for width, seed in product((8, 32, 128), range(3)):
            if not table.has(width=width, seed=seed):
                table.add({"width": width, "seed": seed, "PSNR": measure(width, seed)})

`python -m tools.measured tables 04_widths` measures what the stored table lacks and prints it; the
lesson shows ``recordings.table("04_widths")``. Each row is stored at once, in place of an older one
with the same key, so that a measurement that was interrupted can go on. To measure a table anew,
delete its file first.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dipcourse import recordings
from tools.measured import circumstances, names

#: where the results lie that no lesson shows
STORED = Path(__file__).parent / "stored"

_registered: dict[str, "Measurement"] = {}


@dataclass(frozen=True)
class Measurement:
    """A table to measure: its name, what makes a row unique, and the function that fills it."""

    name: str
    key: tuple[str, ...]
    fill: Callable

    @property
    def shows(self):
        return (self.fill.__doc__ or "").partition("\n")[0]


def table(name, key):
    """Register the decorated function of a Table under the table's name."""
    names.check(name, _registered)

    def register(fill):
        _registered[name] = Measurement(name, key, fill)
        return fill

    return register


def registered():
    """Import the measurements of all lessons and return their tables, {name: Measurement}."""
    names.import_all()
    return dict(sorted(_registered.items()))


def rows(name, **where):
    """The rows of a stored table that have these values."""
    stored = recordings.table(name)["rows"]
    return [row for row in stored if all(row[k] == v for k, v in where.items())]


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
        self.about = circumstances.now()
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

    def fill(self, cases, measure):
        """Measure and store the rows that are not there yet.

        Args:
            cases: the values of the key's columns, one tuple a row.
            measure: function of these values that returns the row.
        """
        for case in cases:
            if not self.has(**dict(zip(self.key, case, strict=True))):
                self.add(measure(*case))
                short = {k: v for k, v in self.rows[-1].items() if not isinstance(v, list)}
                print(*short.values(), flush=True)

    def __str__(self):
        return recordings.text({"rows": self.rows})


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured tables", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME", help="none: list the tables")
    wanted, known = parser.parse_args(arguments).names, registered()
    if unknown := set(wanted) - set(known):
        parser.error(f"no such table: {', '.join(sorted(unknown))}; see the list without names")
    for name in wanted:
        rows = Table(name, known[name].key)
        known[name].fill(rows)
        print(rows)
    if not wanted:
        for name, found in known.items():
            print(f"{name}: {found.shows}")
