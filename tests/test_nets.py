import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dipcourse import nets


def test_the_papers_network_has_the_papers_parameter_count():
    net = nets.UNet(32, 3, widths=(128,) * 5, skip=4)
    assert sum(p.numel() for p in net.parameters()) == 2_217_831


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 6),
    st.sampled_from(["bilinear", "nearest", "transposed"]),
    st.sampled_from([0, 2]),
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


def test_grid_holds_row_and_column():
    grid = nets.fixed_input(2, 5, 9, kind="grid", scale=1)
    assert torch.equal(grid[0, 0, :, 3], torch.linspace(0, 1, 5))
    assert torch.equal(grid[0, 1, 2], torch.linspace(0, 1, 9))


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
        (lambda: nets.fixed_input(3, 8, 8, kind="grid"), "2, the row and the column"),
        (lambda: nets.fixed_input(3, 8, 8, kind="ones"), "use 'uniform'"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()
