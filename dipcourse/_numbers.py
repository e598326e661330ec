"""Numbers that people give: whole ones in a range, and single ones of any kind."""

import operator
from typing import SupportsFloat, SupportsIndex


def whole(
    name: str,
    value: object,
    low: int | None = None,
    high: int | None = None,
    unit: str = "",
) -> int:
    """Return value as an int if it is a whole number in its range, else raise ValueError.

    Args:
        name: what to call it in the message.
        value: an int or an integer of NumPy; a boolean is none.
        low, high: the smallest and the largest number that are allowed; None: no bound (a high
            one needs a low one).
        unit: what stands behind the number in the message, such as " pixels".

    Returns:
        int.

    Raises:
        ValueError: no whole number, or out of range.

    Built in lesson 00 (used).

    >>> whole("size", 64, low=8)
    64
    """
    number = _index(value)
    if number is None or not _is_between(low, number, high):
        span = f" of at least {low}" if high is None else f" from {low} to {high}"
        span = "" if low is None else span
        raise ValueError(f"{name}={value!r}: use a whole number{span}{unit}")
    return number


def _index(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    try:
        return operator.index(value)
    except TypeError:  # an array of several, or of floats
        return None


def _is_between(low: int | None, number: int, high: int | None) -> bool:
    return (low is None or low <= number) and (high is None or number <= high)


def as_float(value: object) -> float:
    """value as a float, or NaN, which is in no range, if it is no single number.

    Args:
        value: an int, a float, a number of NumPy or a tensor of one value; a boolean is none.

    Returns:
        A float.

    Built in lesson 00 (used).

    >>> as_float("25"), 0 <= as_float("25") <= 1
    (nan, False)
    """
    if isinstance(value, bool) or not isinstance(value, SupportsFloat | SupportsIndex):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # torch raises the last for many values
        return float("nan")
