import numpy as np
import pytest
import torch

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


def test_frames_are_pictures(history):
    assert history.frame(2).shape == (1, 3, 8, 9)
    assert torch.equal(history.frame(2)[0] * 255, history.frames[2].float())
    assert torch.equal(history.frame(-1, mean=True)[0] * 255, history.means[-1].float())
    assert history.nearest(5) == 2
    assert len(history) == 4
    assert "10 steps" in repr(history)


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
