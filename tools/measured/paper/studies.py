"""The paper's network near the paper's size, for lessons 04 to 06: hours on a CPU.

python -m tools.measured record 04_paper 05_paper 06_paper     an interrupted fit goes on
python -m tools.measured tables 04_paper 05_paper 06_paper     the same beside other methods
"""

from dataclasses import replace

from dipcourse import fit, images, metrics, presets, recordings
from tools.measured import long
from tools.measured.damage import damaged
from tools.measured.lesson04 import studies as denoising
from tools.measured.lesson05 import studies as inpainting
from tools.measured.lesson06 import studies as superres
from tools.measured.recordings import recording, thinned
from tools.measured.tables import table

SIDE, SMALL_STEPS = 256, 1000
FRAMES, KEPT = 16, 10  # of the film, and of those that fit into a megabyte without being coarse
STEPS = {"denoise": 3000, "inpaint": 2000, "superres": 2000}
#: at the paper's learning rate of 0.001 inpainting takes 11,000 steps: the laptop's settings
TUNED = {"inpaint": presets.get("inpaint", "laptop").fit}


def photo():
    return images.load("astronaut", SIDE)


def given(task):
    """What is given of the photo, and the operator."""
    return damaged(task, photo())


def fitted(name, task, preset):
    """The fit of a preset's network from seed 0, in which ``long`` keeps checkpoints."""
    chosen = preset.fit | TUNED.get(task, {})
    settings = {key: value for key, value in chosen.items() if key != "steps"}

    steps = STEPS[task]

    def begin():
        net, z = replace(preset, size=SIDE).make(seed=0)
        return fit.Stepper(net, z, *given(task), **settings)

    stepper = long.go_on(name, begin, steps, fit.frame_steps(steps, FRAMES))
    return thinned(stepper.history(), KEPT)


@recording("04_paper", preset="denoise", scale="paper")
def denoised(preset):
    """Denoising at 256², σ = 25/255, with the paper's network and settings, 3,000 steps."""
    return fitted("04_paper", "denoise", preset)


@recording("05_paper", preset="inpaint", scale="paper")
def inpainted(preset):
    """Half of the pixels at 256², the paper's network, the laptop's settings, 2,000 steps."""
    return fitted("05_paper", "inpaint", preset)


@recording("06_paper", preset="superres", scale="paper")
def enlarged(preset):
    """×4 to 256², with the paper's network and settings, 2,000 steps."""
    return fitted("06_paper", "superres", preset)


# ---- beside other methods


def networks(name, task):
    """The running means of the laptop's fit, with steps for a larger picture, and the recorded."""
    preset = replace(presets.get(task, "laptop"), size=SIDE)
    net, z = preset.make(seed=0)
    small = fit.fit(net, z, *given(task), **preset.fit | {"steps": SMALL_STEPS}, threads=1)
    wide = recordings.load(name)
    return {
        f"the lesson's network, {SMALL_STEPS:,} steps": small.mean,
        f"the paper's network, {STEPS[task]:,} steps": wide.mean,
    }


def compare(table, pictures, hidden=None):
    """Store a row for each picture; hidden: tensor (1, 1, H, W), ones where pixels were missing."""
    x = photo()
    for method, x_hat in pictures.items():
        row = {"method": method, "PSNR": round(metrics.psnr(x_hat, x), 2)}
        if hidden is not None:
            row["hidden pixels"] = round(metrics.psnr(x_hat, x, hidden), 2)
        table.add(row)


@table("04_paper", key=("method",))
def denoising_methods(table):
    """The astronaut at 256², σ = 25/255, each method without a network at its best strength."""
    y, _ = given("denoise")
    others = denoising.LESSON["classical"](y, photo(), denoising.SIGMA)
    compare(table, {"y: noisy": y} | others | networks("04_paper", "denoise"))


@table("05_paper", key=("method",))
def inpainting_methods(table):
    """Half of the pixels of the astronaut at 256²."""
    y, operator = given("inpaint")
    mask = operator.mask
    others = inpainting.LESSON["classical"](y, mask)
    nets = {
        name: inpainting.LESSON["composite"](y, mask, x_hat)
        for name, x_hat in networks("05_paper", "inpaint").items()
    }
    compare(table, others | nets, 1 - mask)


@table("06_paper", key=("method",))
def superres_methods(table):
    """×4 of the astronaut, to 256²."""
    compare(table, superres.enlarged(photo(), 4) | networks("06_paper", "superres"))
