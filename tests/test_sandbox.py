"""The sandbox of a submission, and how the grader calls functions in it."""

import contextlib
import copy
import random
import socket
import threading

import numpy
import pytest
import torch
from course import UNSAFE
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dipcourse import images, nets, priors
from dipcourse.assignment import stage
from dipcourse.grading import ENVIRONMENT, execute
from dipcourse.grading.sandbox import course, remote, walls, wire
from tools import assignments, notebooks

WALLS = pytest.mark.skipif(UNSAFE, reason="bubblewrap is not there, or does not work")
NAME = "a1_total_variation"


def untested(name):
    """The code cells of an assignment's source, without tests."""
    cells = notebooks.read(notebooks.ROOT / "solutions" / name / f"{name}.ipynb").cells
    return [c.source for c in cells if c.cell_type == "code" and c.id[:5] != "test-"]


# ---- what crosses, without a sandbox: both ends in this process


@contextlib.contextmanager
def ends(trusting=False, **functions):
    """A peer whose other end, in a thread, has these functions; and what stands in for others."""
    mine, theirs = socket.socketpair()
    standing = {}
    here = remote.Peer(mine, functions.get, names=lambda: standing)
    there = End(theirs, functions.get, trusting=trusting)
    thread = threading.Thread(target=there.work)
    thread.start()
    try:
        yield here, standing
    finally:
        mine.close()
        thread.join()


class End(remote.Peer):
    """The other end; names that stand for functions of this one are kept in ``given``."""

    def work(self):
        with self.connection, contextlib.suppress(wire.Broken):
            while True:
                self.serve(wire.receive(self.connection))

    @contextlib.contextmanager
    def standing(self, names):
        End.given = names
        yield


def call(peer, name, *values, **named):
    return peer.call({"name": name}, values, named)


VALUES = [
    None, True, 3, 2.5, float("inf"), "text", [1, [2.0, None]], (1, 2), {"a": 1, 2: [3]},
    numpy.float64(2.5), numpy.arange(6.0).reshape(2, 3), numpy.zeros((0, 3), "int16"),
    torch.arange(6).reshape(2, 3), torch.zeros(2, 0), torch.tensor(True), torch.rand(3).half(),
    torch.rand(3).bfloat16(), torch.ones(1).expand(3), torch.rand(2, 3).mT,
    torch.complex(torch.rand(2), torch.rand(2)), torch.float64,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_numbers_cross_as_what_they_are(value):
    with ends(same=lambda x: [x, x]) as (peer, _):
        for got in call(peer, "same", value):
            assert type(got) is type(value)
            if isinstance(value, numpy.ndarray | torch.Tensor):
                assert (got.dtype, got.shape) == (value.dtype, value.shape)
                assert (got == value).all()
            else:
                assert got == value


class Sneaky(float):
    """A type of the submission's own."""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Sneaky(1), "Sneaky"),
        (object(), "object"),
        (torch.zeros(2).to_sparse(), "Tensor"),
        (numpy.array([object()]), "ndarray"),
    ],
)
def test_of_all_else_the_name_of_its_type_arrives(value, name):
    with ends(give=lambda: value) as (peer, _):
        got = call(peer, "give")
        assert type(got).__name__ == name
        assert isinstance(got, remote.Foreign)


def test_gradients_cross():
    """Also several times, and of results of which some hang on nothing."""

    def work(x, y):
        return (x**2).sum() * y, x.detach(), [y * 3]

    with ends(work=work) as (peer, _):
        x, y = torch.rand(4, requires_grad=True), torch.tensor(2.0, requires_grad=True)
        product, cut, (triple,) = call(peer, "work", x * 1, y)
        assert (product.requires_grad, cut.requires_grad, triple.requires_grad) == (
            True,
            False,
            True,
        )
        first = torch.autograd.grad(product, [x, y], retain_graph=True)
        torch.testing.assert_close(first, (4 * x.detach(), (x**2).sum().detach()))
        again = torch.autograd.grad(product + triple, [x, y])
        torch.testing.assert_close(again[1], first[1] + 3)


