"""What lesson 13 builds and states: sounds, spectrograms, letters, and who is learnt first."""

import numpy as np
import pytest
import torch
from scipy import signal

from tools import lesson_code

RATE = 8000
CELLS = ("build-spectrogram", "targets", "build-scale", "build-net", "make-series")
CELLS += ("build-curves", "build-kernel", "build-share", "build-pictures", "build-noisy")
CELLS += ("build-rivals", "build-best", "build-restored", "build-text", "build-texts")
CELLS += ("build-text-fits", "build-agreement", "build-melody")


def tone(hertz, length=2048):
    return torch.sin(2 * torch.pi * hertz * torch.arange(length).double() / RATE).float()


@pytest.fixture(scope="module")
def lesson():
    cells = [cell for cell in CELLS if cell != "build-agreement"]
    names = lesson_code.run("13", *cells, voice=0.5 * tone(300), RATE=RATE, LINE=64)
    given = names | {"targets": {}, "pictures": {}, "texts": {}}
    return lesson_code.run("13", "build-agreement", **given)


def noise(length=2048, seed=0):
    return 0.2 * torch.randn(length, generator=torch.Generator().manual_seed(seed))


def loudest(sound):
    return torch.fft.rfft(sound).abs().argmax().item() * RATE / len(sound)


def test_the_mirror_turns_low_into_high_and_the_picture_upside_down(lesson):
    mirrored = lesson["mirrored"]
    assert loudest(mirrored(tone(500))) == RATE / 2 - 500
    assert torch.equal(mirrored(mirrored(tone(500))), tone(500))
    sound = noise()
    upright, turned = (lesson["spectrogram"](s) for s in (sound, mirrored(sound)))
    inner = slice(2, -2)  # the ends are padded
    assert torch.allclose(upright.flip(2)[..., inner], turned[..., inner], atol=1e-4)


def test_waves_are_those_of_scipy_and_come_back(lesson):
    sound = noise()
    _, _, want = signal.stft(sound.numpy(), window="hann", nperseg=256, noverlap=192, padded=False)
    found = lesson["waves"](sound)
    scale = signal.get_window("hann", 256).sum()
    assert np.allclose(found[:, 4:-4].abs() / scale, np.abs(want)[:, 4:-4], atol=1e-5)
    assert torch.allclose(lesson["sound_of"](found, len(sound)), sound, atol=1e-5)


def test_a_spectrogram_can_be_turned_back_into_loudness(lesson):
    sound = noise()
    picture = lesson["spectrogram"](sound)
    assert picture.min() >= 0
    assert picture.max() == pytest.approx(1)
    loudness = lesson["loudness"](picture, sound)
    assert torch.allclose(loudness, lesson["waves"](sound).abs(), atol=1e-3)
    assert torch.allclose(lesson["direct"](picture, sound), sound, atol=1e-3)


def test_low_tones_are_at_the_bottom(lesson):
    rows = lesson["spectrogram"](tone(500))[0, 0].mean(1)
    assert rows.argmax() == len(rows) - 1 - round(500 / RATE * 256)


