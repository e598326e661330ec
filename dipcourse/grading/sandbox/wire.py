"""What crosses between the grader and a submission: numbers and their shapes, never code.

A value is written as JSON with the bytes of its arrays behind it. Lists, numbers, arrays and
tensors arrive as what they were; of everything else the name of its type arrives. Nothing is
pickled, so reading a message runs nobody's code. Both processes use this module.
"""

import itertools
import json
import socket
import struct
from typing import Any, NamedTuple

import numpy as np
import torch

LARGEST = 256_000_000  # bytes of one message
DEEPEST = 20  # lists in lists


def name_of(dtype: torch.dtype) -> str:
    """The name of a type of numbers.

    >>> name_of(torch.float32)
    'float32'
    """
    return str(dtype).removeprefix("torch.")


DTYPES = {
    name_of(dtype): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
        *(torch.complex64, torch.complex128),
    )
}
HEAD = struct.Struct(">II")  # bytes of the JSON, of all


class Broken(BaseException):
    """The other process ended, or sent what is no message; ``except Exception`` misses it."""


class Message(NamedTuple):
    """What crosses at once.

    Attributes:
        head: JSON.
        blobs: the bytes of arrays.
    """

    head: dict[str, Any]
    blobs: list[Any]


def send(connection: socket.socket, message: Message) -> None:
    """Send a message; raises ``Broken`` if the other process is gone or the message too large."""
    sizes = [len(blob) for blob in message.blobs]
    head = json.dumps([message.head, sizes]).encode()
    if len(head) + sum(sizes) > LARGEST:
        raise Broken(f"more than {LARGEST // 1_000_000} MB at once")
    try:
        start = HEAD.pack(len(head), len(head) + sum(sizes))
        connection.sendall(b"".join([start, head, *message.blobs]))
    except OSError:
        raise Broken("the process has ended") from None


def receive(connection: socket.socket) -> Message:
    """Wait for a message; raises ``Broken`` for what is none."""
    length, total = HEAD.unpack(_read(connection, HEAD.size))
    if total > LARGEST:
        raise Broken(f"more than {LARGEST // 1_000_000} MB at once")
    body = _read(connection, total)
    try:
        head, sizes = json.loads(bytes(body[:length]))
        ends = [*itertools.accumulate(sizes, initial=length)]
        blobs = [body[start:end] for start, end in itertools.pairwise(ends)]
    except (TypeError, ValueError, RecursionError):
        raise Broken("what came is no message") from None
    if not isinstance(head, dict) or ends[-1] != total or min(sizes, default=0) < 0:
        raise Broken("what came is no message")
    return Message(head, blobs)


def _read(connection: socket.socket, size: int) -> memoryview:
    body = memoryview(bytearray(size))
    place = 0
    while place < size:
        try:
            count = connection.recv_into(body[place:])
        except OSError:
            count = 0
        if not count:
            raise Broken("the process has ended")
        place += count
    return body


def tensor_parts(tensor: torch.Tensor) -> tuple[list[Any], bytes]:
    """What tells a tensor's values: [name of its type, shape], and bytes."""
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    numbers = plain.view(torch.int16) if plain.dtype is torch.bfloat16 else plain
    return [name_of(plain.dtype), [*plain.shape]], numbers.numpy().tobytes()


def tensor_of(parts: list[Any], blob: Any) -> torch.Tensor:
    """The tensor that ``tensor_parts`` took apart; raises ``Broken`` if they do not fit."""
    try:
        name, shape = parts
        if not len(blob):
            return _empty(name, shape)
        values = torch.empty(len(blob), dtype=torch.uint8)  # in memory that is aligned
        values.copy_(torch.frombuffer(blob, dtype=torch.uint8))
        return values.view(DTYPES[name]).reshape(shape)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise Broken("a tensor whose shape and values do not fit") from None


def _empty(name: str, shape: list[int]) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=DTYPES[name])
    if tensor.numel():
        raise ValueError("values are missing")
    return tensor


def array_parts(array: np.ndarray) -> tuple[list[Any], bytes]:
    """The same of a NumPy array."""
    return [array.dtype.str, [*array.shape]], np.ascontiguousarray(array).tobytes()


def array_of(parts: list[Any], blob: Any) -> np.ndarray:
    """The array that ``array_parts`` took apart; raises ``Broken`` if they do not fit."""
    try:
        dtype, shape = np.dtype(parts[0]), parts[1]
        if dtype.kind not in "biufc":
            raise ValueError("not numbers")
        return np.frombuffer(blob, dtype=dtype).reshape(shape).copy()
    except (IndexError, TypeError, ValueError):
        raise Broken("an array whose shape and values do not fit") from None


def is_plain_tensor(value: object) -> bool:
    """Whether a value is a tensor whose numbers can cross: no subclass, not sparse."""
    return (
        type(value) in (torch.Tensor, torch.nn.Parameter)
        and isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and name_of(value.dtype) in DTYPES
    )
