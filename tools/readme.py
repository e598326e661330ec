"""Write what the README shows: where the course lives, and pictures of a recorded fit.

    python -m tools.readme         the badge and the command that fetches the course
    python -m tools.readme idea    images/00_idea.png: a noisy photo, five steps, the fall
    python -m tools.readme film    .github/media/player.webp: the player, 20 seconds of it

The pictures show the recording 00_overfit. The film is made of screenshots, and needs Chromium.
"""

import argparse
import io
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dipcourse import degrade, images, metrics, player, recordings, show
from tools import front_ends, notebooks

ROOT = notebooks.ROOT
README = ROOT / "README.md"
IDEA = ROOT / "images" / "00_idea.png"
FILM = ROOT / ".github" / "media" / "player.webp"
FIRST_LESSON = "00_start_here.ipynb"
CLONE = re.compile(r"^    git clone https://\S+$", re.MULTILINE)

RECORDING = "00_overfit"
STEPS = (5, 15, 48, 171, 499)  # each about three times the one before
TILE, GAP = 192, 12  # pixels: a picture of the row, and what lies between two
SIZE = (6 * TILE + 5 * GAP, 580)
CURVE = (8, 250)  # pixels: its lower end, and its height
DECIBELS = (11, 31.5)  # from its lower end to its upper end
LARGE, MEDIUM = 38, 32  # pixels: letters that can be read on a telephone, where all is a third

WINDOW = {"width": 420, "height": 500}
MOVE = "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }"
SECONDS, LAST_SECONDS = 20, 3
QUALITY = 80  # of the film's WebP; its screenshots are no place to measure noise


class Fit(NamedTuple):
    """A recorded fit: clean and noisy photo, and the steps, PSNR and pictures of its frames."""

    x: torch.Tensor
    y: torch.Tensor
    steps: list[int]
    decibels: list[float]
    frames: list[torch.Tensor]


def written(text: str) -> str:
    """The README with the addresses that [tool.dipcourse] in pyproject.toml gives."""
    text = notebooks.BADGE.sub(lambda _: notebooks.badge(FIRST_LESSON), text)
    repository = notebooks.configured()["repository"]
    return CLONE.sub(f"    git clone https://github.com/{repository}", text)


def recorded() -> Fit:
    history = recordings.load(RECORDING)
    x = images.load("face", size=history.frames.shape[-1])
    y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0))
    frames = [history.frame(i) for i in range(len(history))]
    return Fit(x, y, history.steps.tolist(), [metrics.psnr(f, x) for f in frames], frames)


# ---- the picture of the idea


def idea() -> Image.Image:
    """The picture; its alt text is the Description in its ``info``."""
    fit = recorded()
    noisy = metrics.psnr(fit.y, fit.x)
    shown = [fit.steps.index(step) for step in STEPS]
    tiles = [("noisy", noisy, fit.y)]
    tiles += [(f"step {fit.steps[i]}", fit.decibels[i], fit.frames[i]) for i in shown]
    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100)
    for place, (name, decibel, picture) in enumerate(tiles):
        draw_tile(figure, place * (TILE + GAP), f"{name}\n{decibel:.1f} dB", picture)
    draw_curve(figure, fit, shown, noisy)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    picture = Image.open(file).convert("RGB").quantize(256, kmeans=9, dither=Image.Dither.NONE)
    listed = ", ".join(f"{name} {decibel:.1f} dB" for name, decibel, _ in tiles)
    picture.info["Description"] = (
        "A noisy photo of a face, and five outputs of a network that is fitted to it: first a "
        "blur, then the face without the noise, at last the face with the noise. A curve of their "
        "likeness to the clean photo climbs far above the noisy photo and falls back towards it. "
        f"PSNR: {listed}."
    )
    return picture


def write(figure: Figure, left: float, height: float, text: str, size: int, **look) -> None:
    """Write text at a place in pixels from the figure's lower left corner."""
    points = 0.72 * size  # at 100 pixels an inch
    figure.text(left / SIZE[0], height / SIZE[1], text, fontsize=points, **look)


