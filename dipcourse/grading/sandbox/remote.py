"""A function or network of the other process, called as if it were here.

Arguments and results cross as numbers; what a function changes in its arguments is changed here as
well; gradients cross in both directions. A network stays where it was made: the other process gets
parameters and buffers of the same names, and each call of it is a call of the original.

Both processes are peers. While one waits for an answer, it serves the calls of the other.
"""

import contextlib
import inspect
import keyword
import math
import pickle
import random
import socket
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from . import wire
from .wire import Broken

LONGEST = 2000  # characters of an error's words
MOST = 20_000  # graphs and functions that are kept for the other process
PARAMETER_KINDS = {kind.name: kind for kind in inspect._ParameterKind}
ERRORS = {
    name: kind
    for name, kind in vars(__import__("builtins")).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
} | {"SystemExit": SystemExit}


@contextlib.contextmanager
def believed(what: str) -> Iterator[None]:
    """A block that reads what came: if that does not fit, ``Broken`` says what it is."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError):
        raise Broken(what) from None


class Peer:
    """One end of a connection.

    Args:
        connection: a socket of which the other process has the other end.
        lookup: returns what a name stands for, when the other process calls it by name.
        names: returns {name: function} that stand in the other process while it works on a call.
        where: says where an error arose, in words.
        known: whether the other process has the classes of a network; then it gets a copy, which is
            fast, and what it learns comes back.
        trusting: whether to take such copies. The grader does not.
    """

    def __init__(
        self,
        connection: socket.socket,
        lookup: Callable[[str], Any],
        names: Callable[[], dict[str, Any]] = dict,
        where: Callable[[BaseException], str] = lambda error: "",
        known: Callable[[nn.Module], bool] = lambda module: False,
        trusting: bool = False,
    ) -> None:
        self.connection, self.lookup, self.names, self.where = connection, lookup, names, where
        self.known, self.trusting = known, trusting
        self.handlers: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.owned: dict[int, Any] = {}
        self.graphs: dict[int, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
        self.errors: dict[int, BaseException] = {}
        self.released: list[int] = []
        self.mirrors: weakref.WeakSet[RemoteModule] = weakref.WeakSet()
        self.known_there: dict[tuple[int, str], Any] = {}
        self.streams: Streams | None = None  # as last told, by whichever of the two
        self.strayed = False  # whether ours may have moved since then, untold
        self.last = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "Peer":
        return self

    # ---- asking

    def ask(self, do: str, **request: Any) -> Any:
        """Send a request that is JSON, and return the answer, which is JSON too."""
        answer = self._answer(wire.Message({"do": do, **request}, []))
        with believed("an answer that is none"):
            return answer.head["value"]

    def call(
        self,
        target: dict[str, Any],
        values: tuple[Any, ...],
        named: dict[str, Any],
        module: "nn.Module | None" = None,
    ) -> Any:
        """Call a function of the other process.

        Args:
            target: {"name": …} or {"handle": …}.
            values, named: its arguments.
            module: the parameters and buffers to call it with, if it is a network.

        Returns:
            What it returns.

        Raises:
            Whatever it raises, if that is one of Python's own errors; else a RuntimeError.
        """
        if len(values) == 1 and not named and _is_traced(values[0]):
            once = Once(lambda x: self.call(target, (x,), {}, module))
            return Traced.apply(once, values[0])
        sent = Parcel(self)
        request = {
            "do": "call",
            "target": target,
            "values": sent.pack([*values]),
            "named": sent.pack(named),
            "names": {name: self._own(value) for name, value in self.names().items()},
            "random": sent.random(),
            "gradients": torch.is_grad_enabled(),
            "learnt": sent.learnt(getattr(module, "_handle", None)),
            "state": sent.state(module) if module else None,
            "tensors": sent.tensors,
        }
        answer = self._answer(wire.Message(request, sent.blobs))
        inputs = [*_inputs(sent.things), *(_learning(module) if module else ())]
        with believed("an answer that is none"):
            got = Arrivals(self, answer, sent.things)
            if answer.head["slopes"] is not None:
                got.attach_slopes(answer.head["slopes"], inputs)
            if answer.head["graph"] is not None:
                got.attach(Link(self, int(answer.head["graph"])), inputs)
            got.set_random(answer.head["random"])
            torch.set_grad_enabled(bool(answer.head["gradients"]))
            if module:
                got.load_state(module, answer.head["state"])
            for place, change in answer.head["changes"]:
                got.change(sent.things[place], change)
            return got.unpack(answer.head["value"])

    def gradients(self, graph: int, outputs: list[torch.Tensor | None]) -> list[Any]:
        """The gradients of a call's inputs, from those of its outputs."""
        sent = Parcel(self)
        packed = [sent.pack(output) for output in outputs]
        request = {"do": "gradients", "graph": graph, "outputs": packed, "tensors": sent.tensors}
        answer = self._answer(wire.Message(request, sent.blobs))
        with believed("gradients that are none"):
            got = Arrivals(self, answer, [])
            return [got.unpack(one) for one in answer.head["value"]]

    def forget(self) -> None:
        """Keep nothing for the other process any longer: its functions and graphs are done with."""
        for kept in (self.owned, self.graphs, self.errors):
            kept.clear()

    def _answer(self, message: wire.Message) -> wire.Message:
        """Send a request; serve the other process until its answer is there."""
        message.head["released"], self.released = self.released, []
        wire.send(self.connection, message)
        while True:
            answer = wire.receive(self.connection)
            if "do" not in answer.head:
                break
            self.serve(answer)
        if answer.head.get("error") is not None:
            raise self._error(answer.head["error"])
        return answer

    def _error(self, said: dict[str, Any]) -> BaseException:
        """The error that the other process tells of."""
        with believed("an error that says nothing"):
            if said["yours"] in self.errors:
                return self.errors[said["yours"]]
            text, where, token = str(said["text"]), str(said["where"]), int(said["token"])
            kinds = [ERRORS[name] for name in said["kinds"] if name in ERRORS] + [RuntimeError]
        for kind in kinds:
            try:
                error = kind(text)
            except TypeError:  # UnicodeDecodeError and the like want more
                continue
            error.origin = self, token, where  # type: ignore[union-attr]
            return error
        raise Broken("an error that says nothing")

    # ---- serving

    def serve(self, message: wire.Message) -> None:
        """Do what the other process asks for, and answer."""
        try:
            answer = self._done(message)
        except Broken:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self.strayed = True
            answer = wire.Message({"error": self._told(error)}, [])
        wire.send(self.connection, answer)

    def _done(self, message: wire.Message) -> wire.Message:
        head = message.head
        for graph in head.get("released", ()):
            self.graphs.pop(graph, None)
        if head["do"] == "call":
            return self._called(message)
        if head["do"] == "gradients":
            inputs, outputs = self.graphs[head["graph"]]
            got, sent = Arrivals(self, message, []), Parcel(self)
            given = [got.unpack(one) for one in head["outputs"]]
            pairs = [pair for pair in zip(outputs, given, strict=True) if pair[1] is not None]
            found: Any = [None] * len(inputs)
            if inputs and pairs:
                ends, starts = zip(*pairs, strict=True)
                options = {"retain_graph": True, "allow_unused": True}
                found = torch.autograd.grad(ends, inputs, starts, **options)
            packed = [sent.pack(None if one is None else one.detach()) for one in found]
            return wire.Message({"value": packed, "tensors": sent.tensors}, sent.blobs)
        if head["do"] in self.handlers:
            self.strayed = True
            return wire.Message({"value": self.handlers[head["do"]](head)}, [])
        raise Broken("a request that nobody knows")

    def _called(self, message: wire.Message) -> wire.Message:
        head, got = message.head, Arrivals(self, message, [])
        values, named = got.unpack(head["values"]), got.unpack(head["named"])
        target = head["target"]
        function = self.lookup(target["name"]) if "name" in target else self.owned[target["handle"]]
        module = function if head["state"] and isinstance(function, nn.Module) else None
        for handle, state in head["learnt"]:
            got.load_state(self.owned[handle], state)
        if module:
            got.load_state(module, head["state"])
        moments = _moments(module) if module else []
        for name, handle in head["names"].items():
            head["names"][name] = RemoteFunction(self, {"handle": handle}, name, None)
        before = got.snapshot()
        got.set_random(head["random"])
        with torch.set_grad_enabled(bool(head["gradients"])), self.standing(head["names"]):
            result = function(*values, **named)
            left_on = torch.is_grad_enabled()
        sent = Parcel(self, got.things)
        answer = {"value": sent.pack(result)}
        ends = sent.attached
        answer["changes"] = [*sent.changes(got.things, before)]
        answer["state"] = sent.state(module, learnt=False, since=moments) if module else None
        answer["random"], answer["gradients"] = sent.random(), left_on
        answer["graph"] = answer["slopes"] = None
        if ends:
            inputs = [*_inputs(got.things), *(_learning(module) if module else ())]
            answer["slopes"] = sent.slopes(ends, inputs)
        if ends and answer["slopes"] is None:
            answer["graph"] = self._kept(self.graphs)
            self.graphs[self.last] = inputs, ends
        answer["tensors"] = sent.tensors
        return wire.Message(answer, sent.blobs)

    def standing(self, names: dict[str, Any]) -> Any:
        """A block in which names stand for functions of the other process; see ``inside``."""
        return contextlib.nullcontext()

    def _told(self, error: BaseException) -> dict[str, Any]:
        """An error as JSON: its names, its words, where it arose."""
        peer, token, _ = getattr(error, "origin", (None, None, ""))
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        try:
            text = str(error)[:LONGEST]
        except Exception:
            text = ""
        self.errors[self._kept(self.errors)] = error
        told = {"kinds": kinds, "text": text, "where": self.where(error)[:LONGEST]}
        return told | {"token": self.last, "yours": token if peer is self else None}

    # ---- what is kept for the other process

    def _kept(self, kept: dict[int, Any]) -> int:
        """The next number; there is an end to what one process keeps for the other."""
        if len(kept) >= MOST:
            raise Broken(f"more than {MOST} calls whose results are all kept")
        self.last += 1
        return self.last

    def knows(self, module: "RemoteModule", group: str) -> bool:
        """Whether its owner knows a network as it is here; from now on it does.

        Parameters are compared by their values, since an optimiser of one's own may write into
        ``data``; buffers, which can be large and seldom change, by how often they were changed.
        """
        key = module._handle, group
        before, moments = self.known_there.get(key), (id(module), _moments(module))
        if group == "buffers":
            self.known_there[key] = moments
            return moments == before
        self.known_there[key] = now = _flat(module, group)
        return before is not None and _all_equal(before, now)

    def _own(self, value: Any) -> int:
        """The number by which the other process knows a function or a network."""
        for handle, owned in self.owned.items():
            if owned is value:
                return handle
        self.owned[self._kept(self.owned)] = value
        return self.last


