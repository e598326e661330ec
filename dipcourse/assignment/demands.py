"""What a test may ask of a result. If it is not met, an AssertionError says so."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dipcourse import check


def near(what: str, got: object, want: object, tol: float = 1e-4) -> None:
    """Demand that a result has the reference's shape and values.

    Args:
        what: words for it: "psnr of two greys".
        got: number, tensor or array. It is turned into plain numbers before it is compared.
        want: the reference.
        tol: the largest difference allowed between two values.

    Raises:
        AssertionError: says what came and what was expected.

    Built in assignment 1 (used).

    >>> near("the sum", torch.tensor(3.0), 4)
    Traceback (most recent call last):
    AssertionError: the sum: mine 3, reference 4, a difference of 1 (0.0001 allowed)
    """
    right, words = check.compare(got, want, tol)
    if not right:
        raise AssertionError(f"{what}: {words}")


def below(what: str, got: object, limit: float) -> None:
    """Demand that a number is finite and at most the limit; ``above`` is the other way round.

    Args:
        what: words for it.
        got: a number, or a tensor or array that holds one.
        limit: the largest value allowed.

    Raises:
        AssertionError: says what came and what was expected.

    Built in assignment 1 (used).

    >>> below("the error", 0.3, 0.2)
    Traceback (most recent call last):
    AssertionError: the error: 0.3, and at most 0.2 is asked for
    """
    value = number(what, got)
    if not value <= limit:
        raise AssertionError(f"{what}: {value:.4g}, and at most {limit:.4g} is asked for")


def above(what: str, got: object, limit: float) -> None:
    """Demand that a number is finite and at least the limit: see ``below``.

    Args:
        what, got: as there.
        limit: the smallest value allowed.

    Raises:
        AssertionError: says what came and what was expected.

    Built in assignment 1 (used).

    >>> above("the gain", 0.3, 0.2)
    """
    value = number(what, got)
    if not value >= limit:
        raise AssertionError(f"{what}: {value:.4g}, and at least {limit:.4g} is asked for")


def number(what: str, got: object) -> float:
    """The one finite number that a result holds.

    Args:
        what: words for it.
        got: a number, or a tensor or array that holds one.

    Returns:
        A float.

    Raises:
        AssertionError: it holds none, more than one, or NaN or infinity.

    Built in assignment 3 (used).

    >>> number("a", torch.tensor([[2.5]]))
    2.5
    """
    values = None if got is None else check.numbers(got)
    if values is None:
        raise AssertionError(f"{what} is {_kind(got)}, not a number{_return_hint(got)}")
    if values.size != 1:
        raise AssertionError(f"{what} has shape {values.shape}; one number is asked for")
    value = float(values.real.reshape(()))
    if not np.isfinite(value):
        raise AssertionError(f"{what} is {value}")
    return value


def whole(what: str, got: object, count: int) -> int:
    """Demand a whole number from 0 to count − 1, such as a step.

    Args:
        what: words for it.
        got: a number, or a tensor or array that holds one.
        count: how many numbers there are to choose from.

    Returns:
        An int.

    Raises:
        AssertionError: says what came and what was expected.

    Built in assignment 4 (used).

    >>> whole("the step", 7, 5)
    Traceback (most recent call last):
    AssertionError: the step: 7, and one of 0 … 4 is asked for
    """
    value = number(what, got)
    if value != int(value):
        raise AssertionError(f"{what}: {value:.4g}, and a whole number is asked for")
    if not 0 <= value < count:
        raise AssertionError(f"{what}: {value:.0f}, and one of 0 … {count - 1} is asked for")
    return int(value)


def is_array(what: str, got: object, shape: Sequence[int]) -> np.ndarray:
    """Demand a NumPy array of numbers.

    Args:
        what: words for it.
        got: the result.
        shape: the shape it must have.

    Returns:
        Its values, a float64 copy.

    Raises:
        AssertionError: another type, another shape, or no numbers in it.

    Built in assignment 4 (used).

    >>> is_array("the variances", [1, 2], (2,))
    Traceback (most recent call last):
    AssertionError: the variances: a NumPy array is asked for, and came a list
    """
    if not isinstance(got, np.ndarray):
        raise AssertionError(
            f"{what}: a NumPy array is asked for, and came {_kind(got)}{_return_hint(got)}"
        )
    values = check.numbers(got)
    if values is None:
        raise AssertionError(f"{what} does not hold numbers, but {got.dtype}")
    if values.shape != tuple(shape):
        raise AssertionError(
            f"{what}: the shape is {values.shape}, and {tuple(shape)} is asked for"
        )
    return np.array(values, dtype=np.float64)


def is_float(what: str, got: object) -> None:
    """Demand a Python float; NumPy's float64 is one.

    Args:
        what: words for it.
        got: the result.

    Raises:
        AssertionError: another type.

    Built in assignment 1 (used).

    >>> is_float("psnr", torch.tensor(1.0))
    Traceback (most recent call last):
    AssertionError: psnr: a float is asked for, and came a Tensor
    """
    if not isinstance(got, float):
        raise AssertionError(f"{what}: a float is asked for, and came {_kind(got)}")


def floats(what: str, got: object, count: int) -> list[float]:
    """Demand a list of finite Python floats.

    Args:
        what: words for it.
        got: the result.
        count: how many there must be.

    Returns:
        The same numbers in a new list.

    Raises:
        AssertionError: another type, another number of them, or another type of one of them.

    Built in assignment 2 (used).

    >>> floats("the losses", [0.5, torch.tensor(0.25)], 2)
    Traceback (most recent call last):
    AssertionError: the losses, number 1: a float is asked for, and came a Tensor
    """
    if not isinstance(got, list | tuple):
        raise AssertionError(
            f"{what}: a list of floats is asked for, and came {_kind(got)}{_return_hint(got)}"
        )
    if len(got) != count:
        raise AssertionError(f"{what}: {count} values are asked for, and came {len(got)}")
    for place, value in enumerate(got):
        is_float(f"{what}, number {place}", value)
    return [number(f"{what}, number {place}", value) for place, value in enumerate(got)]


def pair(what: str, got: object) -> list | tuple:
    """Demand two results, ``return first, second``.

    Args:
        what: words for them.
        got: what the function returned.

    Returns:
        The two, as they came.

    Raises:
        AssertionError: another type, or another number of results.

    Built in assignment 2 (used).

    >>> pair("my_network", None)
    Traceback (most recent call last):
    AssertionError: my_network: two results are asked for (return first, second), and came None
    """
    if not isinstance(got, list | tuple) or len(got) != 2:
        came = f"{len(got)}" if isinstance(got, list | tuple) else _kind(got)
        raise AssertionError(
            f"{what}: two results are asked for (return first, second), and came {came}"
        )
    return got


def is_tensor(
    what: str, got: object, shape: Sequence[int] | None = None, attached: bool | None = None
) -> torch.Tensor:
    """Demand a tensor, and say what else came.

    Args:
        what: words for it.
        got: the result.
        shape: the shape it must have. None: any.
        attached: True if gradients must flow through it, False if they must not. None: either.

    Returns:
        The values: a plain float32 tensor, a copy.

    Raises:
        AssertionError: another type, another shape, values that are not finite, attached or not.

    Built in assignment 1 (used).

    >>> is_tensor("the picture", [1, 2])
    Traceback (most recent call last):
    AssertionError: the picture: a tensor is asked for, and came a list
    """
    if not isinstance(got, torch.Tensor):
        raise AssertionError(
            f"{what}: a tensor is asked for, and came {_kind(got)}{_return_hint(got)}"
        )
    if shape is not None and tuple(got.shape) != tuple(shape):
        raise AssertionError(
            f"{what}: the shape is {tuple(got.shape)}, and {tuple(shape)} is asked for"
        )
    if attached is True and not got.requires_grad:
        raise AssertionError(
            f"{what} is cut off from its argument: no gradient flows (detach? .item()? no_grad?)"
        )
    if attached is False and got.requires_grad:
        raise AssertionError(f"{what} still hangs on the graph of gradients: detach it")
    values = torch.from_numpy(np.array(check.numbers(got), dtype=np.float32))
    if not torch.isfinite(values).all():
        raise AssertionError(f"{what} has values that are not finite (NaN or infinite)")
    return values


def refuses(what: str, call: Callable[[], object], error: type[Exception] = ValueError) -> None:
    """Demand that a call raises an error of this kind, and no other.

    Args:
        what: words for the call: "a mask without known pixels".
        call: a function without arguments that makes it.
        error: the class of the error.

    Raises:
        AssertionError: it raised none, or another one.

    Built in assignment 3 (used).

    >>> refuses("the number in 'three'", lambda: int("three"))
    >>> refuses("the number in '3'", lambda: int("3"))
    Traceback (most recent call last):
    AssertionError: the number in '3': a ValueError is asked for, and none was raised
    """
    try:
        call()
    except error:
        return
    except NotImplementedError:
        raise
    except Exception as other:
        came = f"{type(other).__name__}: {other}"
        raise AssertionError(f"{what}: a {error.__name__} is asked for, and came {came}") from None
    raise AssertionError(f"{what}: a {error.__name__} is asked for, and none was raised")


class unchanged:
    """A block that must leave values as they are: tensors, arrays, and lists of them.

    Args:
        name: what to call them in the message.
        values: what must not change.

    Raises:
        AssertionError: at the end of the block, if one has changed.

    Built in assignment 1 (used).

    >>> x = torch.zeros(2)
    >>> with unchanged("x", x):
    ...     x += 1
    Traceback (most recent call last):
    AssertionError: your function changes its argument x: work on a copy
    """

    def __init__(self, name: str, *values: object) -> None:
        self.name, self.values = name, values
        self.before = _copy([*values])

    def __enter__(self) -> "unchanged":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and not _same(self.before, _copy([*self.values])):
            raise AssertionError(f"your function changes its argument {self.name}: work on a copy")


def _copy(value: object) -> Any:
    """What tells whether a value changes: numbers, in lists as deep as they go."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return [_copy(part) for part in value]
    if isinstance(value, torch.nn.Module) and not [*value.parameters()]:  # an operator
        return [_copy(buffer) for buffer in value.buffers()]
    return value


def _same(before: Any, after: Any) -> bool:
    """Whether two copies agree; NaN agrees with NaN."""
    if type(before) is not type(after):
        return False
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, torch.Tensor | np.ndarray):
        agree = before.shape == after.shape and before.dtype == after.dtype
        return agree and bool(((before == after) | ((before != before) & (after != after))).all())
    return before is after or before == after


def _return_hint(got: object) -> str:
    """What is often behind a result of None."""
    return ": does your function end with return?" if got is None else ""


def _kind(value: object) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