def test_the_gradient_of_a_single_number_comes_with_it(monkeypatch):
    """So that a loss costs a fit one question a step, and not two."""
    with ends(loss=lambda x, y: (x**2).sum()) as (peer, _):
        monkeypatch.setattr(peer, "gradients", None)
        x, unused = torch.rand(4, requires_grad=True), torch.rand(2, requires_grad=True)
        loss = call(peer, "loss", x, unused)
        found = torch.autograd.grad(3 * loss, [x, unused], retain_graph=True, allow_unused=True)
        torch.testing.assert_close(found[0], 6 * x.detach())
        assert found[1] is None
        torch.testing.assert_close(torch.autograd.grad(loss, x)[0], 2 * x.detach())


def test_an_error_in_a_gradient_waits_until_somebody_asks():
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.sum()

        @staticmethod
        def backward(ctx, gradient):
            raise ValueError("no gradient")

    with ends(loss=Broken.apply) as (peer, _):
        loss = call(peer, "loss", torch.ones(3, requires_grad=True))
        assert loss == 3
        with pytest.raises(ValueError, match="no gradient"):
            loss.backward()


def test_without_gradients_nothing_hangs_on_anything():
    with ends(double=lambda x: 2 * x) as (peer, _), torch.no_grad():
        assert not call(peer, "double", torch.ones(2, requires_grad=True)).requires_grad


def test_what_a_call_changes_is_changed_here():
    def change(x, array, many, generator, net):
        x += 1
        array[0] = 7
        many.append(many.pop(0))
        torch.rand(3, generator=generator)
        torch.rand(3)
        net(torch.ones(2)).sum().backward()
        nn.init.constant_(net.weight, 4)
        net.eval()

    with ends(change=change) as (peer, _):
        x, array, generator = torch.zeros(2), numpy.zeros(2), torch.Generator().manual_seed(0)
        many, net = [torch.zeros(1), torch.ones(1)], nn.Linear(2, 1)
        first, second = many
        torch.manual_seed(5)
        call(peer, "change", x, array, many, generator, net)
        after = torch.rand(2), torch.rand(2, generator=generator)
        assert (x.tolist(), array.tolist()) == ([1, 1], [7, 0])
        assert many[0] is second
        assert many[1] is first
        assert (net.weight == 4).all()
        assert net.weight.grad.tolist() == [[1, 1]]
        assert not net.training
    torch.manual_seed(5)
    other = torch.Generator().manual_seed(0)
    torch.rand(3), torch.rand(3, generator=other)
    assert torch.equal(after[0], torch.rand(2))
    assert torch.equal(after[1], torch.rand(2, generator=other))


def test_a_network_whose_classes_are_there_travels_and_what_it_learns_comes_back():
    def fit(net):
        assert type(net) is nn.Linear
        nn.init.constant_(net.weight, 4)

    with ends(fit=fit) as (peer, _):
        peer.known = lambda module: True
        net = nn.Linear(2, 1)
        with pytest.raises(wire.Broken):  # nobody who does not trust takes one
            call(peer, "fit", net)
    with ends(fit=fit, trusting=True) as (peer, _):
        peer.known = lambda module: True
        call(peer, "fit", net)
        assert (net.weight == 4).all()


def test_a_result_that_is_the_argument_is_the_argument():
    with ends(same=lambda x: x, cut=lambda x: x.detach(), copy=lambda x: x.clone()) as (peer, _):
        x = torch.zeros(2)
        assert call(peer, "same", x) is x
        call(peer, "cut", x).add_(1)
        call(peer, "copy", x).add_(1)
        assert x.tolist() == [1, 1]


