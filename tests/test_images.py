import importlib
import inspect
import re
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dipcourse import (
    baselines,
    degrade,
    fit,
    images,
    live,
    metrics,
    nets,
    player,
    priors,
    show,
    stopping,
)
from dipcourse.history import History
from dipcourse.images import files
from dipcourse.live import mask as drawing
from dipcourse.live import sight
from tests.conftest import output
from tools import reference

ROOT = Path(__file__).parents[1]
RAMP = np.tile(np.linspace(0, 255, 16).astype(np.uint8), (12, 1))  # 12 rows, 16 columns


def saved(tmp_path, image, name="picture.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", images.PHOTOS)
def test_every_photo_loads_from_the_packages_alone(name):
    x = images.load(name)
    assert x.dtype == torch.float32
    assert x.shape[0] == 1
    assert ("in grey" in images.PHOTOS[name]) == (x.shape[1] == 1)
    assert 0 <= x.min() < 0.3
    assert 0.7 < x.max() <= 1


def test_face_is_the_crop_of_the_astronaut_that_the_yardstick_names():
    crop = images.load("astronaut")[:, :, 20:212, 130:322]
    assert torch.equal(images.load("face"), crop)


def test_size_cuts_the_centre_and_keeps_the_mean():
    whole = images.load("coffee")
    side = whole.shape[2]
    centre = whole[:, :, :, (whole.shape[3] - side) // 2 :][:, :, :, :side]
    small = images.load("coffee", size=64)
    assert small.shape == (1, 3, 64, 64)
    assert small.mean().item() == pytest.approx(centre.mean().item(), abs=2e-3)


def test_grey_true_and_false_set_the_channels():
    assert images.load("face", 32, grey=True).shape[1] == 1
    assert images.load("camera", 32, grey=False).shape[1] == 3
    assert images.load("camera", 32).shape[1] == 1


def test_round_trip_through_numpy():
    x = torch.rand(1, 3, 9, 10)
    assert torch.allclose(images.from_numpy(images.to_numpy(x)), x)


def test_rgba_is_put_on_white(tmp_path):
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[:5, :, 3] = 255  # the upper half is opaque black, the lower half transparent
    x = images.load(saved(tmp_path, Image.fromarray(pixels)))
    assert x.shape == (1, 3, 10, 10)
    assert x[:, :, :5].max() == 0
    assert x[:, :, 5:].min() == 1


def test_palette_with_and_without_transparency(tmp_path):
    colour = Image.new("RGB", (10, 10), (255, 0, 0)).convert("P", palette=Image.Palette.ADAPTIVE)
    x = images.load(saved(tmp_path, colour, "p.png"))
    assert torch.allclose(x[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]), atol=0.02)
    clear = images.load(saved(tmp_path, colour, "t.png", transparency=0))
    assert clear.min() == 1


def test_sixteen_bits_grey(tmp_path):
    deep = (RAMP.astype(np.uint16) * 257).astype(np.uint16)
    x = images.load(saved(tmp_path, Image.fromarray(deep)))
    assert torch.allclose(x[0, 0], torch.from_numpy(RAMP / 255).float(), atol=1e-4)


def test_grey_with_alpha_and_black_and_white(tmp_path):
    faint = images.load(saved(tmp_path, Image.new("LA", (9, 9), (100, 255)), "faint.png"))
    assert faint.shape == (1, 1, 9, 9)
    assert torch.allclose(faint, torch.tensor(100 / 255))
    assert images.load(saved(tmp_path, Image.new("LA", (9, 9), (0, 0)))).min() == 1
    assert images.load(saved(tmp_path, Image.new("1", (9, 9), 1))).shape == (1, 1, 9, 9)


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to see it upright
    image = Image.fromarray(RAMP)
    upright = images.load(saved(tmp_path, image, "turned.png", exif=exif))
    plain = images.load(saved(tmp_path, image, "plain.png"))
    assert upright.shape == (1, 1, 16, 12)
    assert torch.equal(upright, torch.rot90(plain, -1, (2, 3)))


