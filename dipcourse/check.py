"""Self-check for exercises: says what differs, and never stops Run All."""

from collections.abc import Callable

import numpy as np
import torch


def expect(
    name: str,
    got: object | Callable[..., object],
    *arguments: object,
    want: object,
    tol: float = 1e-4,
) -> None:
    """Compare your result with the reference and print one line about it.

    Args:
        name: what is checked, for the printed line.
        got: your function, or its result. What goes wrong in the function is reported, not raised.
        *arguments: what your function is called with.
        want: the reference: a number, bool, string, shape, tensor or array.
        tol: the largest difference allowed between two numbers (in their own unit).

    Returns:
        None.

    Built in lesson 00.

    >>> expect("the larger of 1 and 4", max, 1, 4, want=4)
    ✓ the larger of 1 and 4: right. mine 4, reference 4
    >>> expect("a shape", torch.zeros(2, 3), want=torch.zeros(3, 2))
    ✗ a shape: wrong. mine has shape (2, 3), the reference shape (3, 2)
    >>> def stub():
    ...     raise NotImplementedError
    >>> expect("your turn", stub, want=4)
    ☐ your turn: not written yet
    """
    try:
        mine = got(*arguments) if callable(got) else got
        right, words = compare(mine, want, tol)
    except NotImplementedError as error:
        print(f"☐ {name}: not written yet{f' ({_line(error)})' if str(error) else ''}")
    except (Exception, SystemExit) as error:
        print(f"✗ {name}: raised {type(error).__name__}: {_line(error)}")
    else:
        print(f"✓ {name}: right. {words}" if right else f"✗ {name}: wrong. {words}")


def compare(mine: object, want: object, tol: float) -> tuple[bool, str]:
    """Whether a result agrees with a reference, and a sentence that says why or why not.

    Args:
        mine: the result.
        want: the reference: a number, bool, string, shape, tensor or array.
        tol: the largest difference allowed between two numbers (in their own unit).

    Returns:
        (whether they agree, words about both).

    Built in lesson 00 (used).

    >>> compare(4.5, 4, tol=0.1)
    (False, 'mine 4.5, reference 4, a difference of 0.5 (0.1 allowed)')
    """
    if mine is None and want is not None:
        return False, "mine is None: does your function end with return?"
    a, b = numbers(mine), numbers(want)
    if b is None:
        same = type(mine) is type(want) and mine == want
        return same, f"mine {mine!r}, reference {want!r}"
    if a is None:
        return False, f"mine is a {type(mine).__name__}, the reference {_show(b)}"
    if a.shape != b.shape:
        return False, f"mine has {_shape(mine, a)}, the reference {_shape(want, b)}"
    if a.size == 0:
        return True, "both are empty"
    if np.isnan(a).sum() > np.isnan(b).sum():
        return False, f"mine has {np.isnan(a).sum()} NaN among {a.size} values"
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0, np.abs(a - b))
    gap[np.isnan(gap)] = np.inf
    worst = np.unravel_index(gap.argmax(), gap.shape)
    words = f"mine {_show(a[worst])}, reference {_show(b[worst])}"
    if a.ndim:
        words += f" at [{', '.join(str(i) for i in worst)}]"
    if gap[worst]:
        which = "the largest difference is" if a.size > 1 else "a difference of"
        words += f", {which} {gap[worst]:.3g} ({tol:g} allowed)"
    return bool(gap[worst] <= tol), words


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def numbers(value: object) -> np.ndarray | None:
    """The value as an array of numbers, or None if it is something else.

    Args:
        value: a number, a tensor, an array, or lists of numbers.

    Returns:
        Array of the value's shape: float64, or complex128 for complex numbers.

    Built in lesson 00 (used).

    >>> numbers(torch.tensor([1, 2])), numbers("two")
    (array([1., 2.]), None)
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().to(torch.complex128 if value.is_complex() else torch.float64)
        return value.numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal length
        return None
    if array.dtype.kind not in "biufc":
        return None
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _shape(value: object, array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"the single number {_show(array)}"
    if isinstance(value, tuple | list) and array.ndim == 1 and array.size <= 8:
        return f"{len(value)} values {tuple(value)}"
    return f"shape {array.shape}"


def _show(array: np.ndarray) -> str:
    if array.ndim:
        return f"has shape {array.shape}"
    return f"{array:.6g}" if abs(array) < 1e4 else f"{array:,.10g}"