def test_a_network_of_ours_learns_there_and_draws_here():
    seen = []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3))

        def forward(self, z):
            seen.append(z)
            return self.layers(z)

    def fit(net, z, y):
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(5):
            optimizer.zero_grad()
            ((net(z) - y) ** 2).mean().backward()
            optimizer.step()
        return net(z).detach()

    torch.manual_seed(0)
    net, same = Spy(), Spy()
    same.load_state_dict(net.state_dict())
    z, y = torch.rand(1, 2, 8, 8), torch.rand(1, 3, 8, 8)
    want = fit(same, z, y)
    seen.clear()
    with ends(fit=fit) as (peer, _):
        got = call(peer, "fit", net, z, y)
    assert torch.equal(got, want)
    assert len(seen) == 6
    assert all(
        torch.equal(a, b)
        for a, b in zip(net.state_dict().values(), same.state_dict().values(), strict=True)
    )


def test_a_network_of_theirs_is_a_network_here():
    with ends(build=lambda: nets.UNet(2, 1, widths=(4, 4), skip=2)) as (peer, _):
        torch.manual_seed(3)
        net = call(peer, "build")
        torch.manual_seed(3)
        same = nets.UNet(2, 1, widths=(4, 4), skip=2)
        assert [*net.state_dict()] == [*same.state_dict()]
        assert type(net).__name__ == "UNet"
        z = torch.rand(1, 2, 8, 8)
        for one in (net, same):
            with torch.no_grad():
                next(iter(one.parameters())).mul_(2)
            one(z).square().mean().backward()
        for mine, theirs in zip(net.parameters(), same.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad)


def test_functions_are_called_where_they_are():
    """With gradients, as an operator; and one that comes home is itself."""

    def adjoint(operator, w):
        x = torch.zeros(2, requires_grad=True)
        return torch.autograd.grad(operator(x), x, w)[0]

    def through_ours(operator, x):
        return End.given["twice"](operator, x)

    def pull(operator, w):
        return torch.func.vjp(operator, torch.zeros(2))[1](w)[0]

    matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def project(x):
        return matrix @ x

    def twice(operator, x):
        assert operator is project
        return 2 * operator(x)

    functions = {
        "adjoint": adjoint,
        "pull": pull,
        "through_ours": through_ours,
        "theirs": lambda: abs,
    }
    with ends(**functions) as (peer, standing):
        w, x = torch.tensor([1.0, 0.0, 2.0]), torch.ones(2)
        assert torch.equal(call(peer, "adjoint", project, w), matrix.T @ w)
        assert torch.equal(call(peer, "pull", project, w), matrix.T @ w)
        standing["twice"] = twice
        assert torch.equal(call(peer, "through_ours", project, x), 2 * matrix @ x)
        theirs = call(peer, "theirs")
        assert type(theirs).__name__ == "builtin_function_or_method"
        assert theirs(-2) == 2


def test_gradients_on_weights_are_known_and_can_be_cleared():
    def clear(net, add):
        if add:
            net(torch.ones(2)).sum().backward()
        else:
            net.zero_grad()

    with ends(clear=clear) as (peer, _):
        net = nn.Linear(2, 1)
        for add, want in ((True, [[1, 1]]), (True, [[2, 2]])):
            call(peer, "clear", net, add)
            assert net.weight.grad.tolist() == want
        call(peer, "clear", net, False)
        assert net.weight.grad is None


def test_a_network_of_theirs_can_be_doubled_and_copied_here():
    with ends(build=lambda: nn.BatchNorm2d(2)) as (peer, _):
        net = call(peer, "build")
        double = copy.deepcopy(net).double()
        assert double(torch.rand(1, 2, 4, 4).double()).dtype == torch.float64
        assert net(torch.rand(1, 2, 4, 4)).dtype == torch.float32


