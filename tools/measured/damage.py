"""The damage of a task, as the studies do it."""

import torch

from dipcourse import degrade

SIGMA = 25 / 255


def damaged(
    task: str, x: torch.Tensor, seed: int = 0
) -> tuple[torch.Tensor, degrade.Identity | degrade.Mask | degrade.Downsample]:
    """The measurement of a photo x, tensor (1, C, H, W), and its operator.

    "inpaint" hides half of the pixels, "superres" makes the photo a quarter as large; all other
    tasks add noise.
    """
    generator = torch.Generator().manual_seed(seed)
    if task == "inpaint":
        operator = degrade.Mask(degrade.random_mask(*x.shape[2:], 0.5, generator))
    elif task == "superres":
        operator = degrade.Downsample(4)
    else:
        return degrade.add_noise(x, SIGMA, generator=generator), degrade.Identity()
    return operator(x), operator
