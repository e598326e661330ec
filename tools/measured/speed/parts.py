"""What a step of the denoising preset spends its time on: `make bench ARGS="--only parts"`.

On a CPU with AVX-512, ``ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2`` in front shows what one
without it would do, if not how long it would take.
"""

from collections import Counter

import torch
from torch.profiler import ProfilerActivity, profile

from dipcourse import degrade, fit, images, presets

WARM_UP, STEPS = 10, 40
#: part of a step → what names of its operations contain; the first that fits counts
PARTS = {
    "convolution": ("conv",),
    "BatchNorm": ("batch_norm",),
    "padding": ("pad",),
    "upsampling": ("upsample",),
    "LeakyReLU, sigmoid": ("leaky_relu", "sigmoid"),
    "optimiser": ("adam",),
    "jitter": ("normal_", "randn"),
    "copies, sums, concatenations": (
        "copy_",
        "add",
        "mul",
        "cat",
        "fill_",
        "zero_",
        "clone",
        "sub",
    ),
}
REST = "all else"


def part_of(operation: str) -> str:
    """The part of a step that an operation of torch belongs to.

    >>> part_of("aten::mkldnn_convolution"), part_of("aten::empty")
    ('convolution', 'all else')
    """
    name = operation.lower()
    return next((part for part, words in PARTS.items() if any(w in name for w in words)), REST)


def shares(side: int | None = None, steps: int = STEPS) -> dict[str, float]:
    """The share of the CPU's time that each part of a step takes, the largest first."""
    preset = presets.get("denoise", "laptop")
    side = side or preset.size
    y = degrade.add_noise(images.load("face", side), 25 / 255)
    net, z = preset.make(height=side, width=side)
    settings = {name: value for name, value in preset.fit.items() if name != "steps"}
    stepper = fit.Stepper(net, z, y, degrade.Identity(), **settings)
    for _ in range(WARM_UP):
        stepper.step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(steps):
            stepper.step()
    times = Counter()
    for event in profiled.key_averages():
        times[part_of(event.key)] += event.self_cpu_time_total
    return {part: time / times.total() for part, time in times.most_common()}


def main() -> None:
    precision = fit.best_precision("cpu")
    print(
        f"{torch.backends.cpu.get_cpu_capability()}, {precision}, {torch.get_num_threads()} threads"
    )
    for part, share in shares().items():
        print(f"{part:30} {100 * share:5.1f} %")
