"""The choice of the next token, with a random number generator for each job of a batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor
from transformers import LogitsProcessor

Warp = Callable[[Tensor, Tensor], Tensor]


class TokenChooser(LogitsProcessor):
    """A logits processor that chooses each next token and records its log-probability.

    It is the last processor of `generate` and leaves only one token possible. transformers samples all rows
    from one random number generator, so the result of a job would depend on the other jobs of the batch. Here
    each job has its own generator. The method is that of `torch.multinomial`: divide each probability by an
    exponential random number and take the largest quotient.

    Args:
        rows: Rows per job.
        seeds: One seed per job; None to take the most probable token.
        warps: Functions from the tokens so far and the scores to the scores to sample from, such as a
            temperature.
    """

    def __init__(self, rows: int, seeds: Sequence[int] | None = None, warps: Sequence[Warp] = ()) -> None:
        self._rows = rows
        self._generators = [Generator().manual_seed(seed) for seed in seeds] if seeds is not None else None
        self._warps = warps
        self._log_probabilities: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores that leave one token possible: [rows, vocabulary]."""
        for warp in self._warps:
            scores = warp(input_ids, scores)
        chosen = scores.argmax(-1, keepdim=True) if self._generators is None else self._sample(scores)
        self._log_probabilities.append(scores.log_softmax(-1).gather(-1, chosen)[:, 0])
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)

    def log_probabilities(self) -> Tensor:
        """Return the log-probabilities of the chosen tokens: [rows, tokens]."""
        return torch.stack(self._log_probabilities, dim=-1)

    def _sample(self, scores: Tensor) -> Tensor:
        assert self._generators is not None  # noqa: S101 - checked by the caller
        probabilities = scores.softmax(-1)
        shape = (self._rows, scores.shape[-1])
        exponentials = [torch.empty(shape).exponential_(generator=each) for each in self._generators]
        return (probabilities / torch.cat(exponentials).to(scores.device)).argmax(-1, keepdim=True)
