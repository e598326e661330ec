import numpy as np
import pytest
import torch

from dipcourse import images, live, metrics, show
from dipcourse.history import History


@pytest.fixture
def history():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (2, 4, 3, 8, 9), generator=generator, dtype=torch.uint8)
    return History(
        loss=np.linspace(1, 0.1, 10),
        steps=np.array([0, 3, 6, 9]),
        frames=pictures[0],
        means=pictures[1],
        final=torch.rand(1, 3, 8, 9, generator=generator),
        mean=torch.rand(1, 3, 8, 9, generator=generator),
        seconds=1.5,
        settings={"lr": 0.01, "prior": False},
        variance=np.r_[np.nan, np.ones(9)],
        rollbacks=np.array([4, 7]),
        interrupted=True,
    )


def test_what_is_saved_is_loaded(history, tmp_path):
    history.save(tmp_path / "fit.npz")
    again = History.load(tmp_path / "fit.npz")
    for name, want in vars(history).items():
        got = getattr(again, name)
        if isinstance(want, torch.Tensor):
            assert torch.equal(got, want), name
        elif isinstance(want, np.ndarray):
            assert np.array_equal(got, want, equal_nan=True), name
        else:
            assert got == want, name


def test_a_bare_name_is_saved_and_loaded(history, tmp_path):
    history.save(tmp_path / "run")
    assert torch.equal(History.load(tmp_path / "run").frames, history.frames)
    assert torch.equal(History.load(str(tmp_path / "run.npz")).frames, history.frames)
    with pytest.raises(FileNotFoundError, match="walk"):
        History.load(tmp_path / "walk")


def test_settings_may_be_numbers_of_numpy(history, tmp_path):
    history.settings["lr"] = np.float32(0.5)
    history.save(tmp_path / "fit.npz")
    assert History.load(tmp_path / "fit.npz").settings["lr"] == 0.5


def test_frames_are_pictures(history):
    assert history.frame(2).shape == (1, 3, 8, 9)
    assert torch.equal(history.frame(2)[0] * 255, history.frames[2].float())
    assert torch.equal(history.frame(-1, mean=True)[0] * 255, history.means[-1].float())
    assert history.nearest(5) == 2
    assert len(history) == 4
    assert "10 steps" in repr(history)


def test_a_stopped_fit_says_so(history, tmp_path):
    assert history.unfinished == "stopped after 10 steps"  # saved by an older version
    history.settings["planned"] = 60
    assert history.unfinished == "stopped after 10 of 60 steps"
    assert history.titled("Mine") == "Mine (stopped after 10 of 60 steps)"
    assert repr(history).startswith("History (stopped after 10 of 60 steps) of 10 steps")
    history.save(tmp_path / "fit.npz")
    assert History.load(tmp_path / "fit.npz").unfinished == history.unfinished
    strip = show.strip(history, count=2)
    assert strip.alt == ("2 pictures side by side: step 0; step 9 (stopped after 10 of 60 steps).")
    assert "step 9 (stopped after 10 of 60 steps)" in strip_of_panel(history)
    history.interrupted = False
    assert history.unfinished == ""
    assert history.titled("Mine") == "Mine"
    assert "stopped" not in repr(history) + show.strip(history).alt + strip_of_panel(history)


def strip_of_panel(history):
    panel = live.iterations(history, {"itself": lambda frame: frame})
    panel.controls["step"].value = 9
    return panel.html


def test_truncated_foreign_and_missing_files(history, tmp_path):
    whole = tmp_path / "fit.npz"
    history.save(whole)
    for share in (0.1, 0.5, 0.99):
        cut = tmp_path / "cut.npz"
        cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
        with pytest.raises(ValueError, match=r"cut\.npz is not a complete History"):
            History.load(cut)
    np.savez(tmp_path / "foreign.npz", loss=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("foreign.npz", "array.npy", "text.npz"):
        with pytest.raises(ValueError, match="not a complete History"):
            History.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        History.load(tmp_path / "missing.npz")


def photo_film(sigma=25, count=3):
    """A history whose frames are a photo with noise of σ grey levels; its means have half of it."""
    x = images.load("face", size=192)
    noise = torch.randn(count, 2, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    noise *= torch.tensor([1, 0.5]).view(2, 1, 1, 1) * sigma / 255
    frames, means = (((x + noise[:, i]).clamp(0, 1) * 255).round().byte() for i in (0, 1))
    last = (x + noise[-1:, 0]), (x + noise[-1:, 1])
    return x, History(np.linspace(1, 0.1, count), np.arange(count), frames, means, *last, 1.0)


def test_a_rounded_file_is_small_and_near(tmp_path):
    x, history = photo_film()
    history.save(tmp_path / "exact.npz")
    history.save(tmp_path / "rounded.npz", rounding=4)
    exact, rounded = ((tmp_path / f"{n}.npz").stat().st_size for n in ("exact", "rounded"))
    again = History.load(tmp_path / "rounded.npz")
    assert rounded < 0.6 * exact  # noise is nearly all of it
    assert again.settings == {"rounding": 4}
    assert history.settings == {}
    assert np.array_equal(again.loss, history.loss)
    for mean in (False, True):
        for i in range(len(history)):
            original, kept = history.frame(i, mean), again.frame(i, mean)
            assert kept.dtype == torch.float32
            assert metrics.psnr(kept, original) > 41
            assert abs(metrics.psnr(kept, x) - metrics.psnr(original, x)) < 0.3
    for kept, original in ((again.final, history.final), (again.mean, history.mean)):
        assert (kept - original.clamp(0, 1)).abs().max() <= 0.501 / 255


def test_a_rounded_film_may_be_grey(history, tmp_path):
    grey = History(
        history.loss,
        history.steps,
        history.frames[:, :1],
        history.means[:, :1],
        history.final[:, :1],
        history.mean[:, :1],
        seconds=0,
    )
    grey.save(tmp_path / "grey.npz", rounding=1)
    again = History.load(tmp_path / "grey.npz")
    assert again.frames.shape == again.means.shape == (4, 1, 8, 9)
    assert (again.frames.int() - grey.frames.int()).abs().max() <= 3


def rewrite(path, **changes):
    with np.load(path) as file:
        np.savez_compressed(path, **{**file, **changes})


def test_formats_of_other_versions(history, tmp_path):
    path = tmp_path / "fit.npz"
    history.save(path)
    rewrite(path, format="dipcourse-history-1")
    assert torch.equal(History.load(path).frames, history.frames)
    rewrite(path, format="dipcourse-history-99")
    with pytest.raises(ValueError, match="the version that wrote it"):
        History.load(path)


def test_a_file_with_wrong_bytes_is_refused(history, tmp_path):
    path = tmp_path / "fit.npz"
    history.save(path, rounding=2)
    whole = path.read_bytes()
    begin = whole.index(b"means.npy")
    for at in range(begin + 80, whole.index(b"final.npy") - 80, 97):
        path.write_bytes(whole[:at] + bytes(b ^ 255 for b in whole[at : at + 8]) + whole[at + 8 :])
        with pytest.raises(ValueError, match="not a complete History"):
            History.load(path)
