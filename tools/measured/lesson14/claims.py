"""The numbers of lesson 14, from its stored tables: a seed is there a seed of the table."""

import numpy as np

from dipcourse import recordings
from tools.measured.claims import claim, signed, spread

LIT = "network, z is the flash"
BY_COLOUR = "guided, three colours"


def rows(name, seed):
    return [row for row in recordings.table(name)["rows"] if row["seed"] == seed]


def flat(values):
    return [v for row in values for v in row]


def count(values):
    """How many of all cases: "7 of 9"."""
    return f"{sum(flat(values))} of {len(flat(values))}"


def in_decibels(values):
    return spread(flat(values), "dB")


@claim("lesson14-level", text=count, holds=lambda v: sum(flat(v)) > len(flat(v)) / 2)
def level(seed):
    """Whether the judge cannot tell network and non-local means apart."""
    return [int(row["verdict"] == "level") for row in rows("14_judge", seed)]


@claim("lesson14-flash-gain", text=in_decibels, holds=lambda v: min(flat(v)) > 1)
def gain(seed):
    """What the flash photo as z is worth, beside noise as z."""
    return [row[LIT] - row["network, z is noise"] for row in rows("14_flash", seed)]


@claim("lesson14-flash-guided", text=signed, holds=lambda v: max(np.abs(flat(v))) < 1)
def over_guided(seed):
    """The network with the flash photo, minus the guided filter that takes three colours."""
    return [row[LIT] - row[BY_COLOUR] for row in rows("14_flash", seed)]
