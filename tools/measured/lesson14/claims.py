"""The numbers of lesson 14, from its stored tables: a seed is there a seed of the table."""

import numpy as np

from tools.measured.claims import claim, signed
from tools.measured.tables import rows

LIT = "network, z is the flash"


def count(values):
    """How many of all cases: "7 of 9"."""
    return f"{np.sum(values)} of {np.size(values)}"


@claim("lesson14-level", text=count, holds=lambda v: np.mean(v) > 0.5)
def level(seed):
    """Whether the judge cannot tell network and non-local means apart."""
    return [int(row["verdict"] == "level") for row in rows("14_judge", seed=seed)]


@claim("lesson14-flash-gain", unit="dB", holds=lambda v: np.min(v) > 1)
def gain(seed):
    """What the flash photo as z is worth, beside noise as z."""
    return [row[LIT] - row["network, z is noise"] for row in rows("14_flash", seed=seed)]


@claim("lesson14-flash-guided", text=signed, holds=lambda v: np.max(np.abs(v)) < 1)
def over_guided(seed):
    """The network with the flash photo, minus the guided filter that takes three colours."""
    return [row[LIT] - row["guided, three colours"] for row in rows("14_flash", seed=seed)]
