import json
import re
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from torch import nn

from dipcourse import nets, presets
from dipcourse.fit import machine


def test_it_counts_what_the_layers_keep_and_four_copies_of_the_weights():
    net = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.Sigmoid())
    z = torch.zeros(1, 4, 64, 64)
    kept = 4 * (4 + 8) * 64 * 64  # the input of the convolution and the output of the sigmoid
    weights = 4 * 4 * 8
    output = 4 * 8 * 64 * 64
    want = machine.WORKSPACE * kept + 4 * weights + machine.COPIES * output
    assert abs(machine.memory_needed(net, z) - want) <= machine.WORKSPACE * weights


def test_a_large_picture_is_judged_by_a_piece_of_it():
    net = nets.UNet(8, 3, widths=(16, 16), skip=4)
    pieces = [machine.memory_needed(net, torch.zeros(1, 8, side, side)) for side in (128, 512)]
    assert 15 < pieces[1] / pieces[0] < 16.1


def test_bfloat16_needs_about_half():
    net, z = nets.UNet(8, 3, widths=(32, 32)), torch.zeros(1, 8, 128, 128)
    ratio = machine.memory_needed(net, z, "bfloat16") / machine.memory_needed(net, z)
    assert 0.4 < ratio < 0.7


def test_the_net_is_not_touched_and_a_net_that_will_not_run_is_not_judged():
    net = nets.UNet(8, 3, widths=(16, 16))
    before = net.down[0][0][1].running_mean.clone()
    machine.memory_needed(net, torch.rand(1, 8, 32, 32))
    assert torch.equal(net.down[0][0][1].running_mean, before)
    assert machine.memory_needed(nn.Linear(3, 3), torch.zeros(1, 8, 32, 32)) is None


def test_pixels_need_their_copies_the_prior_and_the_film():
    net, picture = nets.PixelImage(torch.zeros(1, 3, 8, 8)), 4 * 3 * 64
    assert machine.memory_needed(net, None) == (4 + machine.COPIES) * picture
    film = 2 * 60 * 2 * 3 * 64  # bytes
    want = (4 + machine.COPIES + machine.PRIOR) * picture + film
    assert machine.memory_needed(net, None, frames=60, prior=True) == want


@pytest.mark.parametrize("task", presets.TABLE)
@pytest.mark.parametrize(("scale", "limit"), [("laptop", 2e9), ("paper", 12e9)])
def test_every_preset_fits_into_its_machine(task, scale, limit):
    net, z = presets.get(task, scale).make()
    assert machine.memory_needed(net, z, frames=60) < limit


# ---- what a process takes

#: Imports everything once, and lets a process of its own run each of the codes that it reads.
FORKS = """
import json, os, sys
from resource import RUSAGE_SELF, getrusage
from statistics import median
import psutil, torch
from dipcourse import degrade, fit, nets, priors
from dipcourse.fit import machine
for name, code in json.load(sys.stdin).items():
    print(f"\\n{name}: ", end="", flush=True)
    if not (child := os.fork()):
        exec(code)
        sys.exit()
    os.waitpid(child, 0)
"""
ESTIMATE = """
def used(line):
    status = dict(line.split(":") for line in open("/proc/self/status"))
    return 1024 * int(status[line].split()[0])

def run(net, z, y, steps, prior=None):
    fit.fit(net, z, y, degrade.Identity(), steps=steps, prior=prior,
            precision="float32", device="cpu", progress=False)

y = torch.rand(1, 3, 16, 16)
run(nets.UNet(8, 3, (8,)), nets.fixed_input(8, 16, 16), y, 2)  # libraries take some
y = torch.rand(1, 3, {side}, {side})
net, z = {net_and_z}
before = used("VmRSS")
want = machine.memory_needed(net, z, "float32", min({steps}, 60), {prior} is not None)
run(net, z, y, {steps}, {prior})
print(want / (used("VmHWM") - before))
"""
PIXELS = "nets.PixelImage(torch.zeros_like(y)), None"
UNET = "nets.UNet(8, 3, (16, 32, 32)), nets.fixed_input(8, 256, 256)"
FITS = {
    "many steps and frames": {"side": 384, "steps": 70, "prior": None, "net_and_z": PIXELS},
    "prior": {"side": 768, "steps": 9, "prior": "priors.total_variation", "net_and_z": PIXELS},
    "network": {"side": 256, "steps": 3, "prior": None, "net_and_z": UNET},
}
STEPS = """
def faults():
    before = getrusage(RUSAGE_SELF).ru_minflt
    stepper.step()
    return getrusage(RUSAGE_SELF).ru_minflt - before

y = torch.rand(1, 3, 1720, 1720)  # 36 MB: more than glibc keeps of itself
stepper = fit.Stepper(nets.PixelImage(y), None, y, degrade.Identity())
for _ in range(10):  # the heap grows in the first steps, by chance in more or fewer of them
    stepper.step()
print(median(faults() for _ in range(7)))
"""
HANDED_BACK = """
def used():
    return psutil.Process().memory_info().rss

def require():
    net, z = torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 8, 8)
    machine.require_memory(net, z, "float32", "cpu")

machine.keep_freed_memory()
large = torch.ones(100_000_000)
above = torch.ones(1_000)
del large
require()
held = used()
machine.free_memory = lambda device: 0 if used() > held - 300_000_000 else 1e9
require()
print(held - used())
"""


