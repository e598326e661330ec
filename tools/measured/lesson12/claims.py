"""The numbers of lesson 12, from its stored tables: a seed is there a seed of the table."""

import numpy as np

from tools.measured.claims import claim, signed
from tools.measured.tables import rows


def raced(method, seed):
    """The row of one method on the face."""
    (row,) = rows("12_rivals", method=method, seed=seed)
    return row


def over_nlm(method, seed, column="best", kind=""):
    """What a method gains over non-local means on the same noisy photo, in dB."""
    return raced(method + kind, seed)[column] - raced("non-local means" + kind, seed)["best"]


def in_world(world, method, seed):
    """The same in a world in which an assumption may be wrong."""
    (row,) = rows("12_worlds", world=world, seed=seed)
    return row[method] - row["NLM"]


# ---- the race


@claim("lesson12-prior", text=signed, holds=lambda v: np.median(v) > 0 and max(v) < 0.6)
def prior(seed):
    return over_nlm("deep image prior", seed)


@claim("lesson12-prior-last", text=signed, holds=lambda v: max(v) < -0.5)
def prior_last(seed):
    return over_nlm("deep image prior", seed, "last")


@claim("lesson12-pairs", text=signed, holds=lambda v: max(v) < -0.4)
def pairs(seed):
    row = raced("zero-shot Noise2Noise", seed)
    assert row["best"] - row["last"] < 0.3, "it falls"
    return over_nlm("zero-shot Noise2Noise", seed)


@claim("lesson12-sure", text=signed, holds=lambda v: min(v) > 0.5)
def sure(seed):
    return over_nlm("SURE", seed, kind=", raw")


@claim("lesson12-sure-falls", unit="dB", holds=lambda v: min(v) > 1)
def sure_falls(seed):
    """What SURE loses after its best step on the file, where values were cut off."""
    raw = raced("SURE, raw", seed)
    assert raw["best"] - raw["last"] < 0.5, "it falls on raw, too"
    row = raced("SURE", seed)
    return row["best"] - row["last"]


@claim("lesson12-photos", text=signed, holds=lambda v: max(np.abs(v)) < 0.6)
def photos(seed):
    return over_nlm("three other photos", seed)


# ---- where each of them breaks


@claim("lesson12-smooth", text=signed, holds=lambda v: np.max(v) < -3)
def smooth(seed):
    """Pairs and SURE, beside non-local means, when neighbours share their noise."""
    return [in_world("smooth noise", method, seed) for method in ("pairs", "SURE")]


@claim("lesson12-strength", text=signed, holds=lambda v: np.max(v) < -0.5)
def strength(seed):
    """The network trained at σ = 25, at 10 and at 50."""
    return [in_world(world, "other photos", seed) for world in ("σ = 10", "σ = 50")]


@claim("lesson12-page", text=signed, holds=lambda v: max(v) < -1)
def on_a_page(seed):
    return in_world("a page", "other photos", seed)


# ---- salt and pepper


def salted(method, seed):
    (row,) = rows("12_salt", method=method, seed=seed)
    return row


@claim("lesson12-place", unit="dB", holds=lambda v: min(v) > 1)
def place(seed):
    """What the place for wrong pixels gains over the best median."""
    row = salted("prior, a place for wrong pixels", seed)
    assert row["best"] - row["last"] < 0.5, "it falls"
    return row["best"] - salted("median, best window", seed)["best"]


@claim("lesson12-holes", unit="dB", holds=lambda v: min(v) > 1)
def holes(seed):
    """What it gains to know that wrong pixels are black or white."""
    known = salted("black and white are holes", seed)["best"]
    return known - salted("prior, a place for wrong pixels", seed)["best"]
