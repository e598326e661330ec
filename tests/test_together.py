"""Several fits at once: each as it is alone; errors and interrupts lose nothing."""

import os
import signal
import threading
import time

import pytest
import torch

from dipcourse import degrade, fit, nets

STEPS = 40


def planned(seed=0, net=None, **settings):
    generator = torch.Generator().manual_seed(9)
    y = torch.rand(1, 3, 32, 32, generator=generator)
    torch.manual_seed(seed)
    net = net or nets.UNet(4, 3, widths=(8, 8))
    z = nets.fixed_input(4, 32, 32, seed=seed)
    settings = {"steps": STEPS, "frames": 5, "jitter": 0.05, "seed": seed} | settings
    return fit.plan(net, z, y, degrade.Identity(), **settings)


def alone(one):
    settings = {"threads": 1, "steps": one.steps, "frames": one.frames} | one.settings
    return fit.fit(one.net, one.z, one.y, one.operator, progress=False, **settings)


class Waiting(torch.nn.Module):
    """A picture that takes its time."""

    def __init__(self, seconds, fails_at=None):
        super().__init__()
        self.theta = torch.nn.Parameter(torch.zeros(1, 3, 32, 32))
        self.seconds, self.fails_at, self.calls = seconds, fails_at, 0

    def forward(self, z):
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("out of paint")
        time.sleep(self.seconds)
        return self.theta + 0


def test_each_fit_is_bit_equal_to_the_same_fit_alone():
    together = fit.side_by_side([planned(seed) for seed in range(4)], progress=False)
    for seed, history in enumerate(together):
        want = alone(planned(seed))
        assert (history.loss == want.loss).all()
        assert torch.equal(history.final, want.final)
        assert torch.equal(history.mean, want.mean)
        assert torch.equal(history.frames, want.frames)
        assert history.settings == want.settings
    assert not torch.equal(together[0].final, together[1].final)


def test_they_run_at_the_same_time():
    barrier = threading.Barrier(2, timeout=20)

    class Meeting(Waiting):
        def forward(self, z):
            if self.training and self.calls == 5:
                barrier.wait()
            return super().forward(z)

    plans = [planned(net=Meeting(0), threads=1) for _ in range(2)]
    assert len(fit.side_by_side(plans, workers=2, progress=False)) == 2
    barrier = threading.Barrier(2, timeout=0.2)
    with pytest.raises(fit.FitsFailed, match="BrokenBarrier"):
        fit.side_by_side([planned(net=Meeting(0)) for _ in range(2)], workers=1, progress=False)


def test_threads_are_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit.side_by_side([planned()], progress=False)
        assert torch.get_num_threads() == 2
        seen = []
        late = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        late.start()
        late.join()
        assert seen == [2]
    finally:
        torch.set_num_threads(before)


def test_an_error_names_its_fit_and_loses_no_other():
    plans = [planned(0), planned(net=Waiting(0, fails_at=9)), planned(2)]
    words = r"1 of 3 fits failed \(fit 1: RuntimeError: out of paint"
    with pytest.raises(fit.FitsFailed, match=words) as failed:
        fit.side_by_side(plans, progress=False)
    assert list(failed.value.errors) == [1]
    assert [h and len(h.loss) for h in failed.value.histories] == [STEPS, None, STEPS]


def test_fits_that_have_names_keep_them():
    plans = {"first": planned(0), "second": planned(1)}
    histories = fit.side_by_side(plans, progress=False)
    assert list(histories) == ["first", "second"]
    assert torch.equal(histories["second"].final, alone(planned(1)).final)
    plans = {"well": planned(0), "ill": planned(net=Waiting(0, fails_at=9))}
    with pytest.raises(fit.FitsFailed, match="fit 'ill': RuntimeError") as failed:
        fit.side_by_side(plans, progress=False)
    assert list(failed.value.errors) == ["ill"]
    assert len(failed.value.histories["well"].loss) == STEPS


def test_a_fit_that_diverges_keeps_its_steps():
    with pytest.raises(fit.FitsFailed, match="fit 0: FitDiverged") as failed:
        fit.side_by_side([planned(0, lr=1e30), planned(1)], progress=False)
    histories = failed.value.histories
    assert 0 < len(histories[0].loss) < STEPS
    assert len(histories[1].loss) == STEPS


def test_an_interrupt_keeps_what_each_has(capsys):
    plans = [planned(net=Waiting(0.02), steps=500) for _ in range(3)]
    timer = threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        histories = fit.side_by_side(plans, workers=2, progress=False)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert all(history.interrupted for history in histories)
    assert [len(history.loss) for history in histories][2] == 1
    assert all(1 < len(history.loss) < 500 for history in histories[:2])
    assert "Stopped by hand" in capsys.readouterr().out


def test_two_plans_may_not_share_a_network():
    net = nets.UNet(4, 3, widths=(8, 8))
    with pytest.raises(ValueError, match="share a network"):
        fit.side_by_side([planned(0, net), planned(1, net)], progress=False)


def test_one_bar_counts_all_steps(capsys):
    fit.side_by_side([planned(0), planned(1)], progress=True)
    assert f"{2 * STEPS}/{2 * STEPS}" in capsys.readouterr().out


def test_nothing_to_fit():
    assert fit.side_by_side([], progress=False) == []


@pytest.mark.parametrize("wrong", [-1, 1.5, "two"])
def test_no_number_of_workers(wrong):
    with pytest.raises((ValueError, TypeError), match="workers"):
        fit.side_by_side([planned()], workers=wrong)


def test_a_plan_is_checked_like_a_fit():
    with pytest.raises(TypeError, match="no setting 'learning_rate'"):
        planned(learning_rate=1)
    with pytest.raises(ValueError, match="steps"):
        planned(steps=0)
    with pytest.raises(ValueError, match="lr=-1"):
        planned(lr=-1.0)