class Link:
    """Ties results of a call to the graph of gradients in the other process, freed with it.

    Attributes:
        peer, graph: where the graph is, and its number.
        outputs: the results.
    """

    def __init__(self, peer: Peer, graph: int) -> None:
        self.peer, self.graph = peer, graph
        self.outputs: list[torch.Tensor] = []

    def __del__(self) -> None:
        self.peer.released.append(self.graph)


class Crossing(torch.autograd.Function):
    """Where gradients pass from one process to the other."""

    @staticmethod
    def forward(ctx: Any, link: Link, anchor: torch.Tensor, *inputs: torch.Tensor) -> Any:
        ctx.link, outputs = link, tuple(link.outputs)
        ctx.set_materialize_grads(False)
        link.outputs.clear()
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: torch.Tensor | None) -> Any:
        return None, None, *ctx.link.peer.gradients(ctx.link.graph, [*outputs])


class Sloping(torch.autograd.Function):
    """A number of the other process whose gradients came with it."""

    @staticmethod
    def forward(
        ctx: Any,
        number: torch.Tensor,
        slopes: list[torch.Tensor | None],
        anchor: torch.Tensor,
        *inputs: torch.Tensor,
    ) -> Any:
        ctx.slopes = slopes
        return number.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        found = [None if slope is None else gradient * slope for slope in ctx.slopes]
        return None, None, None, *found


