import pytest
import torch
from torch import nn

from dipcourse import memory, nets


def test_it_counts_what_the_layers_keep_and_four_copies_of_the_weights():
    net = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.Sigmoid())
    z = torch.zeros(1, 4, 64, 64)
    kept = 4 * (4 + 8) * 64 * 64  # the input of the convolution and the output of the sigmoid
    weights = 4 * 4 * 8
    want = memory.WORKSPACE * kept + 4 * weights
    assert abs(memory.needed(net, z) - want) <= memory.WORKSPACE * weights


def test_a_large_picture_is_judged_by_a_piece_of_it():
    net = nets.UNet(8, 3, widths=(16, 16), skip=4)
    pieces = [memory.needed(net, torch.zeros(1, 8, side, side)) for side in (128, 512)]
    assert 15 < pieces[1] / pieces[0] < 16.1


def test_bfloat16_needs_about_half():
    net, z = nets.UNet(8, 3, widths=(32, 32)), torch.zeros(1, 8, 128, 128)
    ratio = memory.needed(net, z, "bfloat16") / memory.needed(net, z)
    assert 0.4 < ratio < 0.7


def test_the_net_is_not_touched_and_a_net_that_will_not_run_is_not_judged():
    net = nets.UNet(8, 3, widths=(16, 16))
    before = net.down[0][0][1].running_mean.clone()
    memory.needed(net, torch.rand(1, 8, 32, 32))
    assert torch.equal(net.down[0][0][1].running_mean, before)
    assert memory.needed(nn.Linear(3, 3), torch.zeros(1, 8, 32, 32)) is None


def test_pixels_need_no_more_than_their_copies():
    assert memory.needed(nets.PixelImage(torch.zeros(1, 3, 8, 8)), None) == 4 * 4 * 3 * 64


def test_the_message_says_what_to_reduce(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda device: 2 * 10**9)
    net, z = nets.UNet(8, 3, widths=(64, 64)), torch.zeros(1, 8, 4096, 4096)
    with pytest.raises(MemoryError, match=r"2\.0 GB are free .*widths"):
        memory.require(net, z, "float32", "cpu")