def test_buffers_that_are_set_here_are_known_there():
    """Also of a network that another one is called in between."""

    class Weighs(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("weight", torch.rand(3))

        def forward(self, x):
            return x * self.weight

    with ends(build=Weighs) as (peer, _):
        one, other = call(peer, "build"), call(peer, "build")
        other.load_state_dict(one.state_dict())
        for _ in range(2):
            assert torch.equal(one(torch.ones(3)), other(torch.ones(3)))


def test_a_network_that_is_given_twice_knows_what_it_has_learnt_here():
    net = nn.Linear(2, 1)
    with ends(build=lambda: net) as (peer, _):
        first = call(peer, "build")
        with torch.no_grad():
            first.weight.fill_(7)
        assert (call(peer, "build").weight == 7).all()


def test_ours_stand_in_with_gradients():
    """A function of theirs that calls one of ours, which is asked here."""

    def objective(x):
        return End.given["total_variation"](x) + (x**2).sum()

    with ends(objective=objective) as (peer, standing):
        standing["total_variation"] = priors.total_variation
        x = torch.rand(1, 1, 8, 8, requires_grad=True)
        call(peer, "objective", x).backward()
        got, x.grad = x.grad, None
        (priors.total_variation(x) + (x**2).sum()).backward()
        torch.testing.assert_close(got, x.grad)


def test_errors_cross_as_pythons_own():
    class Mine(ValueError):
        pass

    def fails(error):
        raise {
            "mine": Mine("no"),
            "exit": SystemExit(3),
            "two": UnicodeDecodeError("a", b"", 0, 1, "b"),
        }[error]

    with ends(fails=fails) as (peer, _):
        for word, kind in (("mine", ValueError), ("exit", SystemExit), ("two", ValueError)):
            with pytest.raises(kind):
                call(peer, "fails", word)
        with pytest.raises(TypeError, match="argument"):
            call(peer, "fails")


def test_an_error_of_ours_comes_back_as_it_was():
    ours = AssertionError("asked with other steps")

    def stand_in():
        raise ours

    with ends(work=lambda: End.given["stand_in"]()) as (peer, standing):
        standing["stand_in"] = stand_in
        with pytest.raises(AssertionError) as caught:
            call(peer, "work")
        assert caught.value is ours


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["list", "tuple", "dict", "array", "same", "module", "yours", "place"])
            | st.sampled_from(["foreign", "scalar", "tensor", "generator", "attached", "dtype"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
ANSWER = "value", "changes", "tensors", "graph", "slopes", "random", "state", "gradients"


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(ANSWER, st.one_of(*3 * [st.none()], JSON))))
def test_nonsense_for_an_answer_is_called_so(parts):
    """Whatever a submission sends, the grader raises nothing else."""
    sound = {"value": 1, "changes": [], "tensors": [], "gradients": True}
    head = dict.fromkeys(ANSWER) | sound | {part: v for part, v in parts.items() if v is not None}
    mine, theirs = socket.socketpair()
    with mine, theirs, contextlib.suppress(wire.Broken):
        wire.send(theirs, wire.Message(head, [b"abcd"]))
        call(remote.Peer(mine, {}.get), "anything", torch.zeros(2))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_message_are_called_so(data):
    mine, theirs = socket.socketpair()
    with mine:
        with theirs:
            theirs.sendall(data)
        with pytest.raises(wire.Broken):
            [wire.receive(mine) for _ in range(2)]


# ---- the course as a submission finds it


@pytest.mark.parametrize("name", [path.stem for path in assignments.sources()])
def test_nothing_that_a_task_asks_for_is_in_the_sandbox(tmp_path, name):
    course.write(tmp_path, name, untested(name))
    text = "\n".join(path.read_text("utf-8") for path in tmp_path.rglob("*.py"))
    assert "10 * " not in (tmp_path / "dipcourse" / "metrics.py").read_text("utf-8")
    assert "sqrt" not in (tmp_path / "dipcourse" / "priors.py").read_text("utf-8")
    assert "HIDDEN" not in text
    assert "structural_similarity(" not in text
    assert {path.name for path in (tmp_path / "dipcourse" / "_images").iterdir()} <= {"face.png"}
    assert not (tmp_path / "dipcourse" / "grading").exists()


MODULE = """
class A(nn.Module):
    def forward(self, x):
        return x

def f():
    return secret

def g():
    return 1
"""


def test_classes_and_functions_are_emptied():
    got = course.emptied(MODULE, "dipcourse.x", {"A", "f"})
    assert "return x" not in got
    assert "secret" not in got
    assert "return 1" in got


# ---- submissions


@pytest.fixture(scope="module")
def sandbox():
    sandbox = walls.Sandbox(NAME, untested(NAME), ENVIRONMENT | execute.GRADING, UNSAFE)
    sandbox.tasks = ["psnr", "total_variation", "data_term", "denoise_tv"]
    yield sandbox
    sandbox.close()


