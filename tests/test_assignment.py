"""The helpers of test cells: what they accept, what they say, and that nobody can bend them."""

import linecache
import math
import re

import numpy
import pytest
import torch

from dipcourse import assignment, check
from dipcourse.assignment import board, stage


def message(call, *arguments, **options):
    with pytest.raises(AssertionError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_near_takes_numbers_in_any_dress():
    for got in (2, 2.0, numpy.float32(2), torch.tensor(2.0, requires_grad=True), numpy.array(2)):
        assignment.near("it", got, 2)
    assignment.near("it", math.inf, math.inf)
    assert "return" in message(assignment.near, "it", None, 2)
    assert "NaN" in message(assignment.near, "it", torch.tensor(math.nan), 2)
    assert "shape" in message(assignment.near, "it", torch.zeros(2), torch.zeros(3))


def test_near_is_not_deceived_by_a_number_that_equals_everything():
    class Liar(float):
        def __eq__(self, other):
            return True

        def __sub__(self, other):
            return 0.0

        __le__ = __ge__ = __eq__
        __hash__ = float.__hash__

    assert "mine 3" in message(assignment.near, "it", Liar(3), 2)
    assert "3" in message(assignment.below, "it", Liar(3), 2)


def test_limits():
    assignment.below("it", torch.tensor([1.0]), 1)
    assignment.above("it", 1, 1)
    assert "at most 1" in message(assignment.below, "it", 1.5, 1)
    assert "at least 2" in message(assignment.above, "it", 1.5, 2)
    for bad in (math.nan, None, "word", torch.zeros(2)):
        message(assignment.below, "it", bad, 1)
        message(assignment.above, "it", bad, -1)


def test_whole():
    for got in (3, 3.0, numpy.int64(3), torch.tensor(3)):
        assert assignment.whole("it", got, 4) == 3
    assert "0 … 2" in message(assignment.whole, "it", 3, 3)
    assert "0 … 2" in message(assignment.whole, "it", -1, 3)
    assert "whole" in message(assignment.whole, "it", 1.5, 3)
    for bad in (None, math.nan, [1, 2], "3"):
        message(assignment.whole, "it", bad, 9)


def test_arrays():
    got = assignment.is_array("it", numpy.array([1, math.nan], dtype="float32"), (2,))
    assert got.dtype == numpy.float64
    assert got[0] == 1
    assert math.isnan(got[1])
    assert "tensor" in message(assignment.is_array, "it", torch.zeros(2), (2,)).lower()
    assert "return" in message(assignment.is_array, "it", None, (2,))
    assert "shape" in message(assignment.is_array, "it", numpy.zeros((2, 1)), (2,))
    assert "numbers" in message(assignment.is_array, "it", numpy.array(["a", "b"]), (2,))


def test_award():
    steps = {0.2: 2, 0.5: 4}
    assert assignment.award("it", 0.2, steps) == 2
    assert assignment.award("it", 9, steps) == 4
    assert "begin at 0.2" in message(assignment.award, "it", 0.19, steps)
    message(assignment.award, "it", math.nan, steps)


def test_is_tensor_names_what_is_wrong():
    leaf = torch.zeros(2, requires_grad=True)
    assert assignment.is_tensor("it", leaf * 2, shape=(2,), attached=True).tolist() == [0, 0]
    assert "return" in message(assignment.is_tensor, "it", None)
    assert "(2,)" in message(assignment.is_tensor, "it", leaf, shape=(3,))
    assert "detach" in message(assignment.is_tensor, "it", leaf * 2, attached=False)
    assert "gradient" in message(assignment.is_tensor, "it", torch.zeros(2), attached=True)
    assert "finite" in message(assignment.is_tensor, "it", torch.tensor([math.inf]))


def test_refuses():
    def fails(error):
        raise error

    assignment.refuses("it", lambda: fails(ValueError("no")))
    assert "none was raised" in message(assignment.refuses, "it", lambda: None)
    assert "TypeError: no" in message(assignment.refuses, "it", lambda: fails(TypeError("no")))
    with pytest.raises(NotImplementedError):  # a stub is not an answer
        assignment.refuses("it", lambda: fails(NotImplementedError()))


def test_floats_are_a_list_of_python_floats():
    assert assignment.floats("it", [0.5, numpy.float64(2)], 2) == [0.5, 2.0]
    assert assignment.floats("it", [], 0) == []
    assert "return" in message(assignment.floats, "it", None, 2)
    assert "a Tensor" in message(assignment.floats, "it", torch.zeros(2), 2)
    assert "number 1" in message(assignment.floats, "it", [0.5, torch.tensor(1.0)], 2)
    assert "3 values are asked for, and came 2" in message(assignment.floats, "it", [0.5, 1.0], 3)
    assert "nan" in message(assignment.floats, "it", [math.nan], 1)


def test_pair():
    assert assignment.pair("it", (1, 2)) == (1, 2)
    for wrong, word in ((None, "None"), ((1, 2, 3), "came 3"), (torch.zeros(2), "a Tensor")):
        assert word in message(assignment.pair, "it", wrong)


def test_passes(capsys):
    def fails(error):
        raise error

    assert assignment.passes("first", lambda: None) == 1
    assert assignment.passes("second", lambda: fails(AssertionError("too small"))) == 0
    assert assignment.passes("third", lambda: fails(KeyError("x"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["first: reached", "second: not reached. too small"]
    assert "KeyError" in lines[2]
    with pytest.raises(NotImplementedError):
        assignment.passes("fourth", lambda: fails(NotImplementedError()))


def test_unchanged_lets_an_error_pass():
    x = torch.zeros(2)
    with pytest.raises(ZeroDivisionError), assignment.unchanged("x", x):
        x.copy_(1 / 0)
    with assignment.unchanged("x", x):
        x + 1


def test_given_puts_names_back(monkeypatch):
    space = {"assignment": assignment, "kept": 1}
    exec(
        "def reads():\n    return kept, new\n"
        "with assignment.given(kept=2, new=3):\n    inside = reads()",
        space,
    )
    assert space["inside"] == (2, 3)
    assert space["kept"] == 1
    assert "new" not in space


def test_visible_reports_and_never_raises(capsys, monkeypatch):
    monkeypatch.setattr(board, "strict", False)
    monkeypatch.setattr(board, "tests", {})

    @assignment.visible("1 right")
    def right():
        pass

    @assignment.visible("2 wrong")
    def wrong():
        assignment.near("it", 1, 2)

    @assignment.visible("3 open")
    def open_():
        raise NotImplementedError

    @assignment.visible("4 broken")
    def broken():
        1 / 0  # noqa: B018

    text = capsys.readouterr().out
    for line in (
        "✓ 1 right: passed\n",
        "✗ 2 wrong: failed\n   it: mine 1",
        "☐ 3 open: not written yet\n",
        "✗ 4 broken: failed\n",
    ):
        assert line in text
    assert "ZeroDivisionError" in text
    assignment.run("right")
    assert capsys.readouterr().out == "✓ 1 right: passed\n"
    assignment.run()
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_visible_raises_under_the_grader(monkeypatch):
    monkeypatch.setattr(board, "strict", True)

    def wrong():
        assignment.near("it", 1, 2)

    message(assignment.visible("1 wrong"), wrong)
    message(assignment.hidden("wrong"), wrong)
    with pytest.raises(ZeroDivisionError):
        assignment.hidden("broken")(lambda: 1 / 0)


def test_attempt_is_for_students_alone(monkeypatch, capsys):
    def stub():
        raise NotImplementedError

    monkeypatch.setattr(board, "strict", False)
    assignment.attempt(stub)
    assert "write the function above first" in capsys.readouterr().out.lower()
    monkeypatch.setattr(board, "strict", True)
    assignment.attempt(lambda: 1 / 0)


@pytest.mark.parametrize("error", [KeyError("?"), AssertionError(), SystemExit(), RecursionError()])
def test_attempt_says_what_went_wrong_and_stops_nobody(monkeypatch, capsys, error):
    """In words, with the line of the notebook, whatever a student's function raises."""
    monkeypatch.setattr(board, "strict", False)
    file = "<ipython-input-7>"
    source = "def mine():\n    raise error\n"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = {"error": error}
    exec(compile(source, file, "exec"), space)
    assignment.attempt(space["mine"])
    said = capsys.readouterr().out
    assert said.startswith("✗ nothing to see: failed\n")
    assert f"your code raised {type(error).__name__}" in said
    assert "in mine, line 2: raise error" in said


def test_attempt_leaves_an_interrupt_alone(monkeypatch):
    monkeypatch.setattr(board, "strict", False)

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assignment.attempt(interrupted)


def test_every_line_has_a_word(monkeypatch, capsys):
    """Where a font has no ✓, ✗ and ☐, all three are the same empty box."""
    monkeypatch.setattr(board, "strict", False)

    def raises(error):
        raise error

    for what in (lambda: 1, lambda: 1 / 0, lambda: raises(NotImplementedError())):
        assignment.visible("a test")(what)
        assignment.attempt(what)
        check.expect("a result", what, want=1)
    check.expect("a result", 1, want=2)
    for line in capsys.readouterr().out.splitlines():
        if line[0] in "✓✗☐":
            assert re.search(r"passed|failed|not written yet|right|wrong|raised", line), line


@pytest.fixture
def notebook(monkeypatch):
    """The name space of a notebook, and how to run a cell in it."""
    monkeypatch.setattr(board, "strict", True)
    monkeypatch.setattr(stage, "under_test", "")
    monkeypatch.setattr(stage, "stand_ins", {})
    space = {"__name__": "notebook", "assignment": assignment, "torch": torch}

    def run(source):
        exec(source, space)
        return space

    return run


def test_alone_gives_ours_for_all_other_tasks(notebook):
    """Also where the student's is empty or gone; afterwards theirs is back."""
    space = notebook(
        "def data_term(x, y):\n    raise NotImplementedError\n"
        "def denoise_tv(y, weight):\n    return data_term(y, y), total_variation(y)\n"
        "assignment.alone('denoise_tv', 'a1_total_variation')\n"
        "@assignment.hidden('it')\ndef _it():\n    return denoise_tv(torch.ones(1, 1, 8, 8), 1)\n"
    )
    assert space["_it"][0] == 0
    assert "total_variation" not in space
    with pytest.raises(NotImplementedError):
        space["data_term"](1, 1)


def test_alone_knows_its_assignments():
    with pytest.raises(ValueError, match="a1_total_variation"):
        assignment.alone("psnr", "a1")


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        ("torch.tensor([0.1, 0.9])", "a.clamp_(0.4, 0.6)"),
        ("torch.tensor([0.1, 0.9])", "a.resize_(1)"),
        ("torch.tensor([0, torch.nan])", "a[0] = torch.nan"),
        ("torch.ones(2, requires_grad=True)", "a.data.mul_(2)"),
        ("torch.ones(2).numpy()", "a += 1"),
        ("[0.3, 0.1]", "a.sort()"),
        ("[0.3]", "a.append(1)"),
        ("[torch.zeros(2)]", "a[0] += 1"),
        ("degrade.Mask(torch.eye(8)[None, None])", "a.mask.fill_(1)"),
    ],
)
def test_alone_watches_the_arguments(notebook, argument, change):
    notebook("from dipcourse import degrade")
    cell = (
        f"def psnr(a, b):\n    {{}}\n    return 0\n"
        "assignment.alone('psnr', 'a1_total_variation')\n"
        f"@assignment.hidden('it')\ndef _it():\n    psnr({argument}, b=1)\n"
    )
    notebook(cell.format("a"))
    assert "changes its argument a" in message(notebook, cell.format(change))


def test_alone_watches_arguments_without_names_too(notebook):
    cell = (
        "def psnr(*pictures):\n    pictures[1].zero_()\n"
        "assignment.alone('psnr', 'a1_total_variation')\n"
        "@assignment.hidden('it')\ndef _it():\n    psnr(torch.ones(1), torch.ones(1))\n"
    )
    assert "changes its argument pictures" in message(notebook, cell)


def test_alone_lets_a_function_call_itself(notebook):
    """What it hands on to itself it may change."""
    notebook(
        "def running_mean(frames, decay, total=None):\n"
        "    if total is None:\n        return running_mean(frames, decay, torch.zeros(1))\n"
        "    return total.add_(1)\n"
        "assignment.alone('running_mean', 'a3_restoration')\n"
        "@assignment.hidden('it')\ndef _it():\n    running_mean([torch.ones(1)], 0.5)\n"
    )


def test_alone_lets_a_network_learn_and_a_generator_move(notebook):
    notebook(
        "def fit_image(net, generator):\n"
        "    net.weight.data.add_(torch.rand(1, generator=generator))\n"
        "assignment.alone('fit_image', 'a2_random_unet')\n"
        "@assignment.hidden('it')\ndef _it():\n"
        "    fit_image(torch.nn.Linear(1, 1), torch.Generator())\n"
    )


def test_hidden_raises_everywhere(monkeypatch):
    monkeypatch.setattr(board, "strict", False)
    assert message(assignment.hidden("a word"), lambda: assignment.near("it", 1, 2)).startswith(
        "a hidden test, a word: it: mine 1"
    )