def test_floats_are_kept_and_older_pillows_say_integers_for_sixteen_bits(tmp_path):
    floats = Image.fromarray(RAMP.astype(np.float32) / 255)
    x = images.load(saved(tmp_path, floats, "f.tiff"))
    assert torch.equal(x[0, 0], torch.from_numpy(RAMP.astype(np.float32) / 255))
    old = Image.fromarray(RAMP.astype(np.int32) * 257)
    assert files._array(old, "old.png", "PNG").dtype == np.uint16


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def tiff(folder, array):
    return saved(folder, Image.fromarray(array), "n.tiff")


@pytest.mark.parametrize("name", ["p.jpg", "p.png", "p.gif", "p.tiff", "p.webp"])
def test_a_cut_off_file_is_named(tmp_path, name):
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=f"{re.escape(name)} is cut off or damaged.* again"):
        images.load(cut(saved(tmp_path, Image.fromarray(noise), name)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p / "missing.png", "astronaut"),
        (lambda p: (p / "x.png").write_text("no picture") and p / "x.png", "Pillow"),
        (lambda p: saved(p, Image.new("L", (1, 1))), "1 × 1"),
        (lambda p: tiff(p, np.full((9, 9), np.nan, np.float32)), "NaN"),
        (lambda p: tiff(p, RAMP.astype(np.float32)), "n.tiff holds float32 values from 0 to 255"),
        (lambda p: tiff(p, RAMP.astype(np.int32)), "n.tiff holds int32 .*8 or 16 bits"),
        (lambda p: tiff(p, RAMP.astype(np.int32) << 16), "which is white"),
    ],
)
def test_bad_files_are_named_with_a_remedy(tmp_path, make, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        images.load(make(tmp_path))


def test_a_size_of_numpy_is_a_size():
    assert torch.equal(images.load("face", np.int64(64)), images.load("face", 64))


@pytest.mark.parametrize("size", [0, 3, 64.0, "64", True])
def test_a_bad_size_is_refused(size):
    with pytest.raises(ValueError, match="size="):
        images.load("face", size)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((8, 8)),
        torch.zeros(3, 8, 8),
        torch.zeros(2, 3, 8, 8),
        torch.zeros(1, 4, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 3, 7, 8),
        torch.full((1, 3, 8, 8), float("nan")),
    ],
)
def test_require_names_what_is_wrong(x):
    with pytest.raises(ValueError, match="the thing"):
        images.require(x, "the thing")


@pytest.mark.parametrize(
    "array", [np.zeros((8, 8, 4)), np.zeros((1, 8, 8, 3)), np.zeros((8, 8), complex)]
)
def test_from_numpy_refuses_what_is_no_picture(array):
    with pytest.raises(ValueError, match="use"):
        images.from_numpy(array)


# ---- what is no path, and files that Pillow stumbles over


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "not a NoneType: give it as text, such as"),
        (5, "not a int"),
        (b"x.png", "not a bytes"),
        (torch.zeros(1, 3, 8, 8), "not a Tensor: use it as it is"),
        (np.zeros((8, 8)), "not a ndarray: use images.from_numpy"),
        (Image.new("L", (8, 8)), "use images.from_numpy"),
        (["face"], "not a list"),
        ("https://example.org/a.png", "is an address: download it first"),
    ],
)
def test_what_is_no_path_is_named_with_a_remedy(given, words):
    with pytest.raises(ValueError, match=words):
        images.load(given)


def test_folders_and_empty_names_are_no_pictures(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path.name}' is a folder: give the path of one"):
        images.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no picture ''"):
        images.load("")


SOME_KINDS = ["png", "jpg", "gif", "tiff", "webp", "bmp", "ppm", "tga", "ico", "pcx", "sgi"]


