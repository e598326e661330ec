import pytest
import torch

from dipcourse import priors


def test_a_case_by_hand():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 2, 3] = 1  # seen from (2, 3): dx = dy = −1; from (1, 3): dy = 1; from (2, 2): dx = 1
    assert priors.total_variation(x, eps=1e-9).item() == pytest.approx(2 + 2**0.5, abs=1e-5)


def test_channels_add_up_and_the_last_row_and_column_start_no_difference():
    x = torch.zeros(1, 3, 8, 8)
    x[:, :, -1, -1] = 1  # no difference of i ≤ H − 2, j ≤ W − 2 ends here
    assert priors.total_variation(x, eps=1e-9).item() == pytest.approx(0, abs=1e-5)
    edge = torch.zeros(1, 3, 8, 8)
    edge[:, :, :, 4:] = 0.5
    assert priors.total_variation(edge, eps=1e-9).item() == pytest.approx(3 * 7 * 0.5, abs=1e-5)


def test_gradient_is_right_and_finite_at_flat_pixels():
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: priors.total_variation(x, eps=0.01), x)
    flat = torch.zeros(1, 1, 8, 8, requires_grad=True)
    priors.total_variation(flat).backward()
    assert torch.equal(flat.grad, torch.zeros_like(flat))


def test_eps_must_be_positive():
    with pytest.raises(ValueError, match="eps=0"):
        priors.total_variation(torch.zeros(1, 1, 8, 8), eps=0)
