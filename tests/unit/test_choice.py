"""Drawing tokens: as torch draws them, and untouched by neighbours."""

import pytest
import torch
from brushwork_workers.families.captions.token_chooser import TokenChooser
from torch import Tensor

SCORES = torch.randn(5, 6, 11, generator=torch.Generator().manual_seed(0))
NOTHING = torch.zeros(6, 1, dtype=torch.long)


def chosen(choice: TokenChooser, rows: slice = slice(None)) -> Tensor:
    """The tokens of five steps: [rows, steps]."""
    return torch.stack([choice(NOTHING[rows], step[rows]).argmax(-1) for step in SCORES], dim=-1)


def test_one_job_draws_as_torch_does() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = torch.stack([torch.multinomial(step.softmax(-1), 1)[:, 0] for step in SCORES], dim=-1)
    assert torch.equal(chosen(TokenChooser(6, [3])), expected)


def test_neighbours_change_nothing() -> None:
    together = chosen(TokenChooser(2, [3, 4, 3]))
    for job, seed in enumerate([3, 4, 3]):
        rows = slice(2 * job, 2 * job + 2)
        assert torch.equal(together[rows], chosen(TokenChooser(2, [seed]), rows))


def test_without_seeds_the_most_probable_is_taken_and_noted() -> None:
    choice = TokenChooser(1)
    assert torch.equal(chosen(choice), SCORES.argmax(-1).T)
    expected = SCORES.log_softmax(-1).amax(-1).T
    assert choice.log_probabilities() == pytest.approx(expected)


def test_one_token_is_left_possible() -> None:
    left = TokenChooser(6, [1])(NOTHING, SCORES[0])
    assert torch.equal(left.isfinite().sum(-1), torch.ones(6, dtype=torch.long))


def test_warps_come_before_the_choice() -> None:
    def only_the_last(_: Tensor, scores: Tensor) -> Tensor:
        return torch.full_like(scores, -torch.inf).index_fill_(-1, torch.tensor([10]), 0.0)

    assert (chosen(TokenChooser(6, [1], [only_the_last])) == 10).all()
