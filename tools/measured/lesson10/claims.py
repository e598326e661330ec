"""The numbers of lesson 10: what the prior gains behind operators that are no photo's.

All read the lesson's stored tables; a seed is there a seed of the table.
"""

import numpy as np

from tools.measured.claims import claim, signed
from tools.measured.tables import rows


def row(name, seed, **where):
    """The row of a stored table with this seed and these values."""
    (found,) = rows(name, seed=seed, **where)
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


PHOTOS = "face", "coins"


@claim("lesson10-photos", text=signed, holds=lambda v: np.min(v) < -1 and np.max(v) > 1)
def photos(seed):
    """What the network gains over TV in the scanner, for both photos."""
    return [gain(row("10_scanner", seed, picture=photo)) for photo in PHOTOS]


@claim("lesson10-both", text=signed, holds=lambda v: np.min(v) > -0.5 and np.median(v) > 0.5)
def both(seed):
    """What the network with TV gains over TV in the scanner, for all three pictures."""
    pictures = ("phantom", *PHOTOS)
    return [gain(row("10_scanner", seed, picture=p), "network + TV") for p in pictures]


@claim("lesson10-shadows", text=signed, holds=lambda v: np.median(v) < 0)
def shadows(seed):
    """What the network gains over TV, for both pictures."""
    pictures = "phantom", "face"
    return [gain(row("10_others", seed, measured="shadows", picture=p)) for p in pictures]


@claim("lesson10-blur", text=signed, holds=lambda v: max(v) < -0.5)
def blur(seed):
    return gain(row("10_others", seed, measured="blur", picture="camera"))


@claim("lesson10-wrong", text=signed, holds=lambda v: max(v) < -1)
def wrong(seed):
    """What the network gains, which is a loss, when it is told a wrong kernel."""
    blurred = row("10_others", seed, measured="blur", picture="camera")
    return blurred["wrong kernel"] - blurred["network"]
