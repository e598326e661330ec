"""The numbers of lesson 13: how fast sounds and letters are learnt, and what denoising is worth."""

from functools import cache

import numpy as np

from tools import lesson_code
from tools.measured.claims import claim

STEPS, SHORT, FINAL, TEXT = 220, 80, 240, 300  # of the lesson's fits
PIECE = 768  # samples that the kernel sees

CELLS = ("voice", "build-spectrogram", "targets", "build-scale", "build-net", "make-series")
CELLS += ("build-curves", "build-kernel", "build-share", "build-pictures", "build-noisy")
CELLS += ("build-rivals", "build-best", "build-restored", "build-choice")
CELLS += ("build-text", "build-texts", "build-text-fits")
#: the very code of the lesson
LESSON = lesson_code.run("13", *CELLS)
half, variance = LESSON["half"], LESSON["variance"]


def halves(histories, pages, along):
    """Steps to half of the variance, {name: steps}."""
    return {name: half(histories[name].loss / variance(y, along)) for name, y in pages.items()}


# ---- the five targets, as sounds and as pictures


@cache
def targets(seed):
    return LESSON["targets_of"](LESSON["voice"], seed)


@cache
def of_sounds(seed):
    pages = {name: LESSON["as_page"](sound) for name, sound in targets(seed).items()}
    return halves(LESSON["fit_sounds"](targets(seed), STEPS, seed), pages, (2, 3))


@cache
def of_pictures(seed):
    pictures = {name: LESSON["spectrogram"](sound) for name, sound in targets(seed).items()}
    return halves(LESSON["fit_pictures"](pictures, SHORT, seed), pictures, (2, 3))


def steps_of(found, *names):
    return [found[name] for name in names]


@claim("lesson13-fast", digits=0, holds=lambda v: np.max(v) < 95)
def fast(seed):
    return steps_of(of_sounds(seed), "voice", "reversed")


@claim("lesson13-mirrored", digits=0, holds=lambda v: np.min(v) > 105)
def mirrored(seed):
    found = of_sounds(seed)
    slowest_of_fast = max(steps_of(found, "voice", "reversed"))
    assert found["mirrored"] > 1.4 * slowest_of_fast, "mirrored is not clearly slower"
    assert found["mirrored"] < min(steps_of(found, "shuffled", "noise")), "slower than noise"
    return found["mirrored"]


@claim("lesson13-slow", digits=0, holds=lambda v: np.min(v) > 130 and np.max(v) < STEPS)
def slow(seed):
    return steps_of(of_sounds(seed), "shuffled", "noise")


@claim("lesson13-picture-fast", digits=0, holds=lambda v: np.max(v) < 30)
def picture_fast(seed):
    found = of_pictures(seed)
    assert min(steps_of(found, "shuffled", "noise")) == SHORT, "noise has reached the half"
    return steps_of(found, "voice", "reversed", "mirrored")


# ---- the kernel


@cache
def kernel(seed):
    return LESSON["kernel_of"](PIECE, seed)


def share_claim(name, holds):
    @claim(f"lesson13-share-{name}", unit="%", digits=0, holds=holds)
    def in_the_fastest_fifth(seed):
        return 100 * LESSON["share"](targets(seed)[name], kernel(seed))


share_claim("voice", lambda v: min(v) > 30)
share_claim("noise", lambda v: min(v) > 15 and max(v) < 25)
share_claim("mirrored", lambda v: max(v) < 12)


# ---- taking noise away


@cache
def quality(seed):
    """SNR of each method at its best setting, in dB."""
    noisy = LESSON["add_hiss"](LESSON["voice"], seed)
    on_wave = LESSON["fit_sounds"]({"noisy": noisy}, FINAL, seed)["noisy"]
    spectrogram = LESSON["spectrogram"](noisy)
    on_picture = LESSON["fit_pictures"]({"noisy": spectrogram}, FINAL, seed)["noisy"]
    found = LESSON["rivals"](noisy) | LESSON["restored"](on_wave, on_picture, noisy)
    return {name: LESSON["snr"](x_hat, LESSON["voice"]) for name, x_hat in found.items()}


METHODS = {
    "low-pass": "low-pass",
    "subtraction": "spectral subtraction",
    "wiener": "Wiener",
    "wave": "network on the waveform",
    "direct": "network on the spectrogram, direct",
    "gain": "network on the spectrogram, gain",
}


def quality_claim(short, holds):
    @claim(f"lesson13-{short}", unit="dB", holds=holds)
    def in_decibels(seed):
        found = {name: quality(seed)[method] for name, method in METHODS.items()}
        assert abs(found["wave"] - found["low-pass"]) < 0.8, "not about as good as a low-pass"
        assert found["wave"] < found["wiener"] - 2, "the waveform does not clearly fail"
        assert found["direct"] < found["wiener"] - 2, "the drawn loudness does not clearly fail"
        assert abs(found["gain"] - found["wiener"]) < 0.4, "the gain is not level with Wiener"
        return found[short]


for short in METHODS:
    quality_claim(short, lambda v: min(v) > 6.5)


# ---- text


@cache
def of_texts(seed):
    texts = LESSON["texts_of"](LESSON["numbers"], seed)
    return halves(LESSON["fit_texts"](texts, TEXT, seed), texts, 3)


@claim("lesson13-sorted", digits=0, holds=lambda v: max(v) < 80)
def sorted_letters(seed):
    return of_texts(seed)["sorted"]


@claim("lesson13-paragraph", digits=0, holds=lambda v: max(v) < TEXT)
def paragraph(seed):
    found = of_texts(seed)
    assert found["paragraph"] > 0.7 * found["shuffled"], "the paragraph is clearly faster"
    assert found["paragraph"] > 2 * found["sorted"], "the paragraph is as fast as sorted letters"
    return found["paragraph"]


@claim("lesson13-shuffled", digits=0, holds=lambda v: max(v) < TEXT)
def shuffled_letters(seed):
    return of_texts(seed)["shuffled"]


@claim("lesson13-random", digits=0, holds=lambda v: max(v) < TEXT)
def random_letters(seed):
    found = of_texts(seed)
    assert found["random letters"] > found["shuffled"], "random letters are not the slowest"
    return found["random letters"]
