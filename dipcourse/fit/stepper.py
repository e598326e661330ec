"""One update of the parameters: what a fit repeats."""

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from dipcourse.fit import data_term, demands, graphs, machine, optimizers
from dipcourse.fit.record import FitDiverged, Record
from dipcourse.fit.rollback import Rollback
from dipcourse.fit.settings import named, takes_settings
from dipcourse.fit.threads import Threads
from dipcourse.history import History

LOOK_EVERY = 25  # steps between two looks of the host at the loss; each look waits for a GPU


class Stepper:
    """One fit, a step at a time; the arguments are those of ``fit``.

    Args:
        frames: how many snapshots are planned; only the check of the memory uses it.

    Attributes:
        k: number of updates so far.
        output: tensor (1, C, H, W), the output before the last update.
        mean: tensor (1, C, H, W), the running mean of the outputs.

    Built in lesson 02.

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> stepper = Stepper(nets.PixelImage(y), None, y, degrade.Identity())
    >>> stepper.step()
    >>> stepper.k
    1
    """

    @takes_settings
    def __init__(
        self,
        net: nn.Module,
        z: torch.Tensor | None,
        y: torch.Tensor,
        operator: nn.Module,
        *,
        frames: int = 1,
        **settings: Any,
    ) -> None:
        self.given = given = named(settings)
        demands.require(net, z, y, operator, given)
        self.device = machine.device(given.device)
        self.precision = given.precision or machine.best_precision(self.device)
        machine.require_memory(net, z, self.precision, self.device, frames, given.prior is not None)
        machine.keep_freed_memory()
        self.threads = Threads(given.threads, self.device)
        layout = machine.layout(self.device, self.precision)
        self.net = net.to(self.device, memory_format=layout).train()  # type: ignore[call-overload]
        # a copy: the caller's own operator stays on the device where it is
        self.operator = copy.deepcopy(operator).to(self.device)
        self.z = None if z is None else z.to(self.device, memory_format=layout)
        self.y = y.detach().to(self.device)
        self.jitter, self.prior = given.jitter, given.prior
        self.generator = torch.Generator(self.device).manual_seed(given.seed)
        self.optimizer = optimizers.make(given.optimizer, net.parameters(), given.lr)
        self.known, held_out = data_term.split(self.operator, given.holdout, self.y)
        self.record = Record(given, held_out)
        self.rollback = Rollback(given.rollback, self.net, self.optimizer, self.record)
        reason = graphs.obstacle(self.device, self.net, self.operator, given)
        self.replay = graphs.Replay(self._passes, self.net.parameters(), reason)

    def step(self) -> None:
        """One update of the parameters; the record grows by one."""
        with self.threads.at(self.k):
            self._update()

    def _update(self) -> None:
        z = self._jittered()
        replayed = self.replay(z, self.k)
        x_hat, error, loss = replayed or self._forward(z)
        seen = x_hat.detach().clone()  # a PixelImage's output changes with the update
        if self.rollback.accepts(loss, self.give_up):
            if not replayed:
                self._backward(loss)
            self.optimizer.step()
            self.record.include(seen)
        self.record.add(seen, loss.detach(), error.detach())

    def _forward(self, z: torch.Tensor | None) -> graphs.Passes:
        """The output (1, C, H, W) for an input, its squared error (1, C, h, w), and the loss."""
        x_hat = self._run(z)
        if self.k == 0:
            demands.require_operator(self.operator, x_hat, self.y)
        error = (self.operator(x_hat) - self.y) ** 2  # (1, C, h, w)
        loss = data_term.mean_over(error, self.known)
        return x_hat, error, loss if self.prior is None else loss + self.prior(x_hat)

    def _backward(self, loss: torch.Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        machine.backward(loss, self.net, self.precision)

    def _passes(self, z: torch.Tensor | None) -> graphs.Passes:
        """Both: the results for an input, and gradients in the network."""
        results = self._forward(z)
        self._backward(results[-1])
        x_hat, error, loss = (result.detach() for result in results)
        return x_hat, error, loss

    def snapshot(self) -> None:
        """Keep the current output and running mean as a frame of the film."""
        with self.threads.at(self.k):
            self.record.snapshot()

    def look(self) -> float:
        """The last loss; raises FitDiverged if one since the last look is not finite."""
        recent = self.record.last_losses(LOOK_EVERY)
        if not np.isfinite(recent).all() and self.record.good_steps() < self.k:
            self.give_up()
        return float(recent[-1])

    def give_up(self) -> None:
        """Raise FitDiverged with the steps so far."""
        raise FitDiverged(self.history(), self.given.lr)

    @property
    def k(self) -> int:
        return len(self.record)

    @property
    def output(self) -> torch.Tensor:
        return self.record.output

    @property
    def mean(self) -> torch.Tensor:
        return self.record.mean

    def history(self, planned: int | None = None) -> History:
        """All steps so far as a ``History``, marked if there are fewer than planned.

        Steps whose loss is not finite are left out. ValueError: there is no step yet.
        """
        with torch.no_grad(), self.threads.at(self.k):
            final = self._run(self.z).clone()
        facts = self.given.facts(self.net, self.operator, self.optimizer)
        facts |= machine.facts(self.device, self.precision) | self.threads.facts()
        facts |= self.replay.facts()
        return self.record.history(final, facts, planned)

    def _run(self, z: torch.Tensor | None) -> torch.Tensor:
        with machine.autocast(self.device, self.precision):
            return self.net(z).float()

    def _jittered(self) -> torch.Tensor | None:
        if self.z is None or not self.jitter:
            return self.z
        return self.z.add(machine.normal_like(self.z, self.generator), alpha=self.jitter)