@pytest.mark.filterwarnings("ignore")  # Pillow's, about tags that it skips
@pytest.mark.parametrize("kind", SOME_KINDS)
def test_damaged_files_never_raise_pillows_own_errors(tmp_path, kind):
    """Bytes are changed at random: the file still loads, or an error says its name."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(256, size=(16, 20, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels), f"p.{kind}")
    sound, messages = bytearray(path.read_bytes()), []
    for _ in range(40):
        damaged = sound.copy()
        for place in generator.integers(min(len(sound), 150), size=4):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            images.load(path)
        except ValueError as error:
            messages.append(str(error))
    assert messages
    assert all(path.name in message for message in messages)


def test_memory_that_is_not_there_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    path = saved(tmp_path, Image.fromarray(RAMP))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", full)
    with pytest.raises(MemoryError, match=r"picture\.png needs more memory"):
        images.load(path)


# ---- large pictures


@pytest.fixture
def small_limits(monkeypatch):
    """A picture of more than 1000 pixels is large, one of more than 100 000 too large."""
    monkeypatch.setattr(files, "LARGEST", 1000)
    monkeypatch.setattr(files, "HUGEST", 100_000)
    monkeypatch.setattr(files, "STRIP", 300)


def test_a_200_megapixel_picture_loads(tmp_path, capsys):
    """As phones make them; of one colour and with one bit a pixel, so that it is quick."""
    path = saved(tmp_path, Image.new("1", (16000, 12500), 1), "phone.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = images.load(path)
    assert x.shape == (1, 1, 3125, 4000)
    assert x.min() == 1
    said = capsys.readouterr().out
    assert "phone.png has 16000 × 12500 pixels, 200 megapixels: loaded at 1/4" in said


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_picture_is_the_mean_of_small_squares(tmp_path, small_limits, capsys, kind, mode):
    y, x = np.mgrid[:90, :121]
    pixels = (120 + 60 * np.sin(x / 9) + 60 * np.cos(y / 11)).astype(np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    small = images.load(saved(tmp_path, image, f"big.{kind}"))
    assert small.shape[1] == (3 if mode == "RGB" else 1)
    assert small.numel() // small.shape[1] <= 1000 * 1.1
    want = pixels[:88, :120].reshape(22, 4, 30, 4).mean((1, 3)) / 255
    assert np.abs(small[0, 0, :22, :30].numpy() - want).max() < (0.02 if kind == "jpg" else 0.002)
    said = capsys.readouterr().out
    assert f"loaded at 1/4 of its width and height, {small.shape[3]} × {small.shape[2]}" in said


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (lambda a: Image.fromarray(a.astype(np.uint16) * 257), 1),
        (lambda a: Image.fromarray(a.astype(np.float32) / 255), 1),
        (lambda a: Image.fromarray(a).convert("P"), 3),
        (lambda a: Image.fromarray(np.dstack([a, a, a, np.full_like(a, 255)])), 3),
        (lambda a: Image.fromarray(a).convert("LA"), 1),
    ],
)
def test_every_mode_is_reduced_alike(tmp_path, small_limits, make, channels):
    pixels = np.repeat(np.repeat(np.arange(200, dtype=np.uint8)[:, None], 4, 0)[:400], 40, 1)
    x = images.load(saved(tmp_path, make(pixels), "big.tiff"))
    assert x.shape == (1, channels, 100, 10)
    assert torch.allclose(x[0, 0, :, 3], torch.arange(100) / 255, atol=1e-4)


def test_a_large_picture_is_turned_and_cut_as_a_small_one(tmp_path, small_limits):
    exif = Image.Exif()
    exif[files.ORIENTATION] = 6
    y, x = np.mgrid[:80, :120]
    image = Image.fromarray((y + x).astype(np.uint8))
    turned = images.load(saved(tmp_path, image, "turned.png", exif=exif))
    plain = images.load(saved(tmp_path, image, "plain.png"))
    assert torch.equal(turned, torch.rot90(plain, -1, (2, 3)))
    square = images.load(tmp_path / "turned.png", size=10)
    assert square.shape == (1, 1, 10, 10)
    whole = torch.from_numpy(np.rot90(np.asarray(image), -1)[20:100] / 255.0)[None, None].float()
    want = torch.nn.functional.interpolate(whole, (10, 10), mode="bicubic", antialias=True)
    assert (square - want).abs().max() < 0.02


def test_up_to_the_limit_nothing_changes(tmp_path, monkeypatch, capsys):
    pixels = np.random.default_rng(0).integers(256, size=(40, 25, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels))
    want = images.load(path), images.load(path, 16), images.load(path, 25)
    monkeypatch.setattr(files, "LARGEST", 1000)
    got = images.load(path), images.load(path, 16), images.load(path, 25)
    assert all(map(torch.equal, got, want))
    assert capsys.readouterr().out == ""


def test_what_is_too_large_is_refused_by_name(tmp_path, small_limits):
    path = saved(tmp_path, Image.new("1", (400, 300)), "bomb.png")
    with pytest.raises(ValueError, match=r"bomb\.png has 400 × 300 pixels.*make it smaller"):
        images.load(path)


def test_pillows_limit_stays_as_it_was(tmp_path, monkeypatch):
    """Also when threads load at once, and when a file is none."""

    def slowly(path, really=Image.open):
        time.sleep(0.01)  # time for another thread to come in between
        return really(path)

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 123)
    monkeypatch.setattr(Image, "open", slowly)
    names = [saved(tmp_path, Image.fromarray(RAMP)).name, "none.png"]
    (tmp_path / "none.png").write_text("no picture")

    def load(name):
        with nullcontext() if name == names[0] else pytest.raises(ValueError, match="none"):
            images.load(tmp_path / name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(load, names * 4))
    assert Image.MAX_IMAGE_PIXELS == 123


MEMORY = """
import resource, sys
from dipcourse import images
unit = 1 if sys.platform == "darwin" else 1024  # bytes
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
start = peak()
images.load(sys.argv[1], *map(int, sys.argv[2:]))
print(peak() - start)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
@pytest.mark.parametrize("size", [[], [256]])
def test_memory_is_bounded(tmp_path, size, start):
    """48 megapixels in colour took 1700 MB; Pillow's own part is 4 bytes a pixel, 190 MB."""
    path = saved(tmp_path, Image.new("RGB", (8000, 6000), "red"), "p.png", compress_level=1)
    used = output(*start.command, "-c", MEMORY, path, *size, folder=tmp_path, path=[ROOT])
    assert int(used.split()[-1]) < 550e6


