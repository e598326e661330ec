"""`make gpu`, as far as a CPU can run it."""

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from dipcourse import presets
from tools import notebooks
from tools.measured.speed import gpu

ONE = {"overfit": presets.TABLE["overfit"]}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(presets, "TABLE", ONE)
    monkeypatch.setattr(gpu, "STEPS", 2)


def test_a_cpu_agrees_with_itself():
    rows = gpu.agreement("cpu", "smoke")
    assert [row["precision"] for row in rows] == gpu.precisions("cpu")
    assert rows[-1]["precision"] == "float32"
    assert rows[-1]["mean gap, dB"] == "+0.00"
    assert rows[-1]["within"] == "yes"


def test_a_device_that_draws_something_else_is_seen(monkeypatch):
    def ends(task, scale, device, precision):
        return [28.0, 28.2, 28.1] if precision == "float32" else [20.0, 20.2, 20.1]

    monkeypatch.setattr(gpu, "precisions", lambda device: ["float16"])
    monkeypatch.setattr(gpu, "ends", ends)
    (row,) = gpu.agreement("cuda")
    assert (row["mean gap, dB"], row["within"]) == ("-8.00", "NO")


def test_steps_are_timed_beside_a_plain_loop():
    rows = list(gpu.step_times("cpu", ("smoke",)))
    assert [row["precision"] for row in rows] == gpu.precisions("cpu")
    for row in rows:
        assert row["preset"] == "overfit, smoke, 32²"
        assert float(row["fit, ms"]) > 0
        assert float(row["fit without CUDA graph, ms"]) > 0
        ratio = float(row["fit, ms"]) / float(row["plain loop, ms"])
        assert float(row["fit/plain"]) == pytest.approx(ratio, rel=0.1)


def test_a_lesson_that_fails_is_named(tmp_path):
    for name, code in (("98_well", "1"), ("99_ill", "1 / 0")):
        notebook = new_notebook(cells=[new_code_cell(code, id="only")])
        (tmp_path / f"{name}.ipynb").write_text(notebooks.written(notebook), "utf-8")
    well, ill = gpu.lesson_times(sorted(tmp_path.glob("*.ipynb")), "smoke")
    assert well["lesson"] == "98_well"
    assert well["seconds"].isdigit()
    assert ill["seconds"].startswith("failed in cell only: ZeroDivisionError")


def test_an_interrupted_report_keeps_its_parts(tmp_path, monkeypatch):
    def parts(device):
        yield "# One"
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu, "REPORT", tmp_path / "gpu_report.md")
    monkeypatch.setattr(gpu, "report", parts)
    monkeypatch.setattr(gpu.fit, "best_device", lambda: "cuda")
    with pytest.raises(KeyboardInterrupt):
        gpu.main([])
    assert (tmp_path / "gpu_report.md").read_text("utf-8") == "# One\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so(capsys):
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "torch finds no GPU here" in capsys.readouterr().err


def test_a_table():
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert gpu.table(rows) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | y |"
