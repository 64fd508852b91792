"""The choice of the next token, with a random number generator for each job of a shared run."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor
from transformers import LogitsProcessor

Warp = Callable[[Tensor, Tensor], Tensor]


class Choice(LogitsProcessor):
    """Chooses each next token itself, and notes how probable it was.

    It stands last among the processors of `generate` and leaves but one token possible. transformers draws
    from one generator for all rows, so that what a job gets would depend on its neighbours; here each job
    draws from its own, by the same method as `torch.multinomial`: divide each probability by an exponential
    random number, the largest quotient wins.

    Args:
        rows: Of each job.
        seeds: Of each job; None: the most probable token is taken.
        warps: From the tokens and their scores to scores to draw by: temperature and the like.
    """

    def __init__(self, rows: int, seeds: Sequence[int] | None = None, warps: Sequence[Warp] = ()) -> None:
        self._rows = rows
        self._generators = [Generator().manual_seed(seed) for seed in seeds] if seeds is not None else None
        self._warps = warps
        self._noted: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores that leave one token possible: [rows, vocabulary]."""
        for warp in self._warps:
            scores = warp(input_ids, scores)
        chosen = scores.argmax(-1, keepdim=True) if self._generators is None else self._drawn(scores)
        self._noted.append(scores.log_softmax(-1).gather(-1, chosen)[:, 0])
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)

    def log_probabilities(self) -> Tensor:
        """Of the tokens chosen: [rows, tokens]."""
        return torch.stack(self._noted, dim=-1)

    def _drawn(self, scores: Tensor) -> Tensor:
        assert self._generators is not None  # noqa: S101 - asked by the caller
        probabilities = scores.softmax(-1)
        shape = (self._rows, scores.shape[-1])
        waits = [torch.empty(shape).exponential_(generator=each) for each in self._generators]
        return (probabilities / torch.cat(waits).to(scores.device)).argmax(-1, keepdim=True)