# ---- grey levels in the place of [0, 1]


def photo(*shape, seed=0):
    shape = shape or (1, 3, 16, 16)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "x",
    [
        255 * photo(),
        (255 * photo()).round(),
        255 * photo() * (photo(seed=1) < 0.01),  # most of it hidden
        1.0 + 11 * (photo() > 0.95),  # a dark one
        65535 * photo(),
        255 * photo() - 128,
        255 * photo() + 25 * torch.randn(1, 3, 16, 16),
    ],
)
def test_grey_levels_are_far_outside(x):
    assert images.far_outside(x)
    with pytest.raises(
        ValueError, match=r"my picture has values from .* divide grey levels by 255"
    ):
        images.require(x, "my picture")


@pytest.mark.parametrize(
    "x",
    [
        photo(),
        degrade.add_noise(photo(), 100 / 255, clip=False),
        degrade.add_noise(photo(1, 3, 256, 256), 1.0, clip=False),  # reaches beyond ±5
        photo() - photo(seed=1),
        3 * photo(),
        torch.zeros(1, 1, 8, 8),
        torch.eye(16)[None, None],
        photo() + 1e6 * (torch.arange(256).view(1, 1, 16, 16) == 99),  # one wild pixel
    ],
)
def test_other_units_of_pictures_are_not(x):
    assert not images.far_outside(x)
    assert images.require(x) is x


X = photo()
OTHER = photo(seed=1)
GREY = 255 * X
UNIT_MASK = torch.ones(1, 1, 16, 16)
A = degrade.Identity()


def history():
    frames = (X * 255).to(torch.uint8).expand(2, -1, -1, -1)
    return History(np.ones(9), np.array([0, 8]), frames, frames, X, X, 0.1)


def net():
    return nets.PixelImage(X)


#: (classical method, argument) → a call with grey levels there.
BASELINES = {
    ("nlm", "y"): lambda: baselines.nlm(GREY, 0.1),
    ("tv", "y"): lambda: baselines.tv(GREY, 0.1),
    ("wavelets", "y"): lambda: baselines.wavelets(GREY, 0.1),
    ("median", "y"): lambda: baselines.median(GREY, 3),
    ("linear", "y"): lambda: baselines.linear(GREY, UNIT_MASK),
    ("linear", "mask"): lambda: baselines.linear(X, 255 * UNIT_MASK),
    ("biharmonic", "y"): lambda: baselines.biharmonic(GREY, UNIT_MASK),
    ("biharmonic", "mask"): lambda: baselines.biharmonic(X, 255 * UNIT_MASK),
    ("nearest", "y"): lambda: baselines.nearest(GREY, 2),
    ("bicubic", "y"): lambda: baselines.bicubic(GREY, 2),
    ("sharpen", "x"): lambda: baselines.sharpen(GREY, 1),
}