@pytest.fixture(scope="module")
def measured(start):
    """A function of a name: what the fit of FITS, STEPS or HANDED_BACK prints."""
    if sys.platform != "linux":
        pytest.skip("reads /proc, and is about glibc")
    codes = {name: ESTIMATE.format(**what) for name, what in FITS.items()}
    codes |= {"steps": STEPS, "handed back": HANDED_BACK}
    process = subprocess.run(
        [*start.command, "-c", FORKS],
        input=json.dumps(codes),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    printed = dict(re.findall(r"^(.+): (\S+)$", process.stdout, re.MULTILINE))

    def value(name):
        assert name in printed, process.stderr
        return float(printed[name])

    return value


@pytest.mark.parametrize("name", FITS)
def test_the_estimate_is_near_what_a_fit_takes(measured, name):
    assert 0.7 < measured(name) < 1.6


def test_a_step_takes_no_memory_anew(measured):
    pages_of_a_picture = 4 * 3 * 1720**2 / 4096
    assert measured("steps") < pages_of_a_picture


def test_what_earlier_fits_keep_is_handed_back_when_it_is_needed(measured):
    assert measured("handed back") > 300_000_000


# ---- what is free


def container(folder, **files):
    for name, content in files.items():
        (folder / f"memory.{name}").write_text(f"{content}\n")


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_container_counts(tmp_path, monkeypatch, version):
    (names,) = list(machine.CONTAINERS.values())[2 - version :][:1]
    monkeypatch.setattr(machine, "CONTAINERS", {tmp_path: names})
    everything = machine.free_memory("cpu")
    limit, used = (name.removeprefix("memory.") for name in names)
    cache = {1: "inactive_file 1\ntotal_inactive_file 200000", 2: "anon 7\ninactive_file 200000"}
    container(tmp_path, **{limit: 10**6, used: 900_000, "stat": cache[version]})
    assert machine.free_memory("cpu") == 300_000  # cached files give way
    for unlimited in ("max", 2**63 - 4096):
        container(tmp_path, **{limit: unlimited})
        assert machine.free_memory("cpu") == pytest.approx(everything, rel=0.2)


def test_what_torch_holds_for_reuse_on_a_gpu_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert machine.free_memory("cuda") == 40


def test_the_film_counts_on_a_gpu_too(monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda device: 10**6)
    net = nets.PixelImage(torch.zeros(1, 3, 64, 64))
    machine.require_memory(net, None, "float32", "cuda")
    with pytest.raises(MemoryError):
        machine.require_memory(net, None, "float32", "cuda", frames=60)


def test_the_message_says_what_to_reduce(monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda device: 2 * 10**9)
    net, z = nets.UNet(8, 3, widths=(64, 64)), torch.zeros(1, 8, 4096, 4096)
    with pytest.raises(MemoryError, match=r"2\.0 GB are free .*widths"):
        machine.require_memory(net, z, "float32", "cpu")
