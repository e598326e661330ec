"""What a GPU does with the course: `make gpu` writes gpu_report.md. Half an hour on a small GPU.

The report says whether fits on the GPU agree with those on the CPU, what a step costs beside a
plain loop in each precision, what memory it takes, and how long each lesson runs.
"""

import argparse
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np
import torch

from dipcourse import fit, images, metrics, presets
from dipcourse.fit import graphs, machine
from tools import notebooks
from tools.execute import execute
from tools.measured import circumstances
from tools.measured.damage import damaged
from tools.measured.quoting import ROOT
from tools.measured.speed import bench

REPORT = ROOT / "gpu_report.md"
SEEDS = range(3)
TURNS, STEPS = 6, 20  # of a turn; the first turn warms up


def table(rows: list[dict]) -> str:
    """Rows with the same keys as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(map(str, row.values())) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def photo(side: int) -> torch.Tensor:
    return images.load("face", side)


def ends(task: str, scale: str, device: str, precision: str) -> list[float]:
    """PSNR of the running mean after the preset's steps, a number for each seed."""
    preset = presets.get(task, scale)
    x = photo(preset.size)
    y, operator = damaged(task, x)
    found = []
    for seed in SEEDS:
        net, z = preset.make(seed=seed)
        where = {"device": device, "precision": precision, "seed": seed, "progress": False}
        found.append(metrics.psnr(fit.fit(net, z, y, operator, **preset.fit, **where).mean, x))
    return found


def agreement(device: str, scale: str = "laptop") -> list[dict]:
    """Does the device draw what the CPU draws? Rows, one for each preset and precision."""
    rows = []
    for task in presets.TABLE:
        on_cpu = ends(task, scale, "cpu", "float32")
        for precision in precisions(device):
            there = ends(task, scale, device, precision)
            gap = float(np.mean(there) - np.mean(on_cpu))
            rows.append(
                {
                    "preset": task,
                    "precision": precision,
                    "mean gap, dB": f"{gap:+.2f}",
                    "spread of seeds on the CPU, dB": f"{np.ptp(on_cpu):.2f}",
                    "within": "yes" if abs(gap) <= max(np.ptp(on_cpu), 0.1) else "NO",
                }
            )
    return rows


def precisions(device: str) -> list[str]:
    """Those that the device computes in; a CPU's float16 is too slow to be of use."""
    if device == "cpu":
        return sorted({"float32", machine.best_precision("cpu")})
    return [p for p in machine.PRECISIONS if p != "bfloat16" or has_bfloat16(device)]


def has_bfloat16(device: str) -> bool:
    return machine.best_precision(device) == "bfloat16"


def step_times(device: str, scales: tuple[str, ...] = ("laptop", "paper")) -> Iterator[dict]:
    """Milliseconds a step and GB, beside a plain loop in float32."""
    for scale in scales:
        for task in presets.TABLE:
            preset = presets.get(task, scale)
            plain, _ = timed(preset, task, device, None)
            for precision in precisions(device):
                with mock.patch.object(graphs, "obstacle", return_value="switched off"):
                    without, _ = timed(preset, task, device, precision)
                ms, gigabytes = timed(preset, task, device, precision)
                yield {
                    "preset": f"{task}, {scale}, {preset.size}²",
                    "precision": precision,
                    "plain loop, ms": f"{plain:.1f}",
                    "fit without CUDA graph, ms": f"{without:.1f}",
                    "fit, ms": f"{ms:.1f}",
                    "fit/plain": f"{ms / plain:.2f}",
                    "GB": f"{gigabytes:.2f}",
                }


def timed(
    preset: presets.Preset, task: str, device: str, precision: str | None
) -> tuple[float, float]:
    """Median milliseconds a step over five turns, and the most memory; precision None: the loop."""
    x = photo(preset.size)
    y, operator = damaged(task, x)
    net, z = preset.make()
    settings = {k: v for k, v in preset.fit.items() if k != "steps"}
    forget(device)
    if precision is None:
        net, z, y, operator = net.to(device), z.to(device), y.to(device), operator.to(device)
        work = bench.plain_step(net, z, y, operator, x)
    else:
        where = {"device": device, "precision": precision}
        work = fit.Stepper(net, z, y, operator, **settings, **where).step
    turns = []
    for _ in range(TURNS):
        began = time.perf_counter()
        for _ in range(STEPS):
            work()
        finish(device)
        turns.append((time.perf_counter() - began) / STEPS)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else float("nan")
    return 1e3 * median(turns[1:]), peak


def finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def forget(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def lesson_times(paths: list[Path], scale: str = "laptop") -> Iterator[dict]:
    """Seconds of each lesson, all of its cells."""
    for path in paths:
        run = execute(notebooks.read(path), path.parent, scale)
        said = f"{run.seconds:.0f}" if run.ok else f"failed in cell {run.cell}: {run.error}"
        yield {"lesson": path.stem, "seconds": said}


def report(device: str) -> Iterator[str]:
    """The parts of the report, one after the other."""
    about = "{device}, torch {torch}, {date}".format(**circumstances.now())
    yield f"# The course on {about}\n\nMade by `make gpu`.\n"
    yield "## Agreement with the CPU\n\n" + table(agreement(device)) + "\n"
    yield "## A step\n\n" + table(list(step_times(device))) + "\n"
    yield "## Lessons\n\n" + table(list(lesson_times(notebooks.lessons()))) + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured gpu", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.parse_args(arguments)
    if fit.best_device() == "cpu":
        parser.error("torch finds no GPU here: see https://pytorch.org/get-started/locally/")
    REPORT.write_text("", encoding="utf-8")
    for part in report("cuda"):
        print(part, flush=True)
        with REPORT.open("a", encoding="utf-8") as file:  # part by part: an interrupt loses none
            file.write(part + "\n")