def draw_tile(figure: Figure, left: float, label: str, picture: torch.Tensor) -> None:
    axes = axes_at(figure, left, SIZE[1] - TILE, TILE, TILE)
    axes.imshow(images.levels(picture)[0].permute(1, 2, 0).numpy(), interpolation="nearest")
    below = SIZE[1] - TILE - 8
    write(figure, left + TILE / 2, below, label, LARGE, ha="center", va="top")


def draw_curve(figure: Figure, fit: Fit, shown: list[int], noisy: float) -> None:
    """The PSNR of all frames; the first and the last of STEPS stand below their pictures."""
    left, (bottom, height) = TILE + GAP, CURVE
    axes = axes_at(figure, left, bottom, SIZE[0] - left, height)
    margin = (STEPS[-1] / STEPS[0]) ** (TILE / 2 / (SIZE[0] - left - TILE))
    axes.set_xscale("log")
    axes.set_xlim(STEPS[0] / margin, STEPS[-1] * margin)
    axes.set_ylim(DECIBELS)
    axes.axhline(noisy, color=show.COLOURS[1], lw=3, ls="--")
    axes.plot(fit.steps[1:], fit.decibels[1:], color=show.COLOURS[0], lw=4)
    dots = [fit.decibels[i] for i in shown]
    axes.plot(STEPS, dots, "o", ms=13, color=show.COLOURS[0])
    top = bottom + height
    write(figure, 0, top, "likeness\nto the clean\nphoto:", MEDIUM, va="top")
    write(figure, left + 40, top, "first comes the face …", MEDIUM, va="top")
    write(figure, SIZE[0], top, "… then the noise", MEDIUM, ha="right", va="top")
    level = bottom + height * (noisy - DECIBELS[0]) / (DECIBELS[1] - DECIBELS[0])
    look = {"ha": "right", "va": "center", "color": show.COLOURS[1]}
    write(figure, left - GAP, level, "noisy", MEDIUM, **look)


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Bare axes at a place in pixels from the figure's lower left corner."""
    wide, high = SIZE
    axes = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    axes.set_axis_off()
    return axes


def save_idea() -> None:
    picture, about = idea(), PngInfo()
    about.add_text("Description", picture.info["Description"])
    picture.save(IDEA, optimize=True, pnginfo=about, dpi=(100, 100))


# ---- the film


def screenshots() -> list[Image.Image]:
    """The player at each of its frames, in a window that is as narrow as a telephone."""
    from playwright.sync_api import sync_playwright

    history, x = recordings.load(RECORDING), recorded().x
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "player.html"
        player.iterations(history, x, title="A network draws a noisy photo").save(path)
        browser = front_ends.launch(playwright)
        page = browser.new_page(viewport=WINDOW, device_scale_factor=2, color_scheme="light")
        page.goto(path.as_uri())
        taken = []
        for place in range(len(history)):
            page.get_by_role("slider").evaluate(MOVE, place)
            page.get_by_text(f"step {history.steps[place]} of").wait_for()
            taken.append(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB"))
        browser.close()
    return taken


def save_film() -> None:
    """One pass of 20 seconds: what moves by itself comes to rest by itself."""
    pictures = screenshots()
    each = round(1000 * (SECONDS - LAST_SECONDS) / (len(pictures) - 1))
    times = [each] * (len(pictures) - 1)
    times.append(1000 * SECONDS - sum(times))
    FILM.parent.mkdir(exist_ok=True)
    pictures[0].save(
        FILM, save_all=True, append_images=pictures[1:], duration=times, loop=1, quality=QUALITY
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.readme", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "what", nargs="?", default="addresses", choices=["addresses", "idea", "film"]
    )
    what = parser.parse_args(arguments).what
    if what == "idea":
        save_idea()
    elif what == "film":
        save_film()
    else:
        README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
