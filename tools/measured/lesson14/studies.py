"""What lesson 14 says of its judge and of a flash photo: three photos, three seeds each.

python -m tools.measured tables 14_judge 14_flash
"""

from itertools import product

import torch

from dipcourse import degrade, fit, images, metrics
from tools import lesson_code
from tools.measured.tables import table

PHOTOS = ("chelsea", "coffee", "face")
SEEDS = range(3)
SIGMA = 25 / 255
MOST, FLASH_MOST = 160 * 160, 96 * 96  # pixels, as in the lesson

CELLS = ("build-size", "build-fill", "build-judge", "build-rivals", "build-network", "build-pair")
CELLS += ("build-scene", "build-flash", "build-guided", "build-guided-judge")
#: the very code of the lesson
LESSON = lesson_code.run("14", *CELLS, SIGMA=SIGMA)


def photo(name, most):
    return LESSON["manageable"](images.load(name), most)


def left_out(x, seed):
    """One pixel in ten, which nobody sees."""
    rng = torch.Generator().manual_seed(100 + seed)
    return 1 - degrade.random_mask(*x.shape[2:], 0.9, rng)


@table("14_judge", key=("photo", "seed"))
def judge(table):
    """Is the judge right? PSNR in dB, differences in squared grey levels (below 0: network)."""
    table.fill(product(PHOTOS, SEEDS), judge_row)


def judge_row(name, seed):
    x = photo(name, MOST)
    y = degrade.add_noise(x, SIGMA, generator=torch.Generator().manual_seed(seed))
    hidden = left_out(x, seed)
    history = fit.side_by_side([LESSON["plan_network"](y, hidden, seed)], progress=False)[0]
    network = LESSON["best_mean"](history, y, hidden)
    nlm = LESSON["nlm_by_judge"](y, hidden)[0]
    difference, margin = LESSON["compare"](network, nlm, y, hidden)
    better = "network" if difference < 0 else "NLM"
    return {
        "photo": name,
        "seed": seed,
        "network": round(metrics.psnr(network, x), 2),
        "NLM": round(metrics.psnr(nlm, x), 2),
        "judge's difference": round(difference, 1),
        "margin": round(margin, 1),
        "true difference": round(255**2 * (metrics.mse(network, x) - metrics.mse(nlm, x)), 1),
        "verdict": "level" if abs(difference) < margin else better,
    }


@table("14_flash", key=("photo", "seed"))
def flash(table):
    """An evening, restored with and without a flash photo; PSNR, settings by hidden pixels."""
    table.fill(product(PHOTOS, SEEDS), flash_row)


def flash_row(name, seed):
    x = photo(name, FLASH_MOST)
    evening, dark, lit = LESSON["flash_pair"](x, seed)
    hidden = left_out(x, seed)
    fits = fit.side_by_side(LESSON["plans_flash"](dark, lit, hidden, seed), progress=False)
    found = {"NLM": LESSON["nlm_by_judge"](dark, hidden)[0]}
    found["guided filter"] = LESSON["guided_by_judge"](dark, lit, hidden)
    found["guided, three colours"] = LESSON["guided_by_judge"](dark, lit, hidden, guided_by_colour)
    for method, history in fits.items():
        found[method] = LESSON["best_mean"](history, dark, hidden)
    return {"photo": name, "seed": seed} | {
        method: round(metrics.psnr(x_hat, evening), 2) for method, x_hat in found.items()
    }


def guided_by_colour(y, guide, radius, eps):
    """The guided filter with all colours of the guide at once (He, Sun, Tang 2013, equation 14)."""
    mean = LESSON["window_mean"]
    guide_mean, y_mean = mean(guide, radius), mean(y, radius)  # (1, 3, H, W)
    count = guide.shape[1]
    spread = torch.stack([covariances(guide, guide[:, i : i + 1], radius) for i in range(count)])
    spread = spread.permute(2, 3, 0, 1) + eps * torch.eye(count)  # (H, W, 3, 3)
    pieces = []
    for channel in range(y.shape[1]):
        with_y = covariances(guide, y[:, channel : channel + 1], radius).permute(
            1, 2, 0
        )  # (H, W, 3)
        a = torch.linalg.solve(spread, with_y[..., None])[..., 0].permute(2, 0, 1)[None]
        b = y_mean[:, channel : channel + 1] - (a * guide_mean).sum(1, keepdim=True)
        pieces.append((mean(a, radius) * guide).sum(1, keepdim=True) + mean(b, radius))
    return torch.cat(pieces, dim=1)


def covariances(guide, other, radius):
    """Of each colour of the guide with another channel, in each window: (3, H, W)."""
    mean = LESSON["window_mean"]
    return (mean(guide * other, radius) - mean(guide, radius) * mean(other, radius))[0]
