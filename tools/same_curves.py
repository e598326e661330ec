"""Are fits bit-equal to those of another commit? For changes that must not change a number.

    python -m tools.same_curves COMMIT

Every preset at smoke scale, `overfit` at laptop scale, and fits with each further setting, from two
seeds each, are run with the package as it is and as it was at the commit; losses, frames, means and
final pictures are compared bit by bit. One thread; about two minutes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import dipcourse
from dipcourse import degrade, fit, images, nets, presets, priors

ROOT = Path(__file__).parents[1]
SEEDS = 0, 1
MORE = {  # settings that no preset has
    "held out": {"holdout": degrade.random_mask(32, 32, 0.1, torch.Generator().manual_seed(9))},
    "window": {"window": 5},
    "rollback": {"rollback": 1.05, "steps": 120},
    "no mean": {"average": 0.0},
    "float32": {"precision": "float32"},
    "descent": {"optimizer": "gradient descent", "lr": 1.0},
    "class": {"optimizer": torch.optim.AdamW},
    "prior": {"prior": lambda x: 0.1 * priors.total_variation(x) / x.numel()},
}


def damaged(task, size, seed):
    """A photo with the damage of a task: the measurement and its operator."""
    x, generator = images.load("face", size), torch.Generator().manual_seed(seed)
    if task == "inpaint":
        operator = degrade.Mask(degrade.random_mask(size, size, 0.5, generator))
    elif task == "superres":
        operator = degrade.Downsample(4)
    else:
        return degrade.add_noise(x, 25 / 255, generator=generator), degrade.Identity()
    return operator(x), operator


def one_fit(task, scale, seed, **more):
    """The History of a preset's fit, with further settings."""
    preset = presets.get(task, scale)
    y, operator = damaged(task, preset.size, seed)
    net, z = preset.make(seed=seed)
    return fit.fit(net, z, y, operator, seed=seed, progress=False, **preset.fit | more)


def pixels(seed):
    """The History of lesson 01's fit: pixels under a total-variation prior."""
    y, operator = damaged("denoise", 64, seed)
    net, prior = nets.PixelImage(y), MORE["prior"]["prior"]
    return fit.fit(net, None, y, operator, steps=50, lr=0.02, prior=prior, progress=False)


def fits():
    """Yield the name of each fit, and a function of the seed that makes it."""
    for task in presets.TABLE:
        yield f"{task}, smoke", lambda seed, task=task: one_fit(task, "smoke", seed)
    for name, more in MORE.items():
        yield name, lambda seed, more=more: one_fit("overfit", "smoke", seed, **more)
    yield "pixels", pixels
    yield "overfit, laptop", lambda seed: one_fit("overfit", "laptop", seed)


def fingerprint(history):
    """A text that differs if a bit of the record differs."""
    digest = hashlib.sha256()
    for part in (history.loss, history.held_out, history.variance, history.rollbacks):
        digest.update(b"none" if part is None else part.tobytes())
    for part in (history.frames, history.means, history.final, history.mean):
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()


def print_fingerprints():
    """Run every fit with the package that Python finds, and print what came as JSON."""
    torch.set_num_threads(1)
    found = {f"{name}, seed {s}": fingerprint(make(s)) for name, make in fits() for s in SEEDS}
    print(json.dumps({"package": dipcourse.__file__, "fits": found}))


def fingerprints(tree):
    """The fingerprints of all fits with the package of a folder."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--print"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the fits of {tree} failed:\n{done.stderr}")
    said = json.loads(done.stdout.splitlines()[-1])
    if not Path(said["package"]).is_relative_to(tree):
        raise RuntimeError(f"{said['package']} was used, not the package in {tree}")
    return said["fits"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("commit", nargs="?", help="what to compare with, such as main or v0.1.0")
    parser.add_argument("--print", action="store_true", help="only print this tree's fingerprints")
    options = parser.parse_args()
    if options.print:
        print_fingerprints()
        return
    if options.commit is None:
        parser.error("name a commit to compare with")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "then")
        archive = subprocess.run(
            ["git", "archive", options.commit, "dipcourse", "images"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        tree.mkdir()
        subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
        then, now = fingerprints(tree), fingerprints(ROOT)
    different = [name for name in now if now[name] != then[name]]
    print(f"{len(now) - len(different)} of {len(now)} fits are bit-equal with {options.commit}.")
    for name in different:
        print(f"  different: {name}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
