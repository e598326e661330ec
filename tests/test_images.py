import re

import numpy as np
import pytest
import torch
from PIL import Image

from dipcourse import images

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
    assert images._array(old, "old.png", "PNG").dtype == np.uint16


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
