"""check.expect: one clear line, never an exception."""

import sys

import numpy as np
import pytest
import torch

from dipcourse.check import expect

NAN, INF = float("nan"), float("inf")


def line(capsys, *args, **kwargs):
    """What expect prints: always one line, on stdout."""
    assert expect("it", *args, **kwargs) is None
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    return out.strip()


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (4, 4.00001),
        (True, True),
        (np.bool_(True), torch.tensor(True)),
        ("yes", "yes"),
        (None, None),
        ((1, 3, 8, 8), torch.Size([1, 3, 8, 8])),
        (torch.ones(2, 3, requires_grad=True), np.ones((2, 3))),
        (torch.ones(2, dtype=torch.bfloat16), [1, 1]),
        (torch.tensor([NAN, INF]), [NAN, INF]),
        (torch.fft.fft(torch.eye(2)), np.fft.fft(np.eye(2))),
        (torch.zeros(0), []),
    ],
)
def test_right(capsys, got, want):
    assert line(capsys, got, want=want).startswith("✓ it: right. ")


@pytest.mark.parametrize(
    ("got", "want", "words"),
    [
        (4.5, 4, "mine 4.5, reference 4, a difference of 0.5 (0.0001 allowed)"),
        (2217832, 2217831, "mine 2,217,832, reference 2,217,831, a difference of 1"),
        (torch.tensor([[0.0, 1.0]]), [[0, 3]], "mine 1, reference 3 at [0, 1], the largest diff"),
        (torch.ones(3, 1), torch.ones(1, 3), "mine has shape (3, 1), the reference shape (1, 3)"),
        ((1, 3), (1, 3, 8), "mine has 2 values (1, 3), the reference 3 values (1, 3, 8)"),
        (torch.ones(2, 2), 1.0, "mine has shape (2, 2), the reference the single number 1"),
        (torch.tensor([1, NAN]), [1, 2], "mine has 1 NaN among 2 values"),
        (
            torch.tensor([NAN, 1]),
            [1, NAN],
            "mine nan, reference 1 at [0], the largest difference is inf",
        ),
        (1.0, NAN, "mine 1, reference nan"),
        (INF, 1.0, "mine inf, reference 1"),
        (INF, -INF, "mine inf, reference -inf"),
        (False, True, "mine 0, reference 1"),
        ("no", "yes", "mine 'no', reference 'yes'"),
        (None, 1.0, "mine is None: does your function end with return?"),
        ("text", 1.0, "mine is a str, the reference 1"),
        ([[1], [1, 2]], [1, 2], "mine is a list, the reference has shape (2,)"),
        (1j, 1, "a difference of 1.41"),
    ],
)
def test_wrong(capsys, got, want, words):
    said = line(capsys, got, want=want)
    assert said.startswith("✗ it: wrong. ")
    assert words in said


def test_a_function_is_called_with_its_arguments(capsys):
    assert "right. mine 5" in line(capsys, lambda: 5, want=5)
    assert "right. mine 5" in line(capsys, max, 5, 3, want=5)
    assert "wrong. mine 5" in line(capsys, max, 5, 3, want=3)


def test_tolerance(capsys):
    assert "✓" in line(capsys, torch.tensor([1.0, 2.05]), want=[1, 2], tol=0.1)
    assert "✗" in line(capsys, torch.tensor([1.0, 2.05]), want=[1, 2], tol=0.01)


def test_trouble_is_reported(capsys):
    def stub():
        raise NotImplementedError

    def broken():
        return 1 + "1"

    assert line(capsys, stub, want=1) == "☐ it: not written yet"
    assert line(capsys, broken, want=1).startswith("✗ it: raised TypeError: unsupported operand")
    assert line(capsys, lambda: sys.exit(2), want=1) == "✗ it: raised SystemExit: 2"


def test_a_message_of_many_lines_stays_one(capsys):
    def broken():
        raise RuntimeError("first\nsecond")

    assert "first second" in line(capsys, broken, want=1)


def test_stopping_by_hand_stops():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        expect("it", interrupted, want=1)
