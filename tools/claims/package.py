"""What the package itself promises."""

import torch

from dipcourse import degrade, fit, images, metrics, presets
from tools.claims import claim

SIGMA = 25 / 255


@claim(
    "package-precision",
    unit="dB",
    digits=2,
    seeds=(0, 1, 2, 3, 4),
    holds=lambda gaps: abs(sum(gaps) / len(gaps)) <= 0.15,
    text=lambda gaps: f"{abs(sum(gaps) / len(gaps)):.2f} dB",
)
def precision(seed):
    """PSNR of the running mean in bfloat16 minus that in float32: equal seeds, equal steps."""
    preset = presets.get("denoise")
    x = images.load("face", preset.size)
    y = degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(seed))
    found = {}
    for kind in ("bfloat16", "float32"):
        net, z = preset.make(seed=seed)
        history = fit.fit(
            net, z, y, degrade.Identity(), precision=kind, seed=seed, progress=False, **preset.fit
        )
        found[kind] = metrics.psnr(history.mean, x)
    return found["bfloat16"] - found["float32"]
