import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dipcourse import degrade, images, metrics


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def dense(operator, shape):
    """The operator's matrix, column by column."""
    basis = torch.eye(torch.Size(shape).numel()).view(-1, *shape)
    return torch.stack([operator(e[None]).flatten() for e in basis], dim=1)


OPERATORS = [
    (degrade.Identity(), (1, 3, 8, 10)),
    (degrade.Mask(degrade.random_mask(8, 10, 0.5, seeded())), (1, 3, 8, 10)),
    (degrade.Downsample(2), (1, 3, 8, 12)),
    (degrade.Downsample(3), (1, 1, 9, 12)),
    (degrade.Downsample(4), (1, 1, 8, 16)),
    (degrade.Blur(0.8), (1, 3, 8, 10)),
]


@pytest.mark.parametrize(("operator", "shape"), OPERATORS)
def test_operators_are_their_matrix_and_backward_is_its_transpose(operator, shape):
    matrix = dense(operator, shape[1:])
    x = torch.rand(shape, generator=seeded(), requires_grad=True)
    y = operator(x)
    assert torch.allclose(y.flatten(), matrix @ x.flatten(), atol=1e-5)
    v = torch.rand(y.shape, generator=seeded(1))
    (transposed,) = torch.autograd.grad((y * v).sum(), x)
    assert torch.allclose(transposed.flatten(), matrix.T @ v.flatten(), atol=1e-5)


def lanczos2(distance):
    distance = torch.tensor(distance, dtype=torch.float64)
    return float(torch.sinc(distance) * torch.sinc(distance / 2)) if abs(distance) < 2 else 0.0


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_lanczos_weights_follow_the_written_definition(factor):
    centre = 10.5 * factor - 0.5  # of output pixel 10, in input pixels
    raw = {j: lanczos2((j - centre) / factor) for j in range(21 * factor)}
    raw = [w for w in raw.values() if abs(w) > 1e-15]
    weights = degrade.lanczos_weights(factor)
    weights = weights[weights.abs() > 1e-9].double()
    assert torch.allclose(weights, torch.tensor(raw, dtype=torch.float64) / sum(raw), atol=1e-6)
    assert torch.equal(weights, weights.flip(0))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_downsampling_keeps_flat_pictures_and_the_phase_of_ramps(factor):
    flat = torch.full((1, 3, 8 * factor, 8 * factor), 0.3)
    assert torch.allclose(degrade.Downsample(factor)(flat), flat[:, :, :8, :8], atol=1e-6)
    ramp = torch.arange(12.0 * factor).expand(1, 1, 12 * factor, -1)
    small = degrade.Downsample(factor)(ramp)[0, 0, 5]
    centres = (torch.arange(12) + 0.5) * factor - 0.5
    assert torch.allclose(small[3:-3], centres[3:-3], atol=1e-3)


def test_downsampling_treats_channels_apart():
    x = torch.zeros(1, 3, 8, 8)
    x[:, 1] = 1
    assert torch.allclose(degrade.Downsample(2)(x), x[:, :, :4, :4], atol=1e-6)


@pytest.mark.parametrize("sigma", [0.4, 1.5])
def test_blur_has_the_written_weights(sigma):
    x = torch.zeros(1, 1, 33, 35)
    x[0, 0, 16, 17] = 1
    spread = degrade.Blur(sigma)(x)[0, 0]
    rows, columns = torch.arange(33)[:, None] - 16, torch.arange(35)[None] - 17
    want = torch.exp(-(rows**2 + columns**2) / (2 * sigma**2))
    want[(torch.maximum(rows.abs(), columns.abs()) > math.ceil(3 * sigma))] = 0
    assert torch.allclose(spread, want / want.sum(), atol=1e-6)


def test_blur_repeats_the_border_and_keeps_channels_apart():
    edge = torch.zeros(1, 3, 16, 16)
    edge[:, 1] = 1
    assert torch.allclose(degrade.Blur(2.0)(edge), edge, atol=1e-6)
    ramp = torch.arange(16.0).expand(1, 1, 16, -1)
    blurred = degrade.Blur(1.0)(ramp)[0, 0, 8]
    assert torch.allclose(blurred[3:-3], ramp[0, 0, 8, 3:-3], atol=1e-5)
    weights = torch.exp(-(torch.arange(-3.0, 4.0) ** 2) / 2)
    want = (weights * torch.tensor([0.0, 0, 0, 0, 1, 2, 3])).sum() / weights.sum()
    assert blurred[0] == pytest.approx(want.item(), abs=1e-5)


