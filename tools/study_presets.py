"""Why the laptop presets are what they are: PSNR of candidates after so many seconds.

    python -m tools.study_presets                            the stored table
    python -m tools.study_presets --run plain short …        measure candidates and store the rows
    python -m tools.study_presets --run short --photos chelsea coffee --seeds 0 1 2

Denoising at σ = 25/255, clipped, 192². Each row gives the running mean after 15, 30 and 45 seconds
of this machine beside TV and non-local means at their best settings. The result of a row is what a
user gets at that time; no step is chosen with the clean photo.
"""

import argparse
import json
import os
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import torch
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from dipcourse import degrade, fit, images, metrics, nets, presets

STORE = Path(__file__).with_suffix(".json")
SIGMA, SIDE = 25 / 255, 192
MARKS = (15, 30, 45)  # seconds
SHORT = presets.DEEP_SHORT
FUNNEL = SHORT | {"widths": (16, 32, 64, 64, 64)}


#: name → (settings of the network, channels of z, settings of the fit)
CANDIDATES = {
    "plain": (presets.SMALL, 32, {"lr": 0.02, "jitter": 0.01}),
    "short": (SHORT, 32, {}),
    "short fast": (SHORT, 32, {"lr": 0.02}),
    "shorter": (SHORT | {"skip": (0, 0, 4, 4, 4)}, 32, {}),
    "short funnel": (FUNNEL, 32, {}),
    "short wide": (SHORT | {"widths": (48,) * 5}, 32, {}),
    "short thin z": (SHORT, 8, {}),
    "short jitter": (SHORT, 32, {"jitter": 0.01}),
    "short jitter 2": (SHORT, 32, {"jitter": 0.02}),
    "short jitter 3": (SHORT, 32, {"jitter": 1 / 30}),
    "fast jitter 2": (SHORT, 32, {"lr": 0.02, "jitter": 0.02}),
    "funnel jitter": (FUNNEL, 32, {"jitter": 0.01}),
    "funnel jitter 2": (FUNNEL, 32, {"jitter": 0.02}),
}


@cache
def case(name, seed):
    """A photo at 192² (the face as it is, others made small), its noisy version, the baselines."""
    x = images.load(name, SIDE)
    y = degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(seed))
    array, axis = images.to_numpy(y), -1 if y.shape[1] == 3 else None
    tv = [denoise_tv_chambolle(array, w, channel_axis=axis) for w in np.arange(0.04, 0.2, 0.02)]
    nlm = [
        denoise_nl_means(array, 5, 6, h * SIGMA, sigma=SIGMA, channel_axis=axis, fast_mode=False)
        for h in np.arange(0.5, 1.15, 0.1)
    ]
    best = [max(metrics.psnr(images.from_numpy(a), x) for a in tried) for tried in (tv, nlm)]
    return x, y, {"tv": round(best[0], 2), "nlm": round(best[1], 2)}


def measure(name, photo_name, seed):
    """One row of the table."""
    settings, channels, options = CANDIDATES[name]
    x, y, baselines = case(photo_name, seed)
    z = nets.fixed_input(channels, SIDE, SIDE, seed)

    def run(steps):
        torch.manual_seed(seed)
        net = nets.UNet(channels, x.shape[1], **settings)
        return fit.fit(
            net, z, y, degrade.Identity(), steps=steps, seed=seed, progress=False, **options
        )

    run(2)
    pace = run(10).seconds / 10
    history = run(round(1.05 * MARKS[-1] / pace))
    at = history.steps * history.seconds / len(history.loss)  # seconds of each frame
    psnr = {}
    for kind, mean in (("mean", True), ("single", False)):
        values = [metrics.psnr(history.frame(i, mean), x) for i in range(len(history))]
        psnr[kind] = [round(float(np.interp(mark, at, values)), 2) for mark in MARKS]
        psnr[f"best {kind}"] = round(max(values), 2)
    return {
        "candidate": name,
        "photo": photo_name,
        "seed": seed,
        **psnr,
        **baselines,
        "ms a step": round(1e3 * history.seconds / len(history.loss), 1),
        "precision": history.settings["precision"],
        "isa": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "date": date.today().isoformat(),
    }


def stored():
    return json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else []


def store(row):
    """Add a row in place of an older one of the same candidate, photo, seed and processor."""
    key = ("candidate", "photo", "seed", "isa")
    rows = [r for r in stored() if any(r[k] != row[k] for k in key)]
    lines = ",\n".join(json.dumps(r, ensure_ascii=False) for r in [*rows, row])
    STORE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def head():
    print(f"{'candidate':16}{'photo':11}{'seed':4} {'running mean at 15, 30, 45 s':30}", end="")
    print(f"{'best':>6}{'single':>7}{'TV':>7}{'NLM':>7}{'ms a step':>11}")


def show(row):
    means = "  ".join(f"{v:6.2f}" for v in row["mean"])
    print(f"{row['candidate']:16}{row['photo']:11}{row['seed']:4} {means:30}", end="")
    print("".join(f"{row[k]:7.2f}" for k in ("best mean", "best single", "tv", "nlm")), end="")
    print(f"{row['ms a step']:11.1f}", flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.study_presets", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--run", nargs="+", choices=CANDIDATES, metavar="CANDIDATE", default=[])
    parser.add_argument("--photos", nargs="+", default=["face"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args(arguments)
    head()
    for row in stored() if not options.run else ():
        show(row)
    for photo_name in options.photos:
        for seed in options.seeds:
            for name in options.run:
                store(row := measure(name, photo_name, seed))
                show(row)


if __name__ == "__main__":
    main()
