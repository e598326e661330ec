"""Cost of a step: the package's fit against a loop written as the paper's public code does it.

    python -m tools.measured bench                 the table
    python -m tools.measured bench --only laptop   rows whose name contains the word
    python -m tools.measured bench --only busy     a fit on a busy machine, see ``busy``
    python -m tools.measured bench --only parts    what a step is made of, see ``parts``
    python -m tools.measured bench --only lessons  each lesson beside another notebook, ``lessons``
    python -m tools.measured bench --float32       fit in float32, where it would take bfloat16
    python -m tools.measured bench --store         keep the rows, on a quiet machine

All fit the same network to the same noisy photo for the same number of steps, each in a process of
its own, in turns; the medians of the turns are compared. "kept" is the plain loop in a process that
keeps freed memory as fit does (``fit.machine``): what taking it anew at each step costs differs
between machines, and on a virtual one between hours. "passes" is what the network's forward and
backward passes cost alone, all in the precision of the fit: without other operators than torch's,
no fit is faster. A table, not a test: timings decide nothing.
"""

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from dipcourse import degrade, fit, images, presets
from dipcourse.fit import machine
from tools.measured.circumstances import processor
from tools.measured.speed import busy, lessons, parts
from tools.measured.tables import STORED, Table

LAPTOP, SMALL, PAPER = (
    (presets.FUNNEL, presets.THIN),
    (presets.SMALL, presets.NOISE),
    (presets.PAPER, presets.NOISE),
)
#: name → (settings of the network and of z, side in pixels, steps of a turn on a CPU, on a GPU)
ROWS = {
    "laptop 128": (LAPTOP, 128, 100, 300),
    "laptop 192": (LAPTOP, 192, 100, 300),
    "small 128": (SMALL, 128, 100, 300),
    "small 192": (SMALL, 192, 100, 300),
    "small 256": (SMALL, 256, 50, 300),
    "paper 256": (PAPER, 256, 10, 100),
    "paper 512": (PAPER, 512, 3, 50),
}
LOOPS = "reference", "kept", "fit", "passes"
RATIOS = "   fit/ref.  fit/kept  passes/ref.  fit peaks at"
JITTER = 1 / 30
TURNS = 5


def plain_step(net, z, y, operator, x):
    """A step in plain float32: Adam, jitter, and the PSNR of every output computed on the host."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    mean = None

    def step():
        nonlocal mean
        optimizer.zero_grad()
        output = net(z + JITTER * torch.randn_like(z))
        mean = output.detach() if mean is None else 0.99 * mean + 0.01 * output.detach()
        loss = F.mse_loss(operator(output), y)
        loss.backward()
        for picture in (output, mean):
            psnr_on_host(picture, x)
        optimizer.step()

    return step


def reference_loop(net, z, y, x, steps):
    step = plain_step(net, z, y, degrade.Identity(), x)
    for _ in range(steps):
        step()
    net(z)  # the result that is shown


def psnr_on_host(picture, x):
    return -10 * np.log10(((picture.detach().cpu().numpy() - x.numpy()) ** 2).mean())


def passes_alone(net, z, y, steps, **options):
    """The network as ``fit`` lays it out, forward and backward: no jitter, no update, no record."""
    stepper = fit.Stepper(net, z, y, degrade.Identity(), **options)
    kind = getattr(torch, stepper.precision)
    net, z = stepper.net.to(kind), stepper.z.to(kind)
    for _ in range(steps):
        net.zero_grad(set_to_none=True)
        F.mse_loss(net(z).float(), stepper.y).backward()


def turn(loop, row, steps, device, precision):
    """Seconds a step of one turn of a loop, and the most memory its process has used, in GB."""
    settings, side, _, _ = ROWS[row]
    x = images.load("astronaut", side)
    y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0))
    net, z = presets.Preset(side, *settings, {}).make()
    began = time.perf_counter()
    options = {"device": device, "precision": precision}
    if loop in ("reference", "kept"):
        if loop == "kept":
            machine.keep_freed_memory()
        reference_loop(net.to(device), z.to(device), y.to(device), x, steps)
    elif loop == "passes":
        passes_alone(net, z, y, steps, **options)
    else:
        frames = max(2, steps // 10)  # as dense as in a fit of 600 steps
        options |= {"jitter": JITTER, "frames": frames, "progress": False}
        fit.fit(net, z, y, degrade.Identity(), steps=steps, **options)
    if device == "cuda":
        torch.cuda.synchronize()
        return (time.perf_counter() - began) / steps, torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (time.perf_counter() - began) / steps, peak


def compare(row, steps, device, precision):
    """{loop: (seconds a step, GB)}: medians over the turns."""
    spawn = get_context("spawn")
    workers = {loop: ProcessPoolExecutor(1, spawn) for loop in LOOPS}
    turns = {loop: [] for loop in workers}
    for number in range(TURNS + 1):
        for loop, worker in workers.items():
            length = steps if number else 1  # the first turn warms up
            settings = row, length, device, precision
            turns[loop].append(worker.submit(turn, loop, *settings).result())
    for worker in workers.values():
        worker.shutdown()
    return {loop: [median(v) for v in zip(*t[1:], strict=True)] for loop, t in turns.items()}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.measured bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args(arguments)
    only, precision = options.only, "float32" if options.float32 else None
    device = fit.best_device()
    presets.announce()
    if options.only == "busy":
        busy.main(options.store)
        return
    if options.only == "lessons":
        lessons.main(options.store)
        return
    if options.only == "parts":
        parts.main()
        return
    print(f"{'ms a step:':14}{''.join(f'{loop:>10}' for loop in LOOPS)}{RATIOS}")
    for row, (_, _, cpu_steps, gpu_steps) in ROWS.items():
        if only in row:
            steps = gpu_steps if device == "cuda" else cpu_steps
            found = compare(row, steps, device, precision)
            ms = {loop: round(1e3 * seconds, 1) for loop, (seconds, _) in found.items()}
            figures = {
                "ratio": round(ms["fit"] / ms["reference"], 2),
                "kept ratio": round(ms["fit"] / ms["kept"], 2),
                "passes ratio": round(ms["passes"] / ms["reference"], 2),
                "GB": round(found["fit"][1], 2),
            }
            times = "".join(f"{value:10}" for value in ms.values())
            ratio, kept, floor, peak = figures.values()
            print(f"{row:14}{times}{ratio:11}{kept:10}{floor:13}{peak:11} GB", flush=True)
            if options.store:
                table = Table(f"bench_{processor()}", ("row",), STORED)
                table.add({"row": row} | {f"{k} ms": v for k, v in ms.items()} | figures)