TEST = """
from dipcourse import assignment
import torch

assignment.alone("psnr", "a1_total_variation")


@assignment.visible("it")
def _it():
    low, high = torch.full((1, 1, 8, 8), 0.4), torch.full((1, 1, 8, 8), 0.5)
    assignment.near("psnr", psnr(low, high), 20, 0.01)


### BEGIN HIDDEN TESTS
@assignment.hidden("more")
def _more():
    for seed in (1, 2):
        secret = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        want = -10 * ((0.1 * secret) ** 2).mean().log10()
        assignment.near("psnr of secrets", psnr(secret, 0.9 * secret), want, 0.01)
### END HIDDEN TESTS"""
RIGHT = "def psnr(a, b):\n    return float(-10 * ((a.clamp(0, 1) - b) ** 2).mean().log10())"


def outcome(sandbox, *cells, seconds=20):
    """The outputs of cells, and of a test of psnr behind them; and the submission."""
    with execute.Submission(sandbox, NAME, seconds) as submission:
        outputs = [submission.run(source) for source in cells]
        return outputs, submission.test(TEST), submission


def passed(outputs):
    return not [output for output in outputs if output.output_type == "error"]


def words(outputs):
    return " ".join(
        f"{o.get('text', '')} {o.get('evalue', '')} {o.get('traceback', '')}" for o in outputs
    )


def test_a_right_answer_passes_and_a_wrong_one_does_not(sandbox):
    assert passed(outcome(sandbox, RIGHT)[1])
    _, got, _ = outcome(sandbox, RIGHT.replace("-10", "-20"))
    assert "mine 40, reference 20" in words(got)
    assert "NameError" in words(outcome(sandbox, "x = 1")[1])


def test_streams_of_random_numbers_are_the_same_on_both_sides(sandbox):
    """So that a test can seed a function, and sees when one moves a stream that is not its own."""
    cell = """
import random, numpy, torch
def psnr(fails=False):
    drawn = [torch.rand(1).item(), float(numpy.random.rand()), random.random()]
    return 1 / 0 if fails else drawn"""

    def seed(number):
        torch.manual_seed(number)
        numpy.random.seed(number)  # noqa: NPY002
        random.seed(number)

    space = {}
    exec(cell, space)
    with execute.Submission(sandbox, NAME, 20) as submission:
        submission.run(cell)
        theirs = submission.functions()["psnr"]
        for number in (1, 2):
            seed(number)
            got = theirs(), space["psnr"]()
            seed(number)
            assert got == (space["psnr"](), space["psnr"]())
        for drawn_between in (lambda: submission.run("psnr()"), lambda: theirs(True)):
            seed(3)
            first = theirs()
            with contextlib.suppress(ZeroDivisionError):
                drawn_between()
            second = theirs()
            seed(3)
            assert (first, second) == (space["psnr"](), space["psnr"]())