@pytest.mark.parametrize("grey", [False, True])
def test_jpeg_is_what_pillow_writes_and_reads(grey, tmp_path):
    x = images.load("face", 65, grey=grey)
    array = (images.to_numpy(x) * 255).round().astype("uint8")
    Image.fromarray(array).save(tmp_path / "x.jpg", quality=10)
    y = degrade.jpeg(x, 10)
    assert torch.equal(y, images.load(tmp_path / "x.jpg"))
    assert y.shape == x.shape
    assert y.dtype == torch.float32


def test_jpeg_gets_worse_with_its_quality_and_loses_colours_first():
    x = images.load("face", 64)
    scores = [metrics.psnr(degrade.jpeg(x, quality), x) for quality in (5, 10, 20, 50, 95)]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 10
    stripes = torch.zeros(1, 3, 16, 16)
    stripes[:, 0, :, ::2] = 1  # red at every second column
    stripes[:, 1, :, ::2] = -0.299 / 0.587 * 0.5  # … without a change of brightness
    stripes[:, 1] += 0.4
    stripes[:, 0] *= 0.5
    assert degrade.jpeg(stripes, 95)[:, 0].std() < 0.2 * stripes[:, 0].std()


def test_whole_numbers_of_numpy_are_whole_numbers():
    x = images.load("face", 64)
    assert torch.equal(degrade.jpeg(x, np.int64(20)), degrade.jpeg(x, 20))
    assert torch.equal(degrade.Downsample(np.uint8(2))(x), degrade.Downsample(2)(x))


def test_operators_have_nothing_to_train():
    for operator, _ in OPERATORS:
        assert not list(operator.parameters())


@pytest.mark.parametrize("kind", ["gaussian", "uniform", "salt_pepper"])
@pytest.mark.parametrize("sigma", [15 / 255, 50 / 255])
def test_every_kind_of_noise_has_the_standard_deviation_that_was_asked_for(kind, sigma):
    x = images.load("astronaut", 256)
    y = degrade.add_noise(x, sigma, kind, seeded(), clip=False)
    assert metrics.mse(y, x) ** 0.5 == pytest.approx(sigma, rel=0.02)


def test_kinds_of_noise_have_their_shape():
    x = torch.full((1, 3, 64, 64), 0.4)
    uniform = degrade.add_noise(x, 0.1, "uniform", seeded()) - x
    assert uniform.abs().max() <= 3**0.5 * 0.1 + 1e-6
    pepper = degrade.add_noise(x, 0.1, "salt_pepper", seeded())
    hit = pepper != 0.4
    assert set(pepper[hit].tolist()) == {0.0, 1.0}
    assert torch.equal(hit[:, :1].expand_as(hit), hit)  # a hit pixel is hit in all channels


def test_clipping_lowers_the_error_and_is_optional():
    x = images.load("face", 96)
    clipped, free = (degrade.add_noise(x, 0.2, generator=seeded(), clip=c) for c in (True, False))
    assert clipped.min() >= 0
    assert clipped.max() <= 1
    assert torch.equal(clipped, free.clamp(0, 1))
    assert metrics.mse(clipped, x) < metrics.mse(free, x)


@settings(deadline=None, max_examples=30)
@given(st.integers(8, 40), st.integers(8, 40), st.floats(0.05, 0.95), st.integers(0, 99))
def test_masks_keep_about_the_share_asked_for(height, width, keep, seed):
    mask = degrade.random_mask(height, width, keep, seeded(seed))
    assert mask.shape == (1, 1, height, width)
    spread = (keep * (1 - keep) / mask.numel()) ** 0.5
    assert abs(mask.mean().item() - keep) < 6 * spread


