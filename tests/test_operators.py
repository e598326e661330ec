"""Operators of one's own: what a fit takes as it is, and what it refuses and in which words."""

import pytest
import torch
from torch import nn

from dipcourse import degrade, fit, nets
from dipcourse.fit import data_term

SHAPE = (1, 1, 16, 16)


class Own(nn.Module):
    """A module whose forward is a given function."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(()))  # its own gradient is none of x

    def forward(self, x):
        return self.function(x)


def fitted(operator, y, start=None):
    net = nets.PixelImage(torch.full(SHAPE, 0.25) if start is None else start)
    return fit.fit(net, None, y, operator, steps=3, lr=0.1, progress=False)


def fourier(x):
    k = torch.fft.fft2(x, norm="ortho")
    return torch.cat([k.real, k.imag], 1)


@pytest.mark.parametrize(
    "function",
    [
        fourier,
        lambda x: 30 * x.sum(2, keepdim=True) - 5,  # far outside [0, 1], (1, 1, 1, 16)
        lambda x: x.expand(-1, 5, -1, -1),  # five channels are no picture
        lambda x: x - x.mean(),  # the gradient of its sum is 0
    ],
)
def test_an_operator_that_fits_is_taken_as_it_is(function):
    y = function(torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)))
    history = fitted(Own(function), y, torch.linspace(0, 1, 256).view(SHAPE))
    assert history.loss[-1] < history.loss[0]


def numpy_fft(x):
    return torch.from_numpy(x.numpy())


def own_weight(x):
    return x.detach() * Own(None).weight


REFUSED = {
    "no tensor": (lambda x: [x], "A returns a list"),
    "numpy": (numpy_fft, "hands the picture to NumPy"),
    "complex": (torch.fft.fft2, "complex numbers.*two channels"),
    "wrong shape": (lambda x: x[..., ::2], r"has shape \(1, 1, 16, 8\), y .*the same operator"),
    "not batched": (lambda x: x[0], "keep all four dimensions"),
    "detached": (lambda x: x.detach(), "has no gradient with respect to x"),
    "detached, with a weight": (own_weight, "has no gradient with respect to x"),
    "rounded": (torch.round, "gradient of A.x. is 0 everywhere"),
    "root of 0": (lambda x: (x - 0.25).abs().sqrt(), "gradient of A.x. is NaN or infinite"),
    "other dtype": (lambda x: x.double(), r"dtype torch\.float64, y torch\.float32"),
    "other device": (lambda x: x.to("meta"), "on meta, x and y on cpu: .*register_buffer"),
    "mixed devices": (lambda x: x * torch.ones(SHAPE, device="meta"), "mixes devices"),
    "not finite": (lambda x: x / (x - 0.25), "NaN or infinite although x has none"),
    "writes into x": (lambda x: x.mul_(2), "do not write into x"),
    "random": (lambda x: x + torch.rand_like(x), "something else each time"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operator_that_does_not_fit_is_refused_in_words(name):
    function, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        fitted(Own(function), torch.zeros(SHAPE))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0.0], "y is a list"),
        (torch.zeros(SHAPE, dtype=torch.complex64), "y is complex.*two channels"),
        (torch.zeros(1, 16, 16), r"shape \(1, 16, 16\)"),
        (torch.zeros(2, 1, 16, 16), r"shape \(2, 1, 16, 16\)"),
        (torch.zeros(SHAPE).double(), r"float64: use a float32"),
        (torch.full(SHAPE, torch.inf), "NaN or infinite"),
    ],
)
def test_a_measurement_that_does_not_fit_is_refused_in_words(y, words):
    with pytest.raises(ValueError, match=words):
        fitted(Own(fourier), y)


def test_other_errors_of_an_operator_come_through_as_they_are():
    with pytest.raises(RuntimeError, match="size of tensor"):
        fitted(Own(lambda x: x + torch.zeros(1, 1, 16, 15)), torch.zeros(SHAPE))


def test_the_check_draws_nothing_from_the_random_numbers_of_others():
    y = torch.zeros(SHAPE)
    torch.manual_seed(0)
    fitted(degrade.Identity(), y)
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), drawn)


def test_a_mask_may_weigh_each_channel_for_itself():
    error = torch.stack([torch.ones(4, 4), 3 * torch.ones(4, 4)])[None]
    weight = torch.stack([torch.zeros(4, 4), torch.eye(4)])[None]
    assert data_term.mean_over(error, weight) == 3
    assert data_term.mean_over(error, torch.eye(4)[None, None]) == 2
