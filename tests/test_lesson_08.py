"""What lesson 08 builds and states, on a picture of 16 × 16 pixels."""

import numpy as np
import pytest
import torch
from torch.func import functional_call, jacrev, replace_all_batch_norm_modules_

from dipcourse import degrade, images, nets
from tools import lesson_code

SIDE = 16
N = SIDE**2


@pytest.fixture(scope="module")
def lesson():
    given = {"SIDE": SIDE, "n": N}
    cells = ("networks", "build-kernel", "build-spectrum", "build-frequency", "build-share")
    return lesson_code.run("08", *cells, "build-linear", **given)


@pytest.fixture(scope="module")
def kernel(lesson):
    return lesson["tangent_kernel"](*lesson["unet"]())


def photo():
    return images.load("face", SIDE, grey=True)


def test_the_jacobian_is_that_of_torch(lesson):
    torch.manual_seed(0)
    net = replace_all_batch_norm_modules_(nets.UNet(2, 1, widths=(4, 4), skip=2))  # no counts
    z = nets.fixed_input(2, 8, 8)
    weights = {name: value.detach() for name, value in net.named_parameters()}

    def picture(weights):
        return functional_call(net, weights, z).flatten()

    want = torch.cat([part.flatten(1) for part in jacrev(picture)(weights).values()], 1)
    assert torch.allclose(lesson["jacobian"](net, z), want, atol=1e-5)


def test_a_small_step_is_predicted_and_a_large_one_is_not(lesson, kernel, capsys):
    net, z = lesson["unet"]()
    x = photo()
    y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0))
    names = lesson | {"net": net, "z": z, "y": y, "start": net(z).detach()}
    lesson_code.run("08", "build-step", "check-step", **names)
    off = [float(line.split()[-2]) for line in capsys.readouterr().out.splitlines()]
    assert off[0] < 3
    assert off[-1] > 20
    assert off == sorted(off)


def test_free_pixels_have_one_rate(lesson):
    found = lesson["tangent_kernel"](nets.PixelImage(photo()), None)
    assert torch.equal(found, torch.eye(N, dtype=torch.float64))


def test_patterns_are_eigenvectors_the_fastest_first_and_those_are_smooth(lesson, kernel):
    values, vectors = lesson["spectrum"](kernel)
    assert torch.allclose(kernel @ vectors, vectors * values, atol=1e-6 * values[0].item())
    assert (values.diff() <= 0).all()
    frequencies = [lesson["frequency"](vector) for vector in vectors.T]
    assert np.mean(frequencies[: N // 8]) < 0.8 * np.mean(frequencies[-N // 8 :])


def test_the_frequency_of_a_wave(lesson):
    wave = torch.cos(2 * torch.pi * 3 / SIDE * torch.arange(SIDE)).repeat(SIDE)
    assert lesson["frequency"](wave.double()) == pytest.approx(3 / SIDE)


@pytest.mark.parametrize("settings", [{}, {"skip": 0}, {"widths": (32,), "skip": 0}])
def test_a_photo_lies_in_the_fast_patterns_and_its_shuffled_pixels_do_not(lesson, settings):
    _, vectors = lesson["spectrum"](lesson["tangent_kernel"](*lesson["unet"](**settings)))
    x, generator = photo(), torch.Generator().manual_seed(1)
    shuffled = degrade.shuffle_pixels(x, "pixels", generator)
    found, control = (lesson["share"](picture, vectors, N // 5) for picture in (x, shuffled))
    assert found > 0.6
    assert control < 0.35
    assert lesson["share"](x, vectors, N) == pytest.approx(1)


def test_the_linearised_fit_jumps_to_where_its_steps_would_lead(lesson, kernel):
    start, y = torch.full((1, 1, SIDE, SIDE), 0.5), photo()
    walked, rate = start.flatten().double(), 1 / torch.linalg.eigvalsh(kernel)[-1]
    for _ in range(20):
        walked = walked - rate * kernel @ (walked - y.flatten())
    first, last = lesson["linear_fit"](kernel, start, y, [0, 20])
    assert torch.allclose(first, start, atol=1e-5)
    assert torch.allclose(last, walked.float().view_as(y), atol=1e-5)


def test_the_weights_of_a_pixel_make_its_value(lesson, kernel):
    """From a black start: what the filter weighs is what the linearised fit draws."""
    pixel, y = N // 2, photo()
    cells = lesson | {"as_picture": lambda values: values}
    weights = lesson_code.run("08", "build-filter", **cells)["weights_of"](pixel, kernel, 30)
    drawn = lesson["linear_fit"](kernel, torch.zeros_like(y), y, [30])[0]
    assert (weights @ y.flatten().double()).item() == pytest.approx(
        drawn.flatten()[pixel].item(), abs=1e-5
    )