@pytest.mark.parametrize("size", [10, 14, 40])
@pytest.mark.parametrize("shape", [(64, 96), (192, 70)])
def test_text_covers_the_whole_picture_alike_each_time(shape, size):
    mask = degrade.text_mask(*shape, size=size)
    assert mask.shape == (1, 1, *shape)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(mask, degrade.text_mask(*shape, size=size))
    assert 0.1 < 1 - mask.mean() < 0.35
    hidden = 1 - mask[:, :, : -size // 2]  # the last line may be cut off
    for top in range(0, hidden.shape[2] - 2 * size, size):
        for left in range(0, hidden.shape[3] - 2 * size, size):
            assert hidden[:, :, top : top + 2 * size, left : left + 2 * size].any()


def test_a_line_of_text_goes_on_where_the_one_above_ended():
    height, width, size = 20, 50, 20
    wide = degrade.text_mask(height, 2 * width, "abc defgh ijkl mnop", size)
    two = degrade.text_mask(2 * height, width, "abc defgh ijkl mnop", size)
    assert torch.equal(two[:, :, :height], wide[..., :width])
    assert torch.equal(two[:, :, size:, :], wide[..., width:])


def test_a_watermark_says_what_it_was_told():
    masks = [degrade.text_mask(60, 60, text, 40) for text in ("I  ", "M  ", "I\n ")]
    assert 1 - masks[0].mean() < 0.8 * (1 - masks[1].mean())
    assert torch.equal(masks[0], masks[2])


def test_letters_that_pillows_font_lacks_are_drawn(capsys):
    """A box for each would make these two alike."""
    first, second = (degrade.text_mask(30, 90, text, 24) for text in ("äß λж", "öé μд"))
    assert not torch.equal(first, second)
    assert capsys.readouterr().out == ""


def test_text_is_text():
    plain, dollars = (degrade.text_mask(30, 60, text, 20) for text in ("x1 ", "$x_1$ "))
    assert not torch.equal(plain, dollars)
    assert torch.equal(degrade.text_mask(30, 60, "a\tb", 20), degrade.text_mask(30, 60, "a b", 20))


def test_holes_are_where_they_should_be():
    mask = degrade.hole_mask(10, 12, top=2, left=3, bottom=5, right=9)
    want = torch.ones(1, 1, 10, 12)
    want[:, :, 2:5, 3:9] = 0
    assert torch.equal(mask, want)
    assert not degrade.hole_mask(8, 8, 0, 0, 8, 4)[..., :4].any()  # up to the border
    ellipse = degrade.hole_mask(100, 120, 20, 30, 60, 110, shape="ellipse")[0, 0]
    rows, columns = (ellipse == 0).nonzero().unbind(1)
    assert [rows.min(), rows.max(), columns.min(), columns.max()] == [20, 59, 30, 109]
    assert len(rows) == pytest.approx(math.pi / 4 * 40 * 80, rel=0.01)
    assert torch.equal(ellipse[20:60, 30:110], ellipse[20:60, 30:110].flip(0, 1))


@pytest.mark.parametrize("how", ["pixels", "values", "rows_columns", "channels"])
def test_shuffling_keeps_the_values_and_changes_the_picture(how):
    x = images.load("face", 32)
    y = degrade.shuffle_pixels(x, how, seeded())
    assert torch.equal(y.flatten().sort().values, x.flatten().sort().values)
    assert not torch.equal(x, y)
    assert torch.equal(y, degrade.shuffle_pixels(x, how, seeded()))


def test_each_way_of_shuffling_moves_what_it_says():
    height, width = 8, 9
    place = torch.arange(height * width).view(1, 1, height, width).expand(1, 3, -1, -1)
    x = (place + 1000 * torch.arange(3).view(1, 3, 1, 1)).float()
    pixels, values, lines, channels = (
        degrade.shuffle_pixels(x, how, seeded())[0]
        for how in ("pixels", "values", "rows_columns", "channels")
    )
    assert torch.equal(pixels[1] - pixels[0], torch.full((height, width), 1000.0))
    assert not torch.equal(values.sort(0).values % 1000, pixels % 1000)
    assert (values[0] >= 1000).any()
    for channel, first in zip(lines, (0, 1000, 2000), strict=True):
        rows = (channel - first) // width
        assert (rows == rows[:, :1]).all()  # a row stays together
        assert (channel >= first).all()
    assert not torch.equal(lines[0], lines[1] - 1000)  # another order in each channel
    assert all(any(torch.equal(c, o) for o in x[0]) for c in channels)
    assert not any(torch.equal(c, o) for c, o in zip(channels, x[0], strict=True))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x: degrade.Downsample(3)(x), "does not divide 16 × 16: crop the picture to 15"),
        (lambda x: degrade.Downsample(32)(x), "does not divide 16 × 16: use a smaller one"),
        (lambda x: degrade.Downsample(1), "factor=1"),
        (lambda x: degrade.Downsample(2.0), "factor=2.0"),
        (lambda x: degrade.Mask(torch.ones(1, 1, 8, 8))(x), r"\(8, 8\) pixels"),
        (lambda x: degrade.Mask(torch.ones(1, 3, 16, 16)), "one for all channels"),
        (lambda x: degrade.Mask(torch.full((1, 1, 8, 8), 0.5)), "only 0"),
        (lambda x: degrade.Mask(torch.zeros(1, 1, 8, 8)), "hides every pixel"),
        (lambda x: degrade.add_noise(x, 25), "25/255"),
        (lambda x: degrade.add_noise(x, 10), "sigma=10: give it in .* 25 grey levels are 25/255"),
        (lambda x: degrade.add_noise(x, 1.01), "sigma=1.01"),
        (lambda x: degrade.add_noise(x, -0.1), "sigma=-0.1"),
        (lambda x: degrade.add_noise(x, "25"), "sigma='25'"),
        (lambda x: degrade.add_noise(x, None), "sigma=None"),
        (lambda x: degrade.add_noise(x, float("nan")), "sigma=nan"),
        (lambda x: degrade.add_noise(x, 0.6, "salt_pepper"), "reach .* at most on this picture"),
        (lambda x: degrade.random_mask(8, 8, 50), "keep=50: .* 0.5 for 50 %"),
        (lambda x: degrade.random_mask(8, 8, "half"), "keep='half'"),
        (lambda x: degrade.random_mask(8.0, 8, 0.5), "height=8.0"),
        (lambda x: degrade.Mask(255 * torch.ones(1, 1, 16, 16)), r"mask > 0\.5"),
        (lambda x: degrade.Blur("wide"), "sigma='wide'"),
        (lambda x: degrade.text_mask(16.5, 16), "height=16.5"),
        (lambda x: degrade.text_mask(16, 16, 5), "one letter"),
        (lambda x: degrade.text_mask(16, 16, size="large"), "size='large'"),
        (lambda x: degrade.hole_mask(8, 8, 0.2, 0.2, 0.8, 0.8), "top=0.2: use a whole number"),
        (lambda x: degrade.add_noise(x, 0.1, "pink"), "salt_pepper"),
        (lambda x: degrade.add_noise(x, 2, "salt_pepper"), "at most"),
        (lambda x: degrade.add_noise(x * float("nan"), 0.1), "NaN"),
        (lambda x: degrade.random_mask(8, 8, 50), "0.5"),
        (lambda x: degrade.shuffle_pixels(x, "all"), "rows_columns"),
        (lambda x: degrade.Blur(0), "in pixels"),
        (lambda x: degrade.Blur(25 / 0.1), "in pixels"),
        (lambda x: degrade.jpeg(x, 0), "from 1 to 95"),
        (lambda x: degrade.jpeg(x, 96), "from 1 to 95"),
        (lambda x: degrade.jpeg(x, 0.5), "quality=0.5"),
        (lambda x: degrade.jpeg(x, True), "quality=True"),
        (lambda x: degrade.jpeg(x[0], 10), "of shape"),
        (lambda x: degrade.text_mask(16, 16, "  "), "one letter"),
        (lambda x: degrade.text_mask(16, 16, size=3), "5 pixels"),
        (lambda x: degrade.hole_mask(8, 8, -1, 0, 4, 4), "no region"),
        (lambda x: degrade.hole_mask(8, 8, 4, 0, 4, 4), "no region"),
        (lambda x: degrade.hole_mask(8, 8, 0, 0, 4, 9), "8 × 8"),
        (lambda x: degrade.hole_mask(8, 8, 0, 0, 8, 8), "hides every pixel"),
        (lambda x: degrade.hole_mask(8, 8, 0, 0, 4, 4, "circle"), "'ellipse'"),
        (lambda x: degrade.shuffle_pixels(x[:, :1], "channels"), "grey"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong(torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize(("height", "width"), [(96, 96), (40, 90)])
def test_a_scribble_is_one_line_across_the_picture(height, width):
    hidden = 1 - degrade.scribble_mask(height, width)[0, 0]
    columns = hidden.sum(0) > 0
    assert columns[width // 8 : -width // 8].all()  # no gap
    assert not columns[0]
    assert not columns[-1]
    assert 0.1 < hidden.mean() < 0.2
    thin, thick = (1 - degrade.scribble_mask(height, width, pen) for pen in (0.02, 0.04))
    assert (thick - thin).min() == 0
    assert thick.sum() > 1.5 * thin.sum()


@pytest.mark.parametrize("pen", [0, 1.5, 0.9])
def test_a_pen_that_hides_nothing_or_all_is_refused(pen):
    with pytest.raises(ValueError, match=r"pen=|hides every pixel"):
        degrade.scribble_mask(8, 8, pen)
