import inspect
import re

import numpy
import pytest
import torch

from dipcourse import fit, presets
from tools import notebooks
from tools.measured.speed import parts
from tools.measured.speed import presets as study_presets


@pytest.mark.parametrize("task", presets.TABLE)
def test_every_task_has_every_scale_with_settings_that_fit_takes(task):
    assert list(presets.TABLE[task]) == list(presets.SCALES)
    for preset in presets.TABLE[task].values():
        assert set(preset.fit) <= set(inspect.signature(fit.fit).parameters)


@pytest.mark.parametrize("task", presets.TABLE)
def test_a_preset_makes_a_network_and_its_input(task):
    preset = presets.get(task, "smoke")
    net, z = preset.make(channels=1, height=40, seed=1)
    assert net(z).shape == (1, 1, 40, preset.size)
    again, _ = preset.make(channels=1, height=40, seed=1)
    assert all((a == b).all() for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_the_paper_scale_is_the_papers():
    net, z = presets.get("denoise", "paper").make(height=32, width=32)
    assert sum(p.numel() for p in net.parameters()) == 2_217_831
    assert z.shape[1] == 32


def test_the_scale_is_the_laptops_on_every_device_unless_it_is_set(monkeypatch):
    monkeypatch.delenv("DIPCOURSE_SCALE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert presets.current_scale() == "laptop"
    assert presets.scaled(300, smoke=10) == 300
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")
    assert presets.get("denoise") == presets.get("denoise", "smoke")
    assert presets.scaled(300, smoke=10) == 10
    monkeypatch.setenv("DIPCOURSE_SCALE", "huge")
    with pytest.raises(ValueError, match="laptop"):
        presets.current_scale()


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="overfit"):
        presets.get("colourise")
    with pytest.raises(ValueError, match="paper"):
        presets.get("denoise", "huge")


def test_announce_names_the_scale_and_a_numpy_that_needs_a_restart(capsys, monkeypatch):
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")
    presets.announce()
    out = capsys.readouterr().out
    assert "smoke" in out
    assert presets.SCALES["smoke"] in out
    assert "Restart" not in out
    monkeypatch.setattr(numpy, "__version__", "1.0")
    presets.announce()
    assert "Restart" in capsys.readouterr().out


@pytest.mark.parametrize("task", study_presets.CANDIDATES)
def test_every_candidate_of_the_study_can_be_fitted(task, monkeypatch):
    halved = study_presets.fit_halved
    monkeypatch.setattr(
        study_presets,
        "fit_halved",
        lambda net, z, y, steps, settings: halved(net, z, y, 2, settings),
    )
    for name in study_presets.CANDIDATES[task]:
        fits, _ = study_presets.steppers(task, name, "face", 64, 0)
        before = [p.detach().clone() for p in fits[0].net.parameters()]
        fits[0].step()
        after = fits[0].net.parameters()
        moved = [(a != b).any() for a, b in zip(before, after, strict=True) if a.ndim == 4]
        assert all(moved), name
        assert fits[0].output.shape == (1, 3, 64, 64)


@pytest.mark.parametrize("shape", [(16, 72), (32, 32), (32, 4)])
def test_the_muon_step_has_about_the_same_size_in_every_direction(shape):
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    sizes = torch.linalg.svdvals(study_presets.orthogonal(rows))
    assert (sizes > 0.3).all()
    assert (sizes < 1.3).all()


def test_the_parts_of_a_step_are_known():
    shares = parts.shares(64, steps=2)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) >= {"convolution", "BatchNorm", "upsampling", "optimiser", "jitter"}
    assert shares[parts.REST] < 0.5


@pytest.mark.parametrize("path", notebooks.lessons(), ids=lambda path: path.stem)
def test_no_lesson_reads_the_scale(path):
    """It is the same lesson on every machine: pictures, networks and steps."""
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "code":
            found = re.findall(
                r"current_scale|is_available|best_device|DIPCOURSE_SCALE", cell.source
            )
            assert found == [], cell.id