@pytest.mark.parametrize("length", [128, 1024])
def test_the_network_keeps_the_length(lesson, length):
    net, z = lesson["series"](torch.zeros(1, 1, length // 64, 64), length)
    assert net(z).shape == (1, 1, length // 64, 64)


def test_the_network_is_a_function_of_the_seed(lesson):
    y = torch.zeros(1, 1, 2, 64)
    first, again, other = (lesson["series"](y, 128, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first[0](first[1]), again[0](again[1]))
    assert not torch.equal(first[0](first[1]), other[0](other[1]))


def test_the_voice_is_learnt_before_its_mirror_image_and_noise(lesson):
    """A low tone in place of the voice, a short sound, few steps."""
    targets = {"low": 0.5 * tone(200, 512), "noise": noise(512)}
    targets["high"] = lesson["mirrored"](targets["low"])
    histories = lesson["fit_sounds"](targets, 60)
    halves = {}
    for name, sound in targets.items():
        y = lesson["as_page"](sound)
        halves[name] = lesson["half"](histories[name].loss / lesson["variance"](y, (2, 3)))
    assert 1.5 * halves["low"] < min(halves["high"], halves["noise"])


def test_speeds_are_those_of_pure_tones(lesson):
    kernel = lesson["kernel_of"](128)
    waves = torch.exp(2j * torch.pi * torch.outer(torch.arange(1, 65), torch.arange(128)) / 128)
    direct = torch.stack([(w.conj() @ (kernel + 0j) @ w).real for w in waves.to(torch.complex128)])
    found = lesson["speeds"](kernel)
    assert torch.allclose(found, direct / direct.max(), atol=1e-6)
    assert found[:8].mean() > 5 * found[-32:].mean()


def test_shares_of_all_patterns_and_of_low_and_high_tones(lesson):
    kernel = lesson["kernel_of"](128)
    low = lesson["share"](tone(250, 512), kernel)
    high = lesson["share"](lesson["mirrored"](tone(250, 512)), kernel)
    assert high < 0.1 < 0.5 < low <= 1
    assert lesson["share"](noise(2048), torch.diag(torch.rand(128).double())) == pytest.approx(
        25 / 128, abs=0.05
    )


def test_snr(lesson):
    x = tone(300)
    assert lesson["snr"](1.1 * x, x) == pytest.approx(20, abs=1e-3)
    assert lesson["snr"](torch.zeros_like(x), x) == 0


def test_the_low_pass_keeps_what_is_below(lesson):
    both = tone(500) + tone(2000)
    assert torch.allclose(lesson["low_pass"](both, 1000), tone(500), atol=1e-4)


def test_wiener_and_subtraction_take_noise_away_and_leave_a_clean_sound(lesson):
    voice, sigma = lesson["voice"], lesson["SIGMA"]
    noisy = voice + sigma * noise() / 0.2
    before = lesson["snr"](noisy, voice)
    for method in (lesson["wiener"], lesson["subtract"]):
        assert lesson["snr"](method(noisy, 1.4), voice) > before + 4
        assert lesson["snr"](method(noisy, 0), voice) == pytest.approx(before, abs=1e-2)


def test_the_floor_is_the_loudness_of_noise(lesson):
    loudness = lesson["waves"](lesson["SIGMA"] * noise(2**15) / 0.2).abs()
    assert (loudness**2).mean().sqrt() == pytest.approx(lesson["floor"](1).item(), rel=0.05)


def test_the_gain_with_the_noisy_picture_itself_is_wiener(lesson):
    noisy = lesson["voice"] + lesson["SIGMA"] * noise() / 0.2
    drawn = lesson["as_gain"](lesson["spectrogram"](noisy), noisy, 1.4)
    assert torch.allclose(drawn, lesson["wiener"](noisy, 1.4), atol=1e-3)


def test_texts_have_the_same_letters_in_other_places(lesson):
    texts = lesson["texts_of"](lesson["numbers"])
    for name in ("shuffled", "sorted"):
        assert torch.equal(texts[name].sum(3), texts["paragraph"].sum(3))
    for y in texts.values():
        assert torch.equal(y.sum(2), torch.ones(1, 1, y.shape[3]))
    assert texts["sorted"].argmax(2).diff().min() >= 0


def test_sorted_letters_come_before_the_paragraph(lesson):
    texts = lesson["texts_of"](lesson["numbers"][:128])
    del texts["random letters"]
    histories = lesson["fit_texts"](texts, 60)
    left = {name: histories[name].loss[-1] / lesson["variance"](y, 3) for name, y in texts.items()}
    assert left["sorted"] < 0.7 * min(left["paragraph"], left["shuffled"])


def test_agreement_is_the_correlation_of_neighbours(lesson):
    sound = tone(500) + noise()
    want = np.corrcoef(sound[1:], sound[:-1])[0, 1]
    assert lesson["agreement"](sound[None]) == pytest.approx(want, abs=5e-3)
    assert lesson["agreement"](lesson["mirrored"](sound)[None]) == pytest.approx(-want, abs=1e-2)


def test_a_plucked_string_starts_when_told_and_fades(lesson):
    sound = lesson["string"](500, 1.0, 0.25)
    assert not sound[: RATE // 4].any()
    assert loudest(sound[RATE // 4 :]) == pytest.approx(500, abs=3)
    assert sound[RATE // 4 : RATE // 2].std() > 1.5 * sound[-RATE // 4 :].std()
    assert lesson["melody"](0.5).abs().max() == 1


def test_one_class_draws_one_row_and_twenty_seven(lesson):
    y = torch.zeros(1, 1, 27, 128)
    net, z = lesson["series"](y, 128, rows=27)
    assert net(z).shape == y.shape
