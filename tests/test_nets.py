import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dipcourse import degrade, fit, nets


def test_the_papers_network_has_the_papers_parameter_count():
    net = nets.UNet(32, 3, widths=(128,) * 5, skip=4)
    assert sum(p.numel() for p in net.parameters()) == 2_217_831


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 6),
    st.sampled_from(["bilinear", "nearest", "transposed"]),
    st.sampled_from([0, 2, "identity"]),
)
def test_any_size_goes_in_and_comes_out(height, width, scales, upsample, skip):
    net = nets.UNet(3, 1, widths=(4,) * scales, skip=skip, upsample=upsample)
    out = net(torch.rand(1, 3, height, width))
    assert out.shape == (1, 1, height, width)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()
    assert 0 <= out.min() <= out.max() <= 1


def test_every_parameter_gets_a_gradient():
    net = nets.UNet(3, 3, widths=(8, 8, 8), skip=(2, 0, 2), upsample="transposed")
    (net(torch.rand(1, 3, 32, 32)) ** 2).mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_skips_lead_where_they_should():
    net = nets.UNet(3, 3, widths=(8, 8, 8), skip=(4, 0, 2))
    assert [s is not None for s in net.skip] == [True, False, True]
    assert all(s is None for s in nets.UNet(3, 3, widths=(8, 8), skip=0).skip)
    # with a skip at the finest scale, a change of one pixel of z reaches its own place undimmed
    torch.manual_seed(0)
    z = torch.rand(1, 3, 32, 32)
    moved = z.clone()
    moved[:, :, 16, 16] += 1
    for skip, reaches in ((4, True), (0, False)):
        net = nets.UNet(3, 1, widths=(8, 8, 8), skip=skip, upsample="nearest").eval()
        change = (net(moved) - net(z)).abs()[0, 0]
        sharp = change[16, 16] > 2 * change[20, 20]
        assert bool(sharp) == reaches


def test_identity_skips_carry_the_features_themselves():
    net = nets.UNet(3, 1, widths=(5, 6, 7), skip=("identity", 0, "identity"))
    assert [up[0].num_features for up in net.up] == [3 + 6, 7, 6 + 7]
    entering = {}
    for i, up in enumerate(net.up):
        up.register_forward_pre_hook(lambda _, args, i=i: entering.update({i: args[0]}))
    z = torch.rand(1, 3, 32, 32)
    net(z)
    assert torch.equal(entering[0][:, :3], z)
    assert torch.equal(entering[2][:, :6], net.down[1](net.down[0](z)))
    plain = nets.UNet(3, 1, widths=(5, 6, 7), skip=0)
    more = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in plain.parameters())
    assert more == (3 * 5 + 6 * 7) * 9 + 2 * (3 + 6)  # filters and normalisation on the way up


@pytest.mark.parametrize("size", [(2, 2), (9, 40)])
def test_resnet_keeps_the_size_and_gives_every_parameter_a_gradient(size):
    net = nets.ResNet(5, 3, width=6, blocks=3)
    out = net(torch.rand(1, 5, *size))
    assert out.shape == (1, 3, *size)
    assert out.dtype == torch.float32
    assert 0 <= out.min() <= out.max() <= 1
    (out**2).mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_resnet_adds_its_blocks_and_sees_as_far_as_its_filters():
    net = nets.ResNet(5, 3, width=6, blocks=2).eval()
    z = torch.rand(1, 5, 40, 40)
    moved = z.clone()
    moved[:, :, 20, 20] += 1
    rows = (net(moved) - net(z)).abs().sum((0, 1, 3)).nonzero().flatten()
    assert [rows.min(), rows.max()] == [20 - 6, 20 + 6]  # 1 + 2·2 + 1 filters of 3 × 3
    for change in net.blocks:
        torch.nn.init.zeros_(change[-1].weight)
    assert torch.allclose(net(z), torch.sigmoid(net.out(net.enter(z))))


@pytest.mark.parametrize(("scales", "width"), [(6, 64), (6, 128), (4, 8)])
def test_deep_decoder_has_its_papers_size_and_parameter_count(scales, width):
    net = nets.DeepDecoder(width, 3, width=width, scales=scales)
    count = scales * width**2 + 2 * scales * width + 3 * width
    assert sum(p.numel() for p in net.parameters()) == count
    out = net(torch.rand(1, width, 2, 3))
    assert out.shape == (1, 3, 2 * 2**scales, 3 * 2**scales)
    assert 0 <= out.min() <= out.max() <= 1


