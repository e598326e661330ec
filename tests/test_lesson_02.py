"""What lesson 02 builds and states."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dipcourse import degrade, fit, images, live, metrics, nets, show
from dipcourse.live import fitting
from tools import lesson_code

SIDE = 32


def lesson(*cell_ids, **names):
    return lesson_code.run("02", *cell_ids, **names)


def size(module):
    return sum(p.numel() for p in module.parameters())


def fresh(seed=0, widths=(32,) * 4, skip=4, **settings):
    torch.manual_seed(seed)
    return nets.UNet(32, 3, widths, skip, **settings)


@pytest.fixture(scope="module")
def built():
    return lesson("build-block", "build-unet")


@pytest.fixture(scope="module")
def z():
    return nets.fixed_input(32, SIDE, SIDE)


@pytest.mark.parametrize(
    ("channels", "widths", "skip", "shape"),
    [
        (32, (32,) * 4, 4, (32, 32)),
        (3, (8, 16, 4), 2, (16, 48)),
        (2, (6,), 1, (4, 10)),
    ],
)
def test_the_unet_built_inline_agrees_with_the_package(built, channels, widths, skip, shape):
    mine, packaged = built["UNet"](channels, widths, skip), nets.UNet(channels, 3, widths, skip)
    assert size(mine) == size(packaged)
    weights = packaged.state_dict().values()
    mine.load_state_dict(dict(zip(mine.state_dict(), weights, strict=True)))
    z = torch.rand(1, channels, *shape)
    assert torch.allclose(mine(z), packaged(z), atol=1e-5)


def test_the_brick_built_inline_agrees_with_the_package(built):
    for arguments in ((3, 8), (8, 4, 1), (3, 8, 3, 2)):
        mine, packaged = built["block"](*arguments), nets.block(*arguments)
        mine.load_state_dict(packaged.state_dict())
        x = torch.rand(1, arguments[0], 12, 12)
        assert torch.equal(mine(x), packaged(x))


def test_the_lessons_own_check_of_the_unet_passes(capsys, z):
    lesson("build-block", "build-unet", "shapes", "agree", z=z)
    printed = capsys.readouterr().out
    assert "✓" in printed
    assert "✗" not in printed


def test_the_shapes_go_down_to_the_waist_and_up_again(capsys, z):
    lesson("build-block", "build-unet", "shapes", z=z)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        *(f"{part}.{i}" for i in range(4) for part in ("skip", "down")),
        *(f"up.{i}" for i in (3, 2, 1, 0)),
    ]
    assert lines[7].endswith("→ 1 32 2 2")
    assert " ".join(lines[-1].split()) == "up.0 1 36 32 32 → 1 32 32 32"


def test_the_numbers_of_parameters_that_the_lesson_quotes(built):
    assert size(built["UNet"](32, (128,) * 5, 4)) == 2_217_831
    assert 3 * 512 * 512 == 786_432
    text = lesson_code.source("02", "predict-parameters")
    for number in (size(fresh()), 3 * 64 * 64, 2_217_831, 786_432):
        assert f"{number:,}" in text
    shallow, deep = fresh(widths=(32,), skip=0), fresh(widths=(32,) * 5, skip=0)
    assert size(deep) / size(shallow) == pytest.approx(5, abs=0.1)
    assert 1 < size(fresh(widths=(8,) * 5)) / (3 * 64 * 64) < 1.1
    assert size(fresh(widths=(64,) * 4)) / size(fresh()) == pytest.approx(4, abs=0.4)


def test_the_loop_draws_and_one_step_by_hand_agrees_with_fit(capsys, z):
    x = images.load("face", size=SIDE)
    cells = ("build-block", "build-unet", "build-loop", "descent-by-hand")
    names = lesson(*cells, x=x, z=z, WIDTHS=(32,) * 4, STEPS=40)
    assert names["loss"].item() < 0.03 < float(x.var())
    assert "✓" in capsys.readouterr().out
    before, after = names["net"](z), names["by_hand"](z)
    assert (before - after).abs().max() > 0.01, "the step does nothing, so the check says nothing"


def test_pixels_reach_the_photo_in_one_step():
    x = images.load("face", size=SIDE)
    pixels = nets.PixelImage(torch.full_like(x, 0.5))
    settings = {"optimizer": "gradient descent", "lr": x.numel() / 2, "steps": 1}
    run = fit.fit(pixels, None, x, degrade.Identity(), **settings, progress=False)
    assert torch.allclose(run.final, x, atol=1e-6)


def test_roughness_is_0_for_a_ramp_and_1_for_static(monkeypatch):
    monkeypatch.setattr(show, "images", lambda *_, **__: None)
    roughness = lesson("draw")["roughness"]
    ramp = torch.linspace(0, 1, 128)[:, None].expand(1, 1, 128, 128)
    assert roughness(ramp) < 0.001
    columns = (torch.arange(128) % 2).float().expand(1, 1, 128, 128)  # rough across, flat down
    assert roughness(columns) == pytest.approx(1, abs=0.02)
    assert roughness(columns.mT) == pytest.approx(1, abs=0.02)
    static = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    assert roughness(static) == pytest.approx(1, abs=0.02)


def test_scales_and_upsampling_decide_what_untrained_networks_draw(monkeypatch):
    monkeypatch.setattr(show, "images", lambda *_, **__: None)
    names = lesson("draw")
    for seed in range(5):

        def rough(scales, skip=0, seed=seed, **settings):
            picture = names["draw"](seed, widths=(32,) * scales, skip=skip, **settings)
            assert picture.aminmax() == (0, 1)
            return names["roughness"](picture)

        smooth = rough(5)
        assert rough(1) > 3 * rough(3) > 9 * smooth
        assert rough(5, skip=4) > 10 * smooth
        assert rough(5, skip=4, upsample="nearest") > 1.3 * rough(5, skip=4)
        assert rough(5, upsample="transposed") > 3 * rough(5, upsample="nearest") > 15 * smooth


def test_scale_and_mean_of_z_hardly_matter_but_its_pattern_does():
    z = nets.fixed_input(32, 64, 64)
    with torch.no_grad():
        before, scaled = fresh()(z), fresh()(20 * z - 1)
        other = fresh()(nets.fixed_input(32, 64, 64, seed=1))
    assert 255 * (before - scaled).abs().max() < 3
    assert 255 * (before - other).abs().max() > 50


def test_a_constant_z_gives_one_colour_and_cannot_be_fitted(z, capsys, monkeypatch):
    """Some processors break the fit off, others end it with a picture of rounding errors."""
    monkeypatch.setattr(show, "images", lambda *_, **__: None)
    x = images.load("face", size=SIDE)
    names = lesson("fit-to", WIDTHS=(32,) * 4, x=x, z=z, STEPS=60)
    flat, noise, *fitted = lesson("break-z", **names)["untrained"].values()
    assert (flat - flat[:, :, :1, :1]).abs().max() < 1e-4
    assert noise.std() > 0.01
    one_colour = metrics.psnr(x.mean((2, 3), keepdim=True).expand_as(x), x)
    assert metrics.psnr(names["fit_to"](x, names["fresh"]()).final, x) > one_colour + 6
    if fitted:
        assert metrics.psnr(fitted[0], x) < one_colour + 3
    else:
        assert "FitDiverged" in capsys.readouterr().out


def test_a_far_too_large_step_fails_without_an_error(z):
    x = images.load("face", size=SIDE)
    settings = {"optimizer": "gradient descent", "lr": 100.0, "steps": 25, "precision": "float32"}
    run = fit.fit(fresh(), z, x, degrade.Identity(), **settings, progress=False)
    assert run.loss[-5:].min() > 0.3 * run.loss[0]


def test_adams_first_step_has_the_size_eta_whatever_the_gradient():
    weight = nn.Parameter(torch.zeros(3))
    weight.grad = torch.tensor([5.0, -0.001, 0.3])
    torch.optim.Adam([weight], lr=0.01).step()
    assert torch.allclose(weight.detach(), torch.tensor([-0.01, 0.01, -0.01]), rtol=1e-3)


def reordered_in_part(net, order):
    """A wrong answer: the next brick reads the channels in their old places."""
    other = copy.deepcopy(net)
    with torch.no_grad():
        for values in (*other.up[0][1][0].parameters(), *other.up[0][1][1].parameters()):
            values.copy_(values[order])
    return other


@pytest.fixture(scope="module")
def drawing(z):
    """The lesson's own network after some steps, when BatchNorm's numbers have moved."""
    cells = ("build-block", "build-unet", "build-loop")
    given = {"x": images.load("face", size=SIDE), "z": z, "WIDTHS": (32,) * 4, "STEPS": 20}
    return lesson(*cells, **given)["net"]


def check_twin(net, z, capsys, twin):
    lesson("check-twin", net=net, z=z, twin=twin)
    return capsys.readouterr().out


def test_two_sets_of_weights_draw_one_picture(drawing, z, capsys):
    twin = lesson_code.answer("02", "exercise-twin")["twin"]
    order = torch.randperm(32, generator=torch.Generator().manual_seed(3))
    other = twin(drawing, order)
    assert torch.allclose(other(z), drawing(z), atol=1e-5)
    assert not torch.allclose(other.up[0][1][0].weight, drawing.up[0][1][0].weight, atol=0.01)
    assert check_twin(drawing, z, capsys, twin).count("✓") == 2


def test_neither_a_copy_nor_half_an_exchange_passes_for_a_twin(drawing, z, capsys):
    assert "✗ its weights" in check_twin(drawing, z, capsys, lambda net, order: copy.deepcopy(net))
    assert "✗ the picture" in check_twin(drawing, z, capsys, reordered_in_part)


def test_batchnorm_takes_the_scale_of_a_convolution_away(drawing, z):
    other = copy.deepcopy(drawing)
    with torch.no_grad():
        for values in other.up[0][1][0].parameters():
            values.mul_(2)
    assert torch.allclose(other(z), drawing(z), atol=1e-4)


def test_the_stored_figure_is_there_and_small():
    picture = show.reference("02_fit", display=False)
    assert "step 499" in picture.alt
    assert len(picture.png) <= 150_000


def test_braking_calms_the_loss_and_a_kick_throws_it_back(z):
    x, steps, names = images.load("face", size=SIDE), 60, {"fresh": fresh, "z": z}
    settings = {"steps": steps, "precision": "float32", "threads": 1, "progress": False}
    adam = fit.fit(fresh(), z, x, degrade.Identity(), **settings)
    names |= {"x": x, "STEPS": steps, "adam": adam}
    steered = lesson("steer", live=live, **names)["steered"]
    steered.step()
    drives = lesson("steer-by-timetable", steered=steered, **names)["drives"]
    plain, braked, kicked, yours = drives.values()
    half = steps // 2
    for loss in (braked, kicked):
        assert (loss[:half] == plain[:half]).all()
    swing = [np.diff(np.log(loss[half + 4 :])).std() for loss in (plain, braked)]
    assert swing[1] < swing[0]
    assert kicked[half : half + 20].max() > 0.5 * kicked[0]
    assert kicked[-1] > 2 * plain[-1]
    assert yours.tolist() == plain[:1].tolist()


def test_the_panel_does_nothing_until_it_is_started(z, monkeypatch):
    monkeypatch.setattr(fitting, "advance", lambda *_: pytest.fail("Run All waits for a fit"))
    x = images.load("face", size=SIDE)
    steered = lesson("steer", fresh=fresh, x=x, z=z, live=live)["steered"]
    assert steered.history is None
