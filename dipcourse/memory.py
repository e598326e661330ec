"""What a fit will take of the memory, known before it starts."""

import copy
import ctypes
import math
import sys
from pathlib import Path

import psutil
import torch

SAMPLE = 128  # pixels: side of the piece of z on which the layers are tried
WORKSPACE = 1.9  # convolutions, the backward pass and gaps hold more than the layers keep
COPIES = 16  # of the output, float32: the step's own, the running mean's, and gaps between them
PRIOR = 8  # more of them if there is a prior: what total variation keeps
CONTAINERS = {  # what Docker or a JupyterHub may set, cgroup version 2 and 1: limit and use
    "/sys/fs/cgroup": ("memory.max", "memory.current"),
    "/sys/fs/cgroup/memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}


def needed(net, z, precision="float32", frames=0, prior=False):
    """The memory that a fit of net will take, estimated from a run on a piece of z.

    Args:
        net: the module that ``fit`` would change.
        z: tensor (1, channels, H, W), its input, or None.
        precision: "float32" or "bfloat16".
        frames: number of snapshots, each of the output and of the running mean.
        prior: whether the loss has one.

    Returns:
        Bytes: what the layers keep for the backward pass, the weights, their gradient and Adam's
        two moments, the copies of the output that a step makes, and the film, which the history
        copies. None if the module does not run on a piece of z.

    Built in lesson 00 (used).

    >>> from dipcourse import nets
    >>> net = nets.UNet(8, 3, widths=(16, 16))
    >>> small, large = (needed(net, torch.zeros(1, 8, side, side)) for side in (256, 512))
    >>> 3 < large / small < 4.1
    True
    """
    kept, storages = [], {}

    def count(tensor):
        kept.append(tensor)  # alive, so that no other tensor gets its storage's address
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    piece = z if z is None else z[:, :, :SAMPLE, :SAMPLE].cpu().contiguous()
    try:
        with (
            torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            values = copy.deepcopy(net).cpu()(piece).numel()
    except Exception:  # a student's own module may do anything; a fit that is not checked may run
        return None
    scale = 1 if z is None else z[0, 0].numel() / piece[0, 0].numel()
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    layers = sum(storages.values()) - weights  # the layers keep them too
    picture = scale * 4 * values
    film = 2 * frames * 2 / 4  # two snapshots of a byte for four; the history takes a copy
    copies = COPIES + PRIOR * prior + film
    return round(WORKSPACE * scale * max(layers, 0) + 4 * weights + copies * picture)


def free(device):
    """The memory that is free on a device.

    Args:
        device: a torch.device or its name.

    Returns:
        Bytes, or None where it cannot be known.

    Built in lesson 00 (used).

    >>> free("cpu") > 0
    True
    """
    device = torch.device(device)
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    if device.type != "cpu":
        return None
    return min(psutil.virtual_memory().available, *(_left(k, *v) for k, v in CONTAINERS.items()))


def _left(folder, limit, used):
    """What is left of a container's limit, in bytes; the files that it caches give way."""
    try:
        limit, used, stat = (
            Path(folder, name).read_text() for name in (limit, used, "memory.stat")
        )
        counts = dict(line.split() for line in stat.splitlines())
        cached = counts.get("total_inactive_file", counts.get("inactive_file", 0))
        return int(limit) - int(used) + int(cached)
    except (OSError, ValueError):  # there is no container, or its limit is "max"
        return math.inf


def reuse():
    """Let the process keep freed memory for the next step, where the C library can.

    By default glibc hands large blocks back at each step and takes them again: thousands of page
    faults, up to half of a step's time. Elsewhere than on Linux this does nothing.

    Built in lesson 00 (used).

    >>> reuse()
    """
    _glibc("mallopt", -4, 0)  # M_MMAP_MAX: all blocks come from the heap, which can be kept
    _glibc("mallopt", -1, 2**31 - 1)  # M_TRIM_THRESHOLD: up to 2 GB at the heap's end stay


def _glibc(function, *arguments):
    """Call a function of glibc, where that is the C library."""
    if sys.platform == "linux" and (call := getattr(ctypes.CDLL(None), function, None)):
        call(*arguments)


def require(net, z, precision, device, frames=0, prior=False):
    """Check that a fit will fit in memory.

    Args:
        net: the module that ``fit`` would change.
        z: tensor (1, channels, H, W), its input, or None.
        precision: "float32" or "bfloat16".
        device: where the fit is to run.
        frames: number of snapshots.
        prior: whether the loss has one.

    Raises:
        MemoryError: it will not; the message says what to reduce.

    Built in lesson 00 (used).

    >>> require(torch.nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 8, 8), "float32", "cpu")
    """
    want, have = needed(net, z, precision, frames, prior), free(device)
    if want is None or have is None:
        return
    if want > have:
        _glibc("malloc_trim", 0)  # hands back what earlier fits have kept
        have = free(device)
    if want > have:
        raise MemoryError(
            f"this fit needs about {want / 1e9:.1f} GB, and {have / 1e9:.1f} GB are free on "
            f"{device}: take a smaller picture (half the side needs a quarter), fewer channels "
            "(widths), or presets at scale 'laptop'; restart the kernel to free what earlier "
            "cells hold"
        )