CHEATS = {
    "a fake module of tests": """
import sys, types
from dipcourse import assignment
always = lambda *a, **k: (lambda f: f)
names = dict.fromkeys(["near", "visible", "hidden", "alone"], always)
sys.modules["dipcourse.assignment"] = types.SimpleNamespace(**names)
assignment.near = always""",
    "IPython's own code": """
shell = get_ipython()
shell.run_ast_nodes = lambda *a, **k: None""",
    "a number that is always right": """
class Right(float):
    __eq__ = __le__ = __ge__ = lambda *a: True
    __sub__ = lambda *a: 0.0
    __hash__ = float.__hash__
def psnr(a, b):
    return Right(1)""",
    "an array of its own": """
import numpy
class Right(numpy.ndarray):
    def __array_ufunc__(self, *a, **k):
        return numpy.zeros(())
def psnr(a, b):
    return numpy.zeros(()).view(Right)""",
    "a tensor of its own": """
import torch
class Right(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *a, **k):
        return torch.zeros(())
def psnr(a, b):
    return torch.zeros(()).as_subclass(Right)""",
    "the frames of the test": """
import sys
def psnr(a, b):
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_globals.values(), *frame.f_locals.values()]:
            if callable(value) and getattr(value, "__name__", "") == "near":
                value.__code__ = (lambda *a, **k: None).__code__
        frame = frame.f_back
    return 1.0""",
    "the course's psnr": "from dipcourse.metrics import psnr",
    "the course's, from before the test": """
from dipcourse import metrics
kept = metrics.psnr
def psnr(a, b):
    return kept(a, b)""",
    "scikit-image's": """
def psnr(a, b):
    from skimage.metrics import peak_signal_noise_ratio
    return peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1)""",
    "no message": """
import gc, socket
def psnr(a, b):
    for one in gc.get_objects():
        if isinstance(one, socket.socket):
            one.sendall(b"x" * 1000)
    return 1.0""",
    "an answer that is too large": """
import torch
def psnr(a, b):
    return torch.zeros(100_000_000)""",
    "lists in lists": """
def psnr(a, b):
    x = []
    for _ in range(100000):
        x = [x]
    return x""",
    "the end of its process": "import os\ndef psnr(a, b):\n    os._exit(0)",
    "exit": "def psnr(a, b):\n    raise SystemExit",
    "a signal": """
import os, signal
def psnr(a, b):
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)""",
}  # fmt: skip


@WALLS
@pytest.mark.parametrize("cheat", CHEATS)
def test_cheats_earn_nothing_and_harm_nobody(sandbox, cheat):
    _, got, _ = outcome(sandbox, CHEATS[cheat])
    assert not passed(got), cheat
    assert passed(outcome(sandbox, RIGHT)[1])


@WALLS
def test_a_hidden_tests_numbers_are_shown_nowhere(sandbox):
    """Printed, raised, or kept for the next cell: none of it reaches the outputs."""
    for way in ("print(a, In)", "raise ValueError(str(a) + str(In))", "seen.append(a)"):
        cell = f"seen = []\ndef psnr(a, b):\n    if a.std() > 0.1:\n        {way}\n    return 20.0"
        _, got, _ = outcome(sandbox, cell)
        assert not passed(got)
        assert "tensor" not in words(got), way
        assert "secret" not in words(got).replace("psnr of secrets", "")


@WALLS
def test_other_photos_are_not_there(sandbox):
    """Nor by a function that was kept from the set-up; the notebook's own photo is there."""
    cell = "from dipcourse import images\nload = images.load\nprint(load('face', 8).shape)\n"
    (got,), _, _ = outcome(sandbox, cell + "load('coffee', 8)")
    assert "torch.Size([1, 3, 8, 8])" in words(got)
    assert "no photos are there but those of its own cells" in words(got)
    assert images.load("coffee", 8).shape == (1, 3, 8, 8)


@WALLS
def test_the_course_helps_a_cell_and_not_a_test(sandbox):
    """A function that a task asks for is called by the grader, while no test runs."""
    cell = """
import torch
from dipcourse import metrics
print(metrics.psnr(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)))"""
    (got,), _, _ = outcome(sandbox, cell)
    assert words(got).strip().startswith(("0.0", "-0.0"))


@WALLS
def test_nothing_can_be_written_or_reached(sandbox):
    cell = """
import os, socket
from pathlib import Path
for place in ("/course/x", "/usr/x", "/tmp/x", "/x", "/etc/x"):
    try:
        Path(place).write_text("x"); print("written", place)
    except OSError:
        pass
try:
    socket.create_connection(("1.1.1.1", 53), 1); print("reached")
except OSError:
    pass
print(os.listdir("/"), os.environ.get("SECRET"), Path("/proc/1/cmdline").read_bytes()[:5])
print([name for name in os.listdir("/proc") if name.isdigit()])"""
    (got,), _, _ = outcome(sandbox, cell)
    assert "written" not in words(got)
    assert "reached" not in words(got)
    assert "'home'" not in words(got)


