"""Cost of a step: the package's fit against a loop written as the paper's public code does it.

    python -m tools.bench                 the table
    python -m tools.bench --only small    rows whose name contains the word

Both fit the same network to the same noisy photo for the same number of steps, in turns, in one
run; the medians of the turns are compared. A table, not a test: timings decide nothing.
"""

import argparse
import copy
import resource
import time
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from dipcourse import degrade, fit, images, nets, presets

#: name → (settings of the network, side in pixels, steps of a turn on a CPU, on a GPU)
ROWS = {
    "small 128": (presets.SMALL, 128, 40, 300),
    "small 192": (presets.SMALL, 192, 30, 300),
    "small 256": (presets.SMALL, 256, 20, 300),
    "paper 256": (presets.PAPER, 256, 4, 100),
    "paper 512": (presets.PAPER, 512, 1, 50),
}
JITTER = 1 / 30
TURNS = 5


def reference_loop(net, z, y, x, steps):
    """Plain float32, Adam, jitter, and the PSNR of every output computed on the host."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    mean = None
    for _ in range(steps):
        optimizer.zero_grad()
        output = net(z + JITTER * torch.randn_like(z))
        mean = output.detach() if mean is None else 0.99 * mean + 0.01 * output.detach()
        loss = F.mse_loss(output, y)
        loss.backward()
        for picture in (output, mean):
            psnr_on_host(picture, x)
        optimizer.step()
    net(z)  # the result that is shown


def psnr_on_host(picture, x):
    return -10 * np.log10(((picture.detach().cpu().numpy() - x.numpy()) ** 2).mean())


def compare(settings, side, steps, device):
    """Seconds a step of both loops: medians over the turns."""
    x = images.load("astronaut", side)
    y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0))
    z = nets.fixed_input(32, side, side)
    start = nets.UNet(32, 3, **settings)

    def theirs(steps):
        net = copy.deepcopy(start).to(device)
        reference_loop(net, z.to(device), y.to(device), x, steps)

    def ours(steps):
        net = copy.deepcopy(start)
        frames = max(2, steps // 10)  # as dense as in a fit of 600 steps
        quiet = {"jitter": JITTER, "device": device, "frames": frames, "progress": False}
        fit.fit(net, z, y, degrade.Identity(), steps=steps, **quiet)

    seconds = {theirs: [], ours: []}
    for turn in range(TURNS + 1):
        for loop, times in seconds.items():
            began = time.perf_counter()
            loop(steps if turn else 1)
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first turn warms up
                times.append((time.perf_counter() - began) / steps)
    return [median(times) for times in seconds.values()]


def peak_memory(device):
    """The most memory used so far, in GB: of the GPU, or of this process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", default="", metavar="WORD")
    only = parser.parse_args(arguments).only
    device = fit.best_device()
    presets.announce()
    print(f"{'network, side':14} {'reference':>12} {'fit':>12} {'ratio':>7} {'peak so far':>12}")
    for name, (settings, side, cpu_steps, gpu_steps) in ROWS.items():
        if only in name:
            steps = gpu_steps if device == "cuda" else cpu_steps
            theirs, ours = compare(settings, side, steps, device)
            memory = peak_memory(device)
            print(
                f"{name:14} {1e3 * theirs:9.1f} ms {1e3 * ours:9.1f} ms {ours / theirs:7.2f} "
                f"{memory:9.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    main()