#: "room.function argument" → a call with grey levels there. All are refused.
REFUSED = {
    "images.to_numpy x": lambda: images.to_numpy(GREY),
    "images.require x": lambda: images.require(GREY),
    "metrics.mse a": lambda: metrics.mse(GREY, X),
    "metrics.mse b": lambda: metrics.mse(X, GREY),
    "metrics.psnr a": lambda: metrics.psnr(GREY, X),
    "metrics.psnr b": lambda: metrics.psnr(X, GREY),
    "metrics.ssim a": lambda: metrics.ssim(GREY, X),
    "metrics.ssim b": lambda: metrics.ssim(X, GREY),
    "metrics.explained_energy x_hat": lambda: metrics.explained_energy(GREY, X),
    "metrics.explained_energy x": lambda: metrics.explained_energy(X, GREY),
    "show.images pictures": lambda: show.images({"x": X, "grey": GREY}),
    "show.images reference": lambda: show.images({"x": X}, reference=GREY),
    "show.images hidden": lambda: show.images({"x": X}, OTHER, hidden=255 * UNIT_MASK),
    "show.strip reference": lambda: show.strip(history(), reference=GREY),
    "show.strip hidden": lambda: show.strip(history(), OTHER, hidden=255 * UNIT_MASK),
    "player.iterations reference": lambda: player.iterations(history(), reference=GREY),
    "player.compare before": lambda: player.compare(GREY, X),
    "player.compare after": lambda: player.compare(X, GREY),
    "player.compare reference": lambda: player.compare(X, X.flip(3), reference=GREY),
    "degrade.add_noise x": lambda: degrade.add_noise(GREY, 0.1),
    "degrade.jpeg x": lambda: degrade.jpeg(GREY, 50),
    "degrade.require_mask mask": lambda: degrade.require_mask(255 * UNIT_MASK),
    "degrade.Mask mask": lambda: degrade.Mask(255 * UNIT_MASK),
    "metrics.mse mask": lambda: metrics.mse(X, OTHER, 255 * UNIT_MASK),
    "metrics.psnr mask": lambda: metrics.psnr(X, OTHER, 255 * UNIT_MASK),
    "metrics.ssim mask": lambda: metrics.ssim(X, OTHER, 255 * UNIT_MASK),
    "stopping.oracle x": lambda: stopping.oracle(history(), GREY),
    "stopping.oracle mask": lambda: stopping.oracle(history(), OTHER, mask=255 * UNIT_MASK),
    "live.draw_mask image": lambda: live.draw_mask(GREY),
    "a photo to choose from": lambda: live.pick_photo(GREY),
    "show.download x": lambda: show.download(GREY),
    "live.draw_mask start": lambda: live.draw_mask(X, start=255 * UNIT_MASK),
    "live.iterations reference": lambda: live.iterations(history(), reference=GREY),
    "live.difference reference": lambda: live.difference(GREY),
    "degrade.damage x": lambda: degrade.damage(GREY, "text", 8),
    "live.damage x": lambda: live.damage(GREY, "text", 8),
    "live.damage_panel photos": lambda: live.damage_panel(GREY),
    "live.fit_panel y": lambda: live.fit_panel(net(), None, GREY, A),
    "live.fit_panel reference": lambda: live.fit_panel(net(), None, X, A, reference=GREY),
    "live.watch y": lambda: live.watch(net(), None, GREY, A, steps=1),
    "live.watch holdout": lambda: live.watch(net(), None, X, A, steps=1, holdout=255 * UNIT_MASK),
    "a picture that stays beside a fit": lambda: live.watch(
        net(), None, X, A, steps=1, beside={"grey": GREY}
    ),
    "baselines.best_of y": lambda: baselines.best_of(baselines.tv, GREY, [0.1], X),
    "baselines.best_of reference": lambda: baselines.best_of(baselines.tv, X, [0.1], GREY),
    **{f"baselines.{name} {argument}": call for (name, argument), call in BASELINES.items()},
    "fit.fit y": lambda: fit.fit(net(), None, GREY, A, steps=1),
    "fit.fit holdout": lambda: fit.fit(net(), None, X, A, steps=1, holdout=255 * UNIT_MASK),
    "fit.plan y": lambda: fit.plan(net(), None, GREY, A, steps=1),
    "fit.plan holdout": lambda: fit.plan(net(), None, X, A, steps=1, holdout=255 * UNIT_MASK),
    "fit.Stepper y": lambda: fit.Stepper(net(), None, GREY, A),
    "fit.Stepper holdout": lambda: fit.Stepper(net(), None, X, A, holdout=255 * UNIT_MASK),
    "nets.PixelImage start": lambda: nets.PixelImage(GREY),
    # arguments by other names, and functions that are returned
    "a photo in a dict": lambda: live.damage_panel({"grey": GREY}),
    "what a panel draws": lambda: live.panel(lambda k: GREY, k=(0, 1)),
    "what a view gets": lambda: live.difference(X)(GREY),
    "the same": lambda: live.spectrum()(GREY),
}