def test_deep_decoder_is_the_papers_formula():
    net = nets.DeepDecoder(4, 3, width=5, scales=2)
    z = torch.rand(1, 4, 6, 4)
    mix = [m.weight[:, :, 0, 0] for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    x = z
    for weight in mix[:-1]:
        x = torch.einsum("oc,nchw->nohw", weight, x)
        x = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear").relu()
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
        x = (x - mean) / (variance + 1e-5).sqrt()
    want = torch.einsum("oc,nchw->nohw", mix[-1], x).sigmoid()
    assert torch.allclose(net(z), want, atol=1e-5)


def test_the_other_networks_can_be_fitted():
    torch.manual_seed(0)
    y = torch.full((1, 3, 16, 16), 0.3)
    y[..., :8] = 0.6
    for net, side in ((nets.ResNet(4, 3, 8, 2), 16), (nets.DeepDecoder(4, 3, 8, 2), 4)):
        z = nets.fixed_input(4, side, side)
        quiet = {"progress": False, "precision": "float32", "device": "cpu"}
        history = fit.fit(net, z, y, degrade.Identity(), steps=60, lr=0.02, **quiet)
        assert history.loss[-1] < 0.3 * history.loss[0]


def test_pixels_ignore_z_and_are_a_copy():
    start = torch.rand(1, 3, 8, 8)
    net = nets.PixelImage(start)
    assert torch.equal(net(None), start)
    assert [p.shape for p in net.parameters()] == [start.shape]
    net.pixels.data += 1
    assert start.max() <= 1


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_fixed_input_is_repeatable_and_scaled(kind):
    one, again = (nets.fixed_input(8, 64, 64, seed=3, kind=kind) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, nets.fixed_input(8, 64, 64, seed=4, kind=kind))
    spread = {"uniform": 0.1 / 12**0.5, "normal": 0.1}[kind]
    assert one.std().item() == pytest.approx(spread, rel=0.02)
    assert torch.allclose(nets.fixed_input(8, 64, 64, seed=3, kind=kind, scale=1), 10 * one)
    assert torch.equal(one, nets.fixed_input(8, 64, 64, seed=np.int64(3), kind=kind))


def test_grid_holds_row_and_column():
    grid = nets.fixed_input(2, 5, 9, kind="grid", scale=1)
    assert torch.equal(grid[0, 0, :, 3], torch.linspace(0, 1, 5))
    assert torch.equal(grid[0, 1, 2], torch.linspace(0, 1, 9))


@pytest.mark.parametrize("room", [nets, degrade])
def test_each_network_and_operator_says_the_shape_of_its_answer(room):
    for name, kind in inspect.getmembers(room, inspect.isclass):
        if issubclass(kind, torch.nn.Module):
            answer = inspect.getsource(kind.forward).rstrip().splitlines()[-1]
            assert "  # (1, " in answer, f"{name}.forward"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: nets.UNet(3, 3, widths=()), "1 to 6 scales"),
        (lambda: nets.UNet(3, 3, widths=(8,) * 7), "1 to 6 scales"),
        (lambda: nets.UNet(3, 3, widths=(8, 8), skip=(4,)), "one for each scale"),
        (lambda: nets.UNet(3, 3, widths=(8, 8), skip=-1), "one for each scale"),
        (lambda: nets.UNet(3, 3, widths=(8,), upsample="cubic"), "nearest"),
        (lambda: nets.UNet(3, 3, widths=(8,))(torch.rand(1, 4, 8, 8)), r"\(1, 3, H, W\)"),
        (lambda: nets.UNet(3, 3, widths=(8,))(None), "z has shape None"),
        (lambda: nets.UNet(3, 3, widths=(8, 8), skip=(4, "same")), "'identity'"),
        (lambda: nets.UNet(3, 3, widths=(8, 8), skip=1.5), "'identity'"),
        (lambda: nets.ResNet(3, 3, blocks=0), "at least 1"),
        (lambda: nets.ResNet(3, 3)(torch.rand(1, 4, 8, 8)), r"\(1, 3, H, W\)"),
        (lambda: nets.DeepDecoder(3, 3, scales=0), "at least 1"),
        (lambda: nets.fixed_input(8, 4, 4, seed=0.5), "seed=0.5: use a whole number"),
        (lambda: nets.DeepDecoder(3, 3)(torch.rand(1, 4, 8, 8)), r"\(1, 3, H, W\)"),
        (lambda: nets.fixed_input(3, 8, 8, kind="grid"), "2, the row and the column"),
        (lambda: nets.fixed_input(3, 8, 8, kind="ones"), "use 'uniform'"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()
