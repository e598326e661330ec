"""On a GPU, the passes of a step as one CUDA graph: launched at once, not operation by operation.

A small network on a GPU waits for the host, which launches some hundred operations a step, each of
them shorter than its launch. A graph is captured once and then launched as a whole. It repeats the
same operations on the same memory: so all that a step does has to be known, and the same each time.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from dipcourse.fit.settings import Settings

Passes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # (1, C, H, W); (1, C, h, w); ()

WARM_UP = 12  # steps that are made as on a CPU first: by then cuDNN has chosen its algorithms
AGREE = 0.05  # how far gradients of two equal steps may lie apart, of their norm: bfloat16 rounds

NO_CUDA = "only CUDA has graphs"
KNOWN = "torch.nn.modules.", "dipcourse.nets", "dipcourse.degrade"
RANDOM = "torch.nn.modules.dropout"


def obstacle(
    device: torch.device, net: nn.Module, operator: nn.Module, given: Settings
) -> str | None:
    """Why a fit cannot use a graph; None if it can.

    Args:
        device: where the fit runs.
        net, operator: f and A.
        given: the settings of the fit.

    Returns:
        A few words, or None.

    Built in lesson 04 (used).
    """
    if device.type != "cuda":
        return NO_CUDA
    if given.rollback is not None:
        return "rollback looks at every loss"
    if given.prior is not None:
        return "a prior may do something else at each step"
    for module in (*net.modules(), *operator.modules()):
        where = type(module).__module__
        if not where.startswith(KNOWN) or where == RANDOM or _has_hooks(module):
            return f"{type(module).__name__} may do something else at each step"
    return None


def _has_hooks(module: nn.Module) -> bool:
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return any(map(len, hooks))


class Replay:
    """The passes of a fit, replayed from its 13th step on, if they can be.

    Args:
        passes: a function of z, tensor (1, channels, H, W) or None, that makes new gradients of the
            parameters, and adds to none, and returns output, squared error and loss.
        parameters: of the network.
        reason: why there can be no graph, or None.

    Attributes:
        reason: the same; and what went wrong, if the capture did.

    Built in lesson 04 (used).
    """

    def __init__(
        self,
        passes: Callable[[torch.Tensor | None], Passes],
        parameters: Iterable[nn.Parameter],
        reason: str | None,
    ) -> None:
        self.reason = reason
        self._passes, self._parameters = passes, list(parameters)
        self._graph: Graph | None = None

    def __call__(self, z: torch.Tensor | None, k: int) -> Passes | None:
        """The passes of step k at z; None if they are to be made one operation at a time."""
        if self.reason is not None or k < WARM_UP:
            return None
        if self._graph is None:
            self._try(z)
        return self._graph(z) if self._graph else None

    def facts(self) -> dict[str, Any]:
        """Whether there is a graph, for the History; nothing on a CPU."""
        if self.reason == NO_CUDA:
            return {}
        return {"cuda graph": "yes" if self._graph else self.reason or "too few steps"}

    def __getstate__(self) -> dict[str, Any]:
        """For a file: a graph is of one process, and captured again in the next."""
        return vars(self) | {"_graph": None}

    def _try(self, z: torch.Tensor | None) -> None:
        """Capture the passes, and keep the graph if it does what they do."""
        try:
            graph = Graph(self._passes, self._parameters, z)
            if not self._agree(graph, z):
                self.reason = "the graph computed something else"
                return
        except RuntimeError as error:  # what a capture does not allow; the fit goes on without
            self.reason = f"the capture failed: {str(error).splitlines()[0]}"
            return
        self._graph = graph

    def _agree(self, graph: "Graph", z: torch.Tensor | None) -> bool:
        """Whether both have the same loss and gradients at z."""
        *_, replayed_loss = graph(z)
        replayed = _gradient(self._parameters)  # a copy
        *_, loss = self._passes(z)
        gradient = _gradient(self._parameters)
        apart = torch.stack(
            [(replayed - gradient).norm() / gradient.norm(), replayed_loss / loss - 1]
        )
        return bool((apart.abs() < AGREE).all())


class Graph:
    """Captured passes. Each call repeats them with another z, in the same memory.

    Args:
        passes, parameters: as for ``Replay``.
        z: tensor (1, channels, H, W) or None, the first input.
    """

    def __init__(
        self,
        passes: Callable[[torch.Tensor | None], Passes],
        parameters: list[nn.Parameter],
        z: torch.Tensor | None,
    ) -> None:
        self._z = None if z is None else z.clone()
        self._results, self._replay = captured(lambda: passes(self._z))
        self._gradients = [(p, p.grad) for p in parameters]

    def __call__(self, z: torch.Tensor | None) -> Passes:
        if self._z is not None and z is not None:
            self._z.copy_(z)
        self._replay()
        for parameter, gradient in self._gradients:  # somebody may have set them to None
            parameter.grad = gradient
        output, error, loss = self._results
        return output.clone(), error.clone(), loss.clone()


def captured(run: Callable[[], Passes]) -> tuple[Passes, Callable[[], None]]:
    """The results of a function, which a call of what comes with them computes anew in place."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        results = run()
    return results, graph.replay


def _gradient(parameters: list[nn.Parameter]) -> torch.Tensor:
    """All gradients in one vector."""
    return torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