#: The same for what works on any scale, or is told the scale: the result is what it should be.
ANY_SCALE = {
    "images.far_outside x": lambda: images.far_outside(GREY),
    "images.from_numpy array": lambda: images.from_numpy(GREY[0].permute(1, 2, 0)).equal(GREY),
    "degrade.shuffle_pixels x": lambda: degrade.shuffle_pixels(GREY).sum().allclose(GREY.sum()),
    "priors.total_variation x": lambda: (priors.total_variation(GREY, 0.255) / 255).allclose(
        priors.total_variation(X)
    ),
    "what a fit panel shows": lambda: sight.view("step 1", {"output": GREY}),
    "the text of a drawn mask": lambda: (
        drawing.encode(255 * UNIT_MASK) == drawing.encode(UNIT_MASK)
    ),
    "operators": lambda: all(
        B(GREY).allclose(255 * B(X), atol=1e-3)
        for B in (A, degrade.Mask(UNIT_MASK), degrade.Downsample(2), degrade.Blur(1.0))
    ),
    "images.crop x": lambda: images.crop(GREY, 0, 0, 8).equal(GREY[:, :, :8, :8]),
    "images.levels x": lambda: images.levels(GREY).max() == 255,
    "grey levels that are meant": lambda: show.images({"grey": GREY}, limits=(0, 255)),
    "their difference": lambda: show.images({"grey": GREY - 255 * OTHER}, limits=(-90, 90)),
    "a network without a sigmoid": lambda: show.images({"drawn": 3 * torch.randn(1, 3, 16, 16)}),
}

PICTURES = {"x", "y", "a", "b", "x_hat", "array", "pictures", "reference", "before", "after"}
PICTURES |= {"image", "photos", "start", "mask", "hidden", "holdout"}
CLASSES = [degrade.Mask, fit.Stepper, nets.PixelImage]  # others get checked pictures


def taking_pictures():
    """All "room.function argument" that the package offers, in which a picture or a mask goes."""
    for room in reference.ROOMS:
        for name, made in reference.public(importlib.import_module(f"dipcourse.{room}")):
            if inspect.isfunction(made) or made in CLASSES:
                for argument in PICTURES & set(inspect.signature(made).parameters):
                    yield f"{room}.{name} {argument}"


def test_every_function_that_takes_a_picture_is_listed():
    listed = {name for name in REFUSED | ANY_SCALE if "." in name}
    assert listed == set(taking_pictures())


@pytest.mark.parametrize("name", REFUSED)
def test_grey_levels_are_refused(name):
    with pytest.raises(ValueError, match=r"divide grey levels by 255|> 0\.5\)"):
        REFUSED[name]()


@pytest.mark.parametrize("name", ANY_SCALE)
def test_any_scale_is_right(name):
    assert ANY_SCALE[name]()


def test_a_running_fit_may_run_away():
    """The panel shows what happens; only what one hands over oneself is refused."""
    panel = live.fit_panel(nets.PixelImage(X), None, X, degrade.Blur(1.0), reference=X, lr=40.0)
    panel.step()
    panel.step()
    assert panel.k == 2
    assert images.far_outside(panel.history.final)
    assert 'role="alert"' not in panel.html