class Once:
    """A call of the other process, and its graph of gradients, for ``Traced``."""

    def __init__(self, call: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.call = call

    def run(self, x: torch.Tensor) -> torch.Tensor:
        """The result for an input."""
        self.x = x.detach().requires_grad_()
        with torch.enable_grad():
            self.result = self.call(self.x)
        return self.result.detach()

    def back(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient at that input."""
        return torch.autograd.grad(self.result, self.x, gradient, retain_graph=True)[0]


class Traced(torch.autograd.Function):
    """An operator of the other process under ``torch.func.vjp``, which wraps tensors of its own."""

    @staticmethod
    def forward(once: Once, x: torch.Tensor) -> torch.Tensor:
        return once.run(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.once = inputs[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return None, ctx.once.back(gradient)


class RemoteFunction:
    """A function or class of the other process.

    Args:
        peer: the connection.
        target: what to call: {"name": …} or {"handle": …}.
        name: its name.
        parameters: [name, kind, whether there is a default] of each, if known.
    """

    def __init__(
        self, peer: Peer, target: dict[str, Any], name: str, parameters: list[Any] | None
    ) -> None:
        self.peer, self.target, self.__name__ = peer, target, name
        if parameters is not None:
            self.__signature__ = _signature(parameters)

    def __call__(self, *values: Any, **named: Any) -> Any:
        return self.peer.call(self.target, values, named)


class RemoteModule(nn.Module):
    """A network or operator of the other process, with parameters and buffers of the same names."""

    def __init__(self, peer: Peer, handle: int) -> None:
        super().__init__()
        self._peer, self._handle = peer, handle
        peer.mirrors.add(self)

    def forward(self, *values: Any, **named: Any) -> Any:
        return self._peer.call({"handle": self._handle}, values, named, module=self)


class Parcel:
    """Values on their way out.

    Args:
        peer: the connection.
        known: what came with the call that is being answered: it can go back by its place.

    Attributes:
        tensors, blobs: the tables of a message.
        things: what can be changed, by place.
        attached: the tensors through which gradients flow.
    """

    def __init__(self, peer: Peer, known: list[Any] | None = None) -> None:
        self.peer, self.known = peer, known
        self.tensors: list[Any] = []
        self.blobs: list[bytes] = []
        self.things: list[Any] = []
        self.attached: list[torch.Tensor] = []

    def pack(self, value: Any, depth: int = 0) -> Any:
        """A value as JSON."""
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if depth > wire.DEEPEST:
            return {"foreign": kind.__name__}
        if (same := self._same(value)) is not None:
            return same
        if kind in (tuple, torch.Size):
            return {"tuple": [self.pack(part, depth + 1) for part in value]}
        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return {"scalar": self._array(np.asarray(value))}
        if isinstance(value, torch.dtype):
            return {"dtype": wire.name_of(value)}
        place = self._place(value)
        packed: dict[str, Any] | None = None
        if kind is list:
            packed = {"list": [self.pack(part, depth + 1) for part in value]}
        elif kind is dict:
            parts = [[self.pack(part, depth + 1) for part in pair] for pair in value.items()]
            packed = {"dict": parts}
        elif kind is np.ndarray and value.dtype.kind in "biufc":
            packed = {"array": self._array(value)}
        elif wire.is_plain_tensor(value):
            packed = {"tensor": self.tensor(value)}
        elif kind is torch.Generator:
            packed = {"generator": self.tensor(value.get_state())}
        elif isinstance(value, RemoteModule):
            packed = {"yours": value._handle, "state": self.state(value)}
        elif isinstance(value, nn.Module) and self.peer.known(value):
            copied = self._blob(pickle.dumps(value))
            packed = {"copy": copied, "gradients": self._gradients(value)}
        elif isinstance(value, nn.Module):
            packed = {"module": self._module(value), "gradients": self._gradients(value)}
        elif isinstance(value, RemoteFunction) and "handle" in value.target:
            packed = {"yours": value.target["handle"]}
        elif callable(value):
            packed = {"function": self.peer._own(value), "kind": kind.__name__}
        if packed is None:
            self.things.pop()
            return {"foreign": kind.__name__}
        return packed | {"place": place}

    def tensor(self, value: torch.Tensor) -> int:
        """The place of a tensor in the table."""
        parts, blob = wire.tensor_parts(value)
        self.tensors.append([parts, self._blob(blob), value.requires_grad])
        if value.requires_grad:
            self.attached.append(value)
        return len(self.tensors) - 1

    def random(self) -> dict[str, Any] | None:
        """Where the streams of random numbers are; None, if the other process was told before."""
        streams = Streams.now()
        if streams == self.peer.streams:
            return None
        self.peer.streams = streams
        (keys, *rest), (kind, ours, next_gauss) = streams.numpy, streams.python
        return {
            "torch": self._blob(streams.torch),
            "numpy": [self._blob(keys), *rest],
            "python": [kind, self._array(np.array(ours, dtype=np.int64)), next_gauss],
        }

    def slopes(
        self, ends: list[torch.Tensor], inputs: list[torch.Tensor]
    ) -> list[int | None] | None:
        """The gradients of a result that is one number: each step of a fit asks once less.

        None, if there is another result, or if its gradient cannot be had.
        """
        if len(ends) != 1 or ends[0].numel() != 1 or ends[0].is_complex():
            return None
        found: Any = ()
        try:
            if inputs:
                end = ends[0].sum()
                found = torch.autograd.grad(end, inputs, retain_graph=True, allow_unused=True)
        except Exception:  # it is raised again when the other process asks
            return None
        return [None if one is None else self.tensor(one) for one in found]

    def state(
        self, module: nn.Module, learnt: bool = True, since: list[int] | None = None
    ) -> dict[str, Any]:
        """What a network is made of now, as far as the other process does not know it.

        Args:
            module: the network.
            learnt: whether its parameters are wanted.
            since: its buffers are not, if they are as they were then.
        """
        state: dict[str, Any] = {"training": module.training, "parameters": None, "buffers": None}
        if learnt:
            state["learning"] = [parameter.requires_grad for parameter in module.parameters()]
            state["parameters"] = self._group(module, "parameters")
        if since is None or since != _moments(module):
            state["buffers"] = self._group(module, "buffers")
        return state

    def _group(self, module: nn.Module, group: str) -> dict[str, Any] | None:
        """The parameters or buffers of a network, all values of a type in one tensor.

        None, if it is the other process's network and has what was sent or came last.
        """
        if isinstance(module, RemoteModule) and self.peer.knows(module, group):
            return None
        now = _flat(module, group)
        types = [wire.name_of(value.dtype) for value in _values(module, group)]
        return {
            "types": types,
            "values": {str(kind): self.tensor(one) for kind, one in now.items()},
        }

    def learnt(self, apart: int | None) -> list[list[Any]]:
        """[handle, state] of networks of the other process that were changed in this one."""
        mirrors = [one for one in self.peer.mirrors if one._handle != apart]
        states = [(one._handle, self.state(one)) for one in mirrors]
        return [
            [handle, state] for handle, state in states if state["parameters"] or state["buffers"]
        ]

    def changes(self, things: list[Any], before: list[Any]) -> Iterator[list[Any]]:
        """[place, what it is now] of all that a call has changed."""
        for place, (thing, was) in enumerate(zip(things, before, strict=True)):
            if isinstance(thing, list | dict):
                parts, old = ([*_parts(one)] for one in (thing, was))
                same = len(parts) == len(old) and all(
                    a is b for a, b in zip(parts, old, strict=True)
                )
                if not same:
                    self.known = [None if one is thing else one for one in things]
                    yield [place, self.pack(thing)]
                    self.known = things
            elif isinstance(thing, np.ndarray):
                if not np.array_equal(thing, was, equal_nan=thing.dtype.kind in "fc"):
                    yield [place, {"array": self._array(thing)}]
            elif isinstance(thing, torch.Tensor):
                values, attached, gradient = was
                if not _equal(thing.detach(), values):
                    yield [place, {"values": self.tensor(thing.detach())}]
                if thing.requires_grad != attached:
                    yield [place, {"attached": thing.requires_grad}]
                if thing.is_leaf and thing.grad is not None and thing.grad is not gradient:
                    yield [place, {"gradient": self.tensor(thing.grad.detach())}]
            elif isinstance(thing, torch.Generator):
                yield [place, {"generator": self.tensor(thing.get_state())}]
            elif isinstance(thing, nn.Module):
                mine = any(thing is one for one in self.peer.owned.values())
                gradients = None if mine else self._gradients(thing)
                yield [place, {"state": self.state(thing), "gradients": gradients}]

    def _gradients(self, module: nn.Module) -> list[int | None]:
        found = [parameter.grad for parameter in module.parameters()]
        return [None if grad is None else self.tensor(grad.detach()) for grad in found]

    def _module(self, module: nn.Module) -> dict[str, Any]:
        plain = (bool, int, float, str, type(None))
        attributes = {
            name: value
            for name in dir(module)
            if not name.startswith("_") and not hasattr(nn.Module, name) and name != "training"
            if type(value := getattr(module, name, ...)) in plain
        }
        shapes = {
            "parameters": {n: _shape(p) for n, p in module.named_parameters()},
            "buffers": {n: _shape(b) for n, b in module.named_buffers()},
        }
        handle, kind, state = self.peer._own(module), type(module).__name__, self.state(module)
        return {"handle": handle, "kind": kind, "attributes": attributes, "state": state} | shapes

    def _same(self, value: Any) -> dict[str, Any] | None:
        """The place of an argument that is sent back, or of one that shares its memory."""
        for place, thing in enumerate(self.known or ()):
            if thing is None:
                continue
            if thing is value:
                return {"same": place, "attached": True}
            both = isinstance(thing, torch.Tensor) and wire.is_plain_tensor(value)
            if both and not value.requires_grad and _where(value) == _where(thing):
                return {"same": place, "attached": False}
        return None

    def _place(self, value: Any) -> int:
        self.things.append(value)
        return len(self.things) - 1

    def _array(self, value: np.ndarray) -> list[Any]:
        parts, blob = wire.array_parts(value)
        return [parts, self._blob(blob)]

    def _blob(self, blob: bytes) -> int:
        self.blobs.append(blob)
        return len(self.blobs) - 1


class Arrivals:
    """Values on their way in.

    Args:
        peer: the connection.
        message: where they are.
        known: what was sent with the call whose answer this is.

    Attributes:
        things: what can be changed, by place.
    """

    def __init__(self, peer: Peer, message: wire.Message, known: list[Any]) -> None:
        self.peer, self.blobs, self.known = peer, message.blobs, known
        self.things: list[Any] = []
        with believed("tensors that are none"):
            self.tensors = [
                wire.tensor_of(parts, self.blobs[blob]).requires_grad_(bool(attached))
                for parts, blob, attached in message.head["tensors"]
            ]

    def attach(self, link: Link, inputs: list[torch.Tensor]) -> None:
        """Let gradients flow from the results to the inputs, through the other process."""
        places = [k for k, tensor in enumerate(self.tensors) if tensor.requires_grad]
        link.outputs = [self.tensors[k].detach() for k in places]
        anchor = torch.zeros((), requires_grad=True)  # results may hang on parameters over there
        with torch.enable_grad():
            attached = Crossing.apply(link, anchor, *inputs)
        for k, tensor in zip(places, attached, strict=True):
            self.tensors[k] = tensor

    def attach_slopes(self, slopes: list[int | None], inputs: list[torch.Tensor]) -> None:
        """Let gradients flow from the one result to the inputs."""
        (place,) = (k for k, tensor in enumerate(self.tensors) if tensor.requires_grad)
        found = [None if slope is None else self.tensors[slope] for slope in slopes]
        for slope, value in zip(found, inputs, strict=True):
            if slope is not None and slope.shape != value.shape:
                raise Broken("a gradient of another shape")
        anchor = torch.zeros((), requires_grad=True)
        with torch.enable_grad():
            self.tensors[place] = Sloping.apply(self.tensors[place], found, anchor, *inputs)

    def unpack(self, packed: Any, depth: int = 0) -> Any:
        """The value that JSON stands for; raises ``Broken`` if it stands for none."""
        with believed("a value that is none"):
            return self._unpacked(packed, depth)

    def _unpacked(self, packed: Any, depth: int) -> Any:
        if packed is None or type(packed) in (bool, int, float, str):
            return packed
        if not isinstance(packed, dict) or depth > wire.DEEPEST + 1:
            raise Broken("a value that is none")
        if "same" in packed:
            value = self.known[packed["same"]]
            return value if packed["attached"] else value.detach()
        if "tuple" in packed:
            return tuple(self.unpack(part, depth + 1) for part in packed["tuple"])
        if "scalar" in packed:
            return self.array(packed["scalar"])[()]
        if "dtype" in packed:
            return wire.DTYPES[packed["dtype"]]
        if "foreign" in packed:
            return type(str(packed["foreign"])[:80], (Foreign,), {})()
        place = len(self.things)
        self.things.append(None)
        if packed["place"] != place and not self.known:
            raise Broken("a value out of its place")
        value = self.things[place] = self._thing(packed, depth)
        return value

    def _thing(self, packed: dict[str, Any], depth: int) -> Any:
        if "list" in packed:
            return [self.unpack(part, depth + 1) for part in packed["list"]]
        if "dict" in packed:
            pairs = [[self.unpack(part, depth + 1) for part in pair] for pair in packed["dict"]]
            return dict(pairs)
        if "array" in packed:
            return self.array(packed["array"])
        if "tensor" in packed:
            return self.tensors[packed["tensor"]]
        if "generator" in packed:
            generator = torch.Generator()
            return generator.set_state(self.tensors[packed["generator"]])
        if "yours" in packed:
            mine = self.peer.owned[packed["yours"]]
            if "state" in packed:
                self.load_state(mine, packed["state"])
            return mine
        if "function" in packed:
            kind = type(str(packed["kind"])[:80], (RemoteFunction,), {})
            return kind(self.peer, {"handle": int(packed["function"])}, "function", None)
        trusted = "copy" in packed and self.peer.trusting
        module = pickle.loads(self.blobs[packed["copy"]]) if trusted else None
        module = module or self._module(packed["module"])
        self._set_gradients(module, packed["gradients"])
        return module

    def _set_gradients(self, module: nn.Module, gradients: list[int | None]) -> None:
        for parameter, place in zip(module.parameters(), gradients, strict=True):
            parameter.grad = None if place is None else self.tensors[place]

    def _module(self, packed: dict[str, Any]) -> RemoteModule:
        kind = type(str(packed["kind"])[:80], (RemoteModule,), {})
        module = kind(self.peer, int(packed["handle"]))
        for name, (dtype, *shape) in packed["parameters"].items():
            holder, last = _holder(module, name)
            holder.register_parameter(last, nn.Parameter(_room(dtype, shape), False))
        for name, (dtype, *shape) in packed["buffers"].items():
            holder, last = _holder(module, name)
            holder.register_buffer(last, _room(dtype, shape))
        for name, value in packed["attributes"].items():
            if name.isidentifier() and not keyword.iskeyword(name) and not hasattr(module, name):
                setattr(module, name, self.unpack(value))
        self.load_state(module, packed["state"])
        return module

    def load_state(self, module: nn.Module, state: dict[str, Any]) -> None:
        """Give a network the values that are sent, and their types: it may have been doubled."""
        for group in ("parameters", "buffers"):
            if state[group]:
                self._load(module, group, state[group])
        if state["parameters"]:
            for parameter, learning in zip(module.parameters(), state["learning"], strict=True):
                parameter.requires_grad_(bool(learning))
        if module.training != state["training"]:
            module.train(bool(state["training"]))

    def _load(self, module: nn.Module, group: str, sent: dict[str, Any]) -> None:
        for value, kind in zip(_values(module, group), sent["types"], strict=True):
            if value.dtype != wire.DTYPES[kind]:
                value.data = value.data.to(wire.DTYPES[kind])
        for kind, values in _by_type(module, group).items():
            parts = self.tensors[sent["values"][str(kind)]].split([v.numel() for v in values])
            for value, part in zip(values, parts, strict=True):
                value.data.copy_(part.reshape(value.shape))
        if isinstance(module, RemoteModule):
            self.peer.knows(module, group)

    def change(self, thing: Any, change: Any) -> None:
        """Change an argument as the call in the other process has changed it."""
        if isinstance(thing, list):
            thing[:] = self.unpack(change)
        elif isinstance(thing, dict):
            new = self.unpack(change)
            thing.clear()
            thing.update(new)
        elif isinstance(thing, np.ndarray):
            thing[...] = self.array(change["array"])
        elif isinstance(thing, torch.Generator):
            thing.set_state(self.tensors[change["generator"]])
        elif isinstance(thing, nn.Module):
            self.load_state(thing, change["state"])
            if change["gradients"] is not None:
                self._set_gradients(thing, change["gradients"])
        elif "values" in change:
            thing.data.copy_(self.tensors[change["values"]])
        elif "gradient" in change:
            thing.grad = self.tensors[change["gradient"]]
        elif change["attached"]:
            thing.requires_grad_()
        else:
            thing.detach_()

    def snapshot(self) -> list[Any]:
        """What tells later whether things were changed."""
        return [_copy(thing) for thing in self.things]

    def set_random(self, told: dict[str, Any] | None) -> None:
        """Put the streams of random numbers where those of the other process are."""
        if told is None and self.peer.streams and not self.peer.strayed:
            return  # reading all streams takes long
        self.peer.strayed = False
        if told is not None:
            keys, *rest = told["numpy"]
            kind, ours, next_gauss = told["python"]
            self.peer.streams = Streams(
                bytes(self.blobs[told["torch"]]),
                (bytes(self.blobs[keys]), *rest),
                (kind, tuple(self.array(ours).tolist()), next_gauss),
            )
        if self.peer.streams is None:
            raise Broken("no streams of random numbers")
        if self.peer.streams != Streams.now():
            self.peer.streams.set()

    def array(self, packed: list[Any]) -> np.ndarray:
        """An array of the message."""
        parts, blob = packed
        return wire.array_of(parts, self.blobs[blob])


class Streams(NamedTuple):
    """Where the streams of random numbers are: torch's, NumPy's and Python's."""

    torch: bytes
    numpy: tuple[Any, ...]
    python: tuple[Any, ...]

    @classmethod
    def now(cls) -> "Streams":
        """Those of this process."""
        state: Any = np.random.get_state()  # noqa: NPY002  the stream of everybody
        _, keys, *rest = state
        numpy = keys.tobytes(), *(part.item() if hasattr(part, "item") else part for part in rest)
        return cls(torch.get_rng_state().numpy().tobytes(), numpy, random.getstate())

    def set(self) -> None:
        """Put those of this process there."""
        torch.set_rng_state(torch.frombuffer(bytearray(self.torch), dtype=torch.uint8))
        keys, *rest = self.numpy
        np.random.set_state(("MT19937", np.frombuffer(keys, np.uint32), *rest))  # noqa: NPY002
        random.setstate(self.python)


class Foreign:
    """Something of the other process that is no number: all that is known is its type's name."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of the submission>"


def parameters_of(function: Any) -> list[Any] | None:
    """[name, kind, whether there is a default] of each parameter of a function; None: unknown."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[p.name, p.kind.name, p.default is not inspect.Parameter.empty] for p in parameters]


def _is_traced(value: Any) -> bool:
    """Whether a value is a tensor of ``torch.func``, which has no numbers of its own."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor
    return isinstance(value, torch.Tensor) and wrapped(value)


def _signature(parameters: list[Any]) -> inspect.Signature:
    with believed("a signature that is none"):
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    PARAMETER_KINDS[kind],
                    default=None if default else inspect.Parameter.empty,
                )
                for name, kind, default in parameters
            ]
        )


def _inputs(things: list[Any]) -> list[torch.Tensor]:
    """The tensors among the arguments that want a gradient."""
    return [thing for thing in things if isinstance(thing, torch.Tensor) and thing.requires_grad]


def _values(module: nn.Module, group: str) -> list[torch.Tensor]:
    """The parameters or buffers of a network, in order."""
    return [*(module.parameters() if group == "parameters" else module.buffers())]


def _by_type(module: nn.Module, group: str) -> dict[torch.dtype, list[torch.Tensor]]:
    """{type: parameters or buffers}, in order."""
    found: dict[torch.dtype, list[torch.Tensor]] = {}
    for value in _values(module, group):
        found.setdefault(value.dtype, []).append(value)
    return found


def _flat(module: nn.Module, group: str) -> dict[torch.dtype, torch.Tensor]:
    """{type: all parameters or buffers of it in one tensor}."""
    return {
        kind: torch.cat([value.detach().reshape(-1) for value in values])
        for kind, values in _by_type(module, group).items()
    }


def _all_equal(a: dict[torch.dtype, torch.Tensor], b: dict[torch.dtype, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[kind], b[kind]) for kind in a)


def _moments(module: nn.Module) -> list[int]:
    """What differs when the buffers of a network have changed: in place, or for other ones."""
    return [one for buffer in module.buffers() for one in (buffer._version, buffer.data_ptr())]


def _shape(tensor: torch.Tensor) -> list[Any]:
    """Type and size of a tensor, for ``_room``."""
    return [wire.name_of(tensor.dtype), *tensor.shape]


def _room(dtype: str, shape: list[int]) -> torch.Tensor:
    """An empty tensor for values that come; not a larger one than can come."""
    if math.prod(shape) > wire.LARGEST:
        raise Broken("a parameter that is larger than a message")
    return torch.empty(shape, dtype=wire.DTYPES[dtype])


def _learning(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _holder(module: nn.Module, dotted: str) -> tuple[nn.Module, str]:
    """The part of a network that holds a name such as "layers.0.weight"; it is made if missing."""
    *path, last = dotted.split(".")
    for name in path:
        if name not in module._modules:
            module.add_module(name, nn.Module())
        module = module.get_submodule(name)
    return module, last


def _where(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Where a tensor's values lie in memory."""
    return tensor.data_ptr() or id(tensor), tensor.shape, tensor.stride(), tensor.dtype


def _parts(value: list[Any] | dict[Any, Any]) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    else:
        for pair in value.items():
            yield from pair


def _copy(thing: Any) -> Any:
    if isinstance(thing, torch.Tensor):
        return thing.detach().clone(), thing.requires_grad, thing.grad
    if isinstance(thing, list | dict | np.ndarray):
        return thing.copy()
    return None


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if torch.equal(a, b):
        return True
    return bool(((a == b) | ((a != a) & (b != b))).all())
