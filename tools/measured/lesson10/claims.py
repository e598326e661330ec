"""The numbers of lesson 10: what the prior gains behind operators that are no photo's.

All read the lesson's stored tables; a seed is there a seed of the table.
"""

from dipcourse import recordings
from tools.measured.claims import claim, signed


def row(name, seed, **where):
    """The row of a stored table with this seed and these values."""
    wanted = where | {"seed": seed}
    (found,) = [
        row
        for row in recordings.table(name)["rows"]
        if all(row[key] == value for key, value in wanted.items())
    ]
    return found


def gain(row, method="network"):
    """What a method gains over TV at its best weight, in dB."""
    return row[method] - row["TV"]


@claim("lesson10-zero-filled", lambda v: max(v) < 25, unit="dB")
def zero_filled(seed):
    return row("10_scanner", seed, picture="phantom")["zero-filled"]


@claim("lesson10-tv", lambda v: min(v) > 35, unit="dB")
def tv(seed):
    return row("10_scanner", seed, picture="phantom")["TV"]


@claim("lesson10-network", lambda v: min(v) > 38, unit="dB")
def network(seed):
    phantom = row("10_scanner", seed, picture="phantom")
    assert gain(phantom) > 0.5, "the network does not win clearly"
    return phantom["network"]
