"""CUDA graphs: which fits get one, and what happens when it fails. No GPU is needed.

``FakeCuda`` stands for CUDA: it computes anew what it has captured, into the same tensors.
"""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from dipcourse import degrade, fit, nets, priors
from dipcourse.fit import graphs
from dipcourse.fit.settings import Settings

GPU = torch.device("cuda")


def small_net():
    torch.manual_seed(0)
    return nets.UNet(4, 3, widths=(8, 8), skip=2)


def reason(net=None, operator=None, **settings):
    net, operator = net or small_net(), operator or degrade.Identity()
    return graphs.obstacle(GPU, net, operator, Settings(**settings))


# ---- the decision


def own_operator():
    class Mine(nn.Module):
        def forward(self, x):
            return x

    return Mine()


def hooked():
    net = small_net()
    next(net.children()).register_forward_hook(lambda *_: None)
    return net


@pytest.mark.parametrize(
    "operator", [degrade.Identity(), degrade.Downsample(4), degrade.Mask(torch.eye(8)[None, None])]
)
def test_what_the_package_makes_can_be_captured(operator):
    assert reason(operator=operator) is None
    assert reason(nets.PixelImage(torch.zeros(1, 3, 8, 8)), operator, jitter=0.1) is None


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("rollback", {"rollback": 2.0}),
        ("prior", {"prior": priors.total_variation}),
        ("Mine", {"operator": own_operator()}),
        ("Mine", {"net": nn.Sequential(small_net(), own_operator())}),
        ("Dropout", {"net": nn.Sequential(small_net(), nn.Dropout(0.1))}),
        ("", {"net": hooked()}),
    ],
)
def test_what_may_differ_from_step_to_step_is_not(words, given):
    assert words in reason(**given)


def test_a_cpu_has_none_and_does_not_speak_of_it():
    net, operator = small_net(), degrade.Identity()
    assert graphs.obstacle(torch.device("cpu"), net, operator, Settings())
    assert "cuda graph" not in fitted().settings


# ---- the replay


class FakeCuda:
    """Captures the passes of a network: a call repeats them, in the memory of the first time."""

    def __init__(self, net):
        self.parameters, self.replays = list(net.parameters()), 0

    def captured(self, run):
        results = run()
        gradients = [p.grad for p in self.parameters]

        def replay():
            self.replays += 1
            before = [p.grad for p in self.parameters]
            for kept, new in zip(results, run(), strict=True):
                kept.copy_(new)
            for p, kept, old in zip(self.parameters, gradients, before, strict=True):
                kept.copy_(p.grad)
                p.grad = old

        return results, replay


def fitted(net=None, steps=30, **settings):
    y = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    plan = {"jitter": 0.02, "precision": "float32", "threads": 1, "progress": False}
    z = nets.fixed_input(4, 16, 16)
    return fit.fit(net or small_net(), z, y, degrade.Identity(), steps=steps, **plan | settings)


@pytest.fixture
def cuda(monkeypatch):
    """A network on a machine that seems to have graphs, and what captures it."""
    net = small_net()
    fake = FakeCuda(net)
    monkeypatch.setattr(graphs, "obstacle", lambda *_: None)
    monkeypatch.setattr(graphs, "captured", fake.captured)
    return net, fake


def test_a_replayed_fit_is_the_same_fit(cuda, monkeypatch):
    net, fake = cuda
    replayed = fitted(net)
    assert fake.replays == 30 - graphs.WARM_UP + 1  # once more to compare
    assert replayed.settings["cuda graph"] == "yes"
    monkeypatch.undo()
    plain = fitted()
    assert np.array_equal(replayed.loss, plain.loss)
    assert torch.equal(replayed.frames, plain.frames)
    assert torch.equal(replayed.mean, plain.mean)
    assert torch.equal(replayed.final, plain.final)


def test_held_out_pixels_are_replayed_too(cuda, monkeypatch):
    net, _ = cuda
    holdout = torch.zeros(1, 1, 16, 16)
    holdout[..., ::4, ::4] = 1
    replayed = fitted(net, holdout=holdout)
    monkeypatch.undo()
    assert np.array_equal(replayed.held_out, fitted(holdout=holdout).held_out)


def test_who_clears_the_gradients_between_two_steps_changes_nothing(cuda, monkeypatch):
    net, _ = cuda
    y, z = torch.rand(1, 3, 16, 16), nets.fixed_input(4, 16, 16)
    steppers = []
    for graph, one in ((True, net), (False, small_net())):
        if not graph:
            monkeypatch.undo()
        stepper = fit.Stepper(one, z, y, degrade.Identity(), threads=1, precision="float32")
        for _ in range(20):
            stepper.step()
            stepper.optimizer.zero_grad()
        steppers.append(stepper)
    assert torch.equal(steppers[0].output, steppers[1].output)


def test_a_capture_that_fails_stops_nothing(cuda, monkeypatch):
    def captured(run):
        run()
        raise RuntimeError("operation not permitted when stream is capturing\nmore words")

    monkeypatch.setattr(graphs, "captured", captured)
    history = fitted(cuda[0])
    words = "the capture failed: operation not permitted when stream is capturing"
    assert history.settings["cuda graph"] == words
    monkeypatch.undo()
    assert np.array_equal(history.loss, fitted().loss)


@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_a_graph_that_computes_something_else_is_not_used(cuda, monkeypatch, part):
    net, fake = cuda

    def captured(run):
        results, replay = fake.captured(run)
        spoiled = results[-1] if part == "loss" else next(net.parameters()).grad

        def spoiling():
            replay()
            spoiled.mul_(2)

        return results, spoiling

    monkeypatch.setattr(graphs, "captured", captured)
    history = fitted(net)
    assert history.settings["cuda graph"] == "the graph computed something else"
    monkeypatch.undo()
    assert np.array_equal(history.loss, fitted().loss)


def test_few_steps_are_not_worth_a_graph(cuda):
    assert fitted(cuda[0], steps=graphs.WARM_UP).settings["cuda graph"] == "too few steps"
    assert cuda[1].replays == 0


def test_a_graph_is_not_part_of_a_checkpoint(cuda):
    net, fake = cuda
    y, z = torch.rand(1, 3, 16, 16), nets.fixed_input(4, 16, 16)
    stepper = fit.Stepper(net, z, y, degrade.Identity(), threads=1)
    for _ in range(20):
        stepper.step()
    copied = pickle.loads(pickle.dumps(stepper))
    fake.parameters = list(copied.net.parameters())
    before = fake.replays
    copied.step()
    stepper_after = fake.replays - before
    assert stepper_after == 2  # captured anew: once to compare, once for the step
    assert copied.k == 21


def test_what_a_step_has_returned_stays_when_the_next_is_replayed(cuda):
    net, _ = cuda
    y, z = torch.rand(1, 3, 16, 16), nets.fixed_input(4, 16, 16)
    stepper = fit.Stepper(net, z, y, degrade.Identity(), threads=1)
    first = stepper.replay(z, graphs.WARM_UP)
    before = [result.clone() for result in first]
    stepper.optimizer.step()
    second = stepper.replay(z, graphs.WARM_UP + 1)
    assert all(torch.equal(a, b) for a, b in zip(first, before, strict=True))
    assert second[-1] != first[-1]