def test_the_teachers_choice_of_instructions_holds_inside(monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    chosen = execute.sandbox_of(NAME, (), UNSAFE)
    cell = "import torch\nprint(torch.backends.cpu.get_cpu_capability())"
    (got,), _, _ = outcome(chosen, cell)
    chosen.close()
    assert words(got).split()[0] == "DEFAULT"


@WALLS
def test_nothing_is_left_for_the_next_submission(sandbox):
    cell = """
import subprocess
open("note", "w").write("psst")
open("/dev/shm/note", "w").write("psst")
subprocess.Popen(["sleep", "99"])"""
    outcome(sandbox, cell)
    cell = "import os\nprint(os.listdir(), os.listdir('/dev/shm'), os.listdir('/scratch'))\n"
    cell += "print([open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()])"
    (got,), _, _ = outcome(sandbox, cell)
    assert words(got).strip().startswith("[] []")
    assert "sleep" not in words(got)


GREEDY = {
    "memory": "kept = []\nwhile True:\n    kept.append(bytearray(200_000_000))",
    "disk": "file = open('x', 'wb')\nwhile True:\n    file.write(bytes(1_000_000))",
    "processes": """
import os, time
for _ in range(200):
    if os.fork() == 0:
        time.sleep(60)
time.sleep(60)""",
    "time": "while True:\n    pass",
}


@WALLS
@pytest.mark.parametrize("greed", GREEDY)
def test_greed_is_stopped_and_what_ran_before_is_still_there(sandbox, greed):
    outputs, got, submission = outcome(sandbox, RIGHT, GREEDY[greed], seconds=2)
    assert not passed(outputs[1])
    assert passed(got)
    if greed in ("processes", "time"):
        assert len(submission.incidents) == 1


def test_an_endless_loop_costs_its_limit_once(sandbox):
    with execute.Submission(sandbox, NAME, 2) as submission:
        submission.run("def psnr(a, b):\n    while True:\n        pass")
        first, second = submission.test(TEST), submission.test(TEST)
    assert "psnr was stopped after 2 seconds" in words(first)
    assert "it is not run again" in words(second)
    assert len(submission.incidents) == 1


def test_cells_run_again_as_they_ran_and_within_their_time(sandbox):
    """After a test that has ended the process: they may ask the grader for functions again."""
    course = "import os, torch\nfrom dipcourse import metrics\n"
    course += "number = metrics.psnr(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.1))"
    with execute.Submission(sandbox, NAME, 1) as submission:
        assert passed(submission.run(course))
        assert passed(submission.run("def psnr(a, b):\n    os._exit(0)"))
        assert "ended its process" in words(submission.test(TEST))
        assert "20.0" in words(submission.run("print(number)"))
        submission.ran.insert(0, "while True:\n    pass")  # the clock has told it to
        submission.again()
        assert "20.0" in words(submission.run("print(number)"))
        assert submission.incidents[-1] == "a cell that had run did not run again, and is left out"


@WALLS
def test_an_end_that_shows_late_costs_nobody_else(sandbox):
    """What a test has started ends the whole sandbox while the next cell runs."""
    late = """
import os, signal, threading, time
def end():
    os.kill(os.getppid(), signal.SIGKILL)
def denoise_tv():
    threading.Timer(0.3, end).start()"""
    with execute.Submission(sandbox, NAME, 20) as submission:
        assert passed(submission.run(late))
        assert passed(submission.test("denoise_tv()"))
        assert passed(submission.run(f"time.sleep(1)\n{RIGHT}"))
        assert passed(submission.test(TEST))


def test_a_test_leaves_the_grader_as_it_was(sandbox):
    outcome(sandbox, RIGHT)
    assert stage.standing == {}


def test_only_functions_that_tasks_ask_for_are_called_for_a_submission():
    assert course.served(NAME, "dipcourse.metrics.psnr")
    for name in (
        *("os.system", "metrics.psnr", "dipcourse", "dipcourse.images.load", "dipcourse.fit.fit"),
        *("dipcourse.degrade.add_noise", "dipcourse.metrics._gaussian", "dipcourse.metrics.os.x"),
    ):
        assert not course.served(NAME, name)
