import pytest
import torch
from torch.nn.functional import cross_entropy

from owngpt.training.loss import ROWS_AT_A_TIME, next_token_loss, token_losses


@pytest.mark.parametrize("z_weight", [0.0, 0.1])
def test_value_and_gradients_are_those_of_cross_entropy(z_weight: float) -> None:
    """Over three chunks, the last one not full; with and without the square of log Z."""
    generator = torch.Generator().manual_seed(0)
    num_tokens = 2 * ROWS_AT_A_TIME + 7
    hidden = torch.randn(num_tokens, 16, generator=generator, requires_grad=True)
    head = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(50, (num_tokens,), generator=generator)
    plain = cross_entropy(hidden @ head.T, targets)
    expected = plain + z_weight * (hidden @ head.T).logsumexp(-1).square().mean()
    expected_grads = torch.autograd.grad(3 * expected, (hidden, head))
    loss = next_token_loss(hidden, head, targets, z_weight)
    grads = torch.autograd.grad(3 * loss, (hidden, head))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(grads, expected_grads)
    torch.testing.assert_close(token_losses(hidden, head, targets).mean(), plain)
