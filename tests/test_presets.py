import inspect

import numpy
import pytest

from dipcourse import fit, presets


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


def test_the_scale_follows_the_device_unless_it_is_set(monkeypatch):
    monkeypatch.delenv("DIPCOURSE_SCALE", raising=False)
    monkeypatch.setattr(presets, "best_device", lambda: "cpu")
    assert presets.current_scale() == "laptop"
    monkeypatch.setattr(presets, "best_device", lambda: "cuda")
    assert presets.current_scale() == "paper"
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")
    assert presets.get("denoise") == presets.get("denoise", "smoke")
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
