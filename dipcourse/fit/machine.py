"""The machine that a fit runs on: device, precision, layout of pictures, and memory."""

import copy
import ctypes
import math
import sys
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

PRECISIONS = "float32", "bfloat16", "float16"
LOSS_SCALE = 2.0**12  # lifts the gradients of a mean over a picture into float16's range
SAMPLE = 128  # pixels: side of the piece of z on which the layers are tried
WORKSPACE = 1.9  # convolutions, the backward pass and gaps hold more than the layers keep
COPIES = 16  # of the output, float32: the step's own, the running mean's, and gaps between them
PRIOR = 8  # more of them if there is a prior: what total variation keeps
CONTAINERS = {  # what Docker or a JupyterHub may set, cgroup version 2 and 1: limit and use
    "/sys/fs/cgroup": ("memory.max", "memory.current"),
    "/sys/fs/cgroup/memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}


def best_device() -> str:
    """ "cuda" where there is one, else "cpu".

    Returns:
        A string for torch.device.

    Built in lesson 00.

    >>> best_device() in ("cuda", "cpu")
    True
    """
    return "cuda" if torch.cuda.is_available() else "cpu"


def best_precision(device: torch.device | str) -> str:
    """ "bfloat16" where the hardware computes in it, else "float32".

    Args:
        device: a torch.device or its name.

    Returns:
        "bfloat16" or "float32".

    Built in lesson 00.

    >>> best_precision("cpu") in ("float32", "bfloat16")
    True
    """
    device = torch.device(device)
    if device.type == "cuda":  # torch.cuda.is_bf16_supported also counts emulation
        has = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        query = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # private: may go
        has = query()
    else:
        has = False
    return "bfloat16" if has else "float32"


def layout(device: torch.device, precision: str) -> torch.memory_format:
    """How pictures lie in memory: as the convolutions of this hardware want it.

    In float32, channels_last is faster with AVX-512 and slower without (`make bench`).
    """
    wide = device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.channels_last if wide or precision != "float32" else torch.contiguous_format


def device(name: str | torch.device | None) -> torch.device:
    """The device of that name, or the best there is; ValueError if there is none."""
    try:
        found = torch.device(name or best_device())
        torch.empty(0, device=found)
    except (AssertionError, RuntimeError):  # torch without CUDA raises the first
        raise ValueError(
            f"device={name!r}: there is none here. Use device=None, which takes {best_device()!r}"
        ) from None
    return found


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A block in which networks compute in that precision."""
    enabled = precision != "float32"
    return torch.autocast(device.type, getattr(torch, precision) if enabled else None, enabled)


def backward(loss: torch.Tensor, net: nn.Module, precision: str) -> None:
    """The gradient of the loss, without those of values that float16 rounds to zero.

    In float16 the loss is scaled up before and its gradient down after the backward pass; both by
    a power of two, so that in other precisions nothing would change.
    """
    if precision != "float16":
        loss.backward()
        return
    (LOSS_SCALE * loss).backward()
    for p in net.parameters():
        if p.grad is not None:
            p.grad.div_(LOSS_SCALE)


def normal_like(z: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Normal noise with the shape, device and layout of z, (1, channels, H, W)."""
    size = z.numel()  # drawn flat: filling another layout than the plain one is slow
    noise = torch.randn(size, generator=generator, device=z.device)
    return noise.as_strided(z.shape, z.stride())


def facts(device: torch.device, precision: str) -> dict[str, Any]:
    """Where a fit runs, for its History."""
    return {
        "precision": precision,
        "device": str(device),
        "torch": torch.__version__,
    }


def memory_needed(
    net: nn.Module,
    z: torch.Tensor | None,
    precision: str = "float32",
    frames: int = 0,
    prior: bool = False,
) -> int | None:
    """The memory that a fit of net will take, estimated from a run on a piece of z.

    Args:
        net: the module that ``fit`` would change.
        z: tensor (1, channels, H, W), its input, or None.
        precision: one of ``PRECISIONS``.
        frames: number of snapshots, each of the output and of the running mean.
        prior: whether the loss has one.

    Returns:
        Bytes: what the layers keep for the backward pass, the weights, their gradient and Adam's
        two moments, the copies of the output that a step makes, and the film, which the history
        copies. None if the module does not run on a piece of z.

    Built in lesson 00 (used).

    >>> from dipcourse import nets
    >>> net = nets.UNet(8, 3, widths=(16, 16))
    >>> small, large = (memory_needed(net, torch.zeros(1, 8, side, side)) for side in (256, 512))
    >>> 3 < large / small < 4.1
    True
    """
    kept, storages = [], {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)  # alive, so that no other tensor gets its storage's address
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    piece = None if z is None else z[:, :, :SAMPLE, :SAMPLE].cpu().contiguous()
    try:
        with (
            torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32"),
        ):
            values = copy.deepcopy(net).cpu()(piece).numel()
    except Exception:  # a student's own module may do anything; a fit that is not checked may run
        return None
    scale = 1 if z is None or piece is None else z[0, 0].numel() / piece[0, 0].numel()
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    layers = sum(storages.values()) - weights  # the layers keep them too
    picture = scale * 4 * values
    film = 2 * frames * 2 / 4  # two snapshots of a byte for four; the history takes a copy
    copies = COPIES + PRIOR * prior + film
    return round(WORKSPACE * scale * max(layers, 0) + 4 * weights + copies * picture)


def free_memory(device: torch.device | str) -> float | None:
    """The memory that is free on a device.

    Args:
        device: a torch.device or its name.

    Returns:
        Bytes, or None where it cannot be known.

    Built in lesson 00 (used).

    >>> free_memory("cpu") > 0
    True
    """
    device = torch.device(device)
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    if device.type != "cpu":
        return None
    return min(psutil.virtual_memory().available, *(_left(k, *v) for k, v in CONTAINERS.items()))


def _left(folder: str, limit: str, used: str) -> float:
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


def keep_freed_memory() -> None:
    """Let the process keep freed memory for the next step, where the C library can.

    By default glibc hands large blocks back at each step and takes them again: thousands of page
    faults, up to half of a step's time. Elsewhere than on Linux this does nothing.

    Built in lesson 00 (used).

    >>> keep_freed_memory()
    """
    _glibc("mallopt", -4, 0)  # M_MMAP_MAX: all blocks come from the heap, which can be kept
    _glibc("mallopt", -1, 2**31 - 1)  # M_TRIM_THRESHOLD: up to 2 GB at the heap's end stay


def _glibc(function: str, *arguments: int) -> None:
    """Call a function of glibc, where that is the C library."""
    if sys.platform == "linux" and (call := getattr(ctypes.CDLL(None), function, None)):
        call(*arguments)


def require_memory(
    net: nn.Module,
    z: torch.Tensor | None,
    precision: str,
    device: torch.device | str,
    frames: int = 0,
    prior: bool = False,
) -> None:
    """Check that a fit will fit in memory.

    Args:
        net: the module that ``fit`` would change.
        z: tensor (1, channels, H, W), its input, or None.
        precision: one of ``PRECISIONS``.
        device: where the fit is to run.
        frames: number of snapshots.
        prior: whether the loss has one.

    Raises:
        MemoryError: it will not; the message says what to reduce.

    Built in lesson 00 (used).

    >>> require_memory(torch.nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 8, 8), "float32", "cpu")
    """
    want, have = memory_needed(net, z, precision, frames, prior), free_memory(device)
    if want is not None and have is not None and want > have:
        _glibc("malloc_trim", 0)  # hands back what earlier fits have kept
        have = free_memory(device)
    if want is not None and have is not None and want > have:
        raise MemoryError(
            f"this fit needs about {want / 1e9:.1f} GB, and {have / 1e9:.1f} GB are free on "
            f"{device}: take a smaller picture (half the side needs a quarter), fewer channels "
            "(widths), or presets at scale 'laptop'; restart the kernel to free what earlier "
            "cells hold"
        )
