"""WAV files of every kind become the same samples; what cannot be read is refused."""

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from dipcourse import sounds

RATE = 8000


def tone(rate=RATE, seconds=0.5, hertz=440):
    return np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def file_of(folder, samples, rate=RATE, name="tone.wav"):
    wavfile.write(folder / name, rate, samples)
    return folder / name


def write_24_bits(path, values):
    """A WAV file by hand, for SciPy writes none of 24 bits."""
    whole = (values * (2**23 - 1)).astype("<i4")
    data = whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    form = np.array([1, 1], "<u2").tobytes() + np.array([RATE, 3 * RATE], "<u4").tobytes()
    form += np.array([3, 24], "<u2").tobytes()
    size = np.array([4 + 8 + 16 + 8 + len(data)], "<u4").tobytes()
    path.write_bytes(
        b"RIFF" + size + b"WAVEfmt " + np.array([16], "<u4").tobytes() + form
        + b"data" + np.array([len(data)], "<u4").tobytes() + data
    )  # fmt: skip
    return path


KINDS = {
    "8 bits": lambda x: (127 * x + 128).round().astype(np.uint8),
    "16 bits": lambda x: (32767 * x).astype(np.int16),
    "32 bits": lambda x: ((2**31 - 1) * x).astype(np.int32),
    "floats": lambda x: x.astype(np.float32),
    "quiet floats": lambda x: (0.01 * x).astype(np.float64),
    "off centre": lambda x: (0.4 * x + 0.5).astype(np.float32),
    "stereo": lambda x: np.stack([1.5 * x, 0.5 * x], axis=1).astype(np.float32),
}


@pytest.mark.parametrize("kind", KINDS)
def test_how_samples_are_stored_does_not_matter(kind, tmp_path):
    found = sounds.load(file_of(tmp_path, KINDS[kind](tone())))
    want = torch.from_numpy(tone() / np.abs(tone()).max()).float()
    assert found.dtype == torch.float32
    assert torch.allclose(found, want, atol=0.01 if kind == "8 bits" else 1e-3)


def test_24_bits(tmp_path):
    found = sounds.load(write_24_bits(tmp_path / "a.wav", tone()))
    assert torch.allclose(found, torch.from_numpy(tone()).float(), atol=1e-2)


@pytest.mark.parametrize("rate", [11025, 22050, 44100, 48000])
def test_a_tone_keeps_its_pitch_and_length_at_any_rate(rate, tmp_path):
    found = sounds.load(file_of(tmp_path, tone(rate).astype(np.float32), rate), rate=RATE)
    assert len(found) == RATE // 2
    loudest = torch.fft.rfft(found).abs().argmax().item()
    assert loudest / 0.5 == pytest.approx(440, abs=2)


def test_a_long_sound_is_cut_where_one_asks_and_that_is_said(tmp_path, capsys):
    long = np.concatenate([tone(hertz=300, seconds=3), tone(hertz=900, seconds=3)])
    path = file_of(tmp_path, long.astype(np.float32))
    found = sounds.load(path, seconds=1, offset=3.5)
    assert len(found) == RATE
    assert torch.fft.rfft(found).abs().argmax() == 900
    assert "lasts 6.0 s: 1.0 s of it are loaded" in capsys.readouterr().out


def test_the_course_s_own_sound_needs_no_file_and_says_nothing(capsys):
    found = sounds.load("voice", seconds=0.5)
    assert len(found) == RATE // 2
    assert found.abs().max() == 1
    assert abs(found.mean()) < 1e-3
    assert (sounds.FOLDER / "voice.wav").stat().st_size < 60_000
    assert not capsys.readouterr().out


def test_what_is_no_sound_is_refused(tmp_path):
    whole = file_of(tmp_path, (32767 * tone()).astype(np.int16)).read_bytes()
    compressed = whole[:20] + b"\x07\x00" + whole[22:]  # the code of µ-law
    contents = {"picture.wav": b"\x89PNG\r\n\x1a\n" * 9, "empty.wav": b"", "head.wav": whole[:30]}
    for name, content in (contents | {"law.wav": compressed}).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="damaged, compressed, or no WAV"):
            sounds.load(tmp_path / name)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(8000, np.int16), "silent"),
        (np.full(8000, np.nan, np.float32), "NaN"),
        (tone(seconds=0.1).astype(np.float32), "less than 0.25 s"),
    ],
)
def test_what_cannot_be_used_is_refused(samples, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        sounds.load(file_of(tmp_path, samples))


def test_wrong_questions_are_answered(tmp_path, monkeypatch):
    path = file_of(tmp_path, tone().astype(np.float32))
    with pytest.raises(FileNotFoundError, match="or one of voice"):
        sounds.load("voise")
    with pytest.raises(FileNotFoundError, match="path to a WAV file"):
        sounds.load(tmp_path)
    with pytest.raises(ValueError, match="not a list"):
        sounds.load([0.1, 0.2])
    with pytest.raises(ValueError, match="less than"):
        sounds.load(path, offset=9)
    with pytest.raises(ValueError, match=r"at least 0\.25"):
        sounds.load(path, seconds=0)
    monkeypatch.setattr(sounds, "LARGEST", 100)
    with pytest.raises(ValueError, match="cut out a part"):
        sounds.load(path)
