"""The one heavy call of a captioner: from pictures and first tokens to texts and their scores."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from brushwork_workers.families.captions.choice import Choice, Warp
from brushwork_workers.families.captions.decoding import Decoding

# transformers' own, where a checkpoint says nothing.
TOP_K = 50
# Nothing is left to transformers: it draws from the one token that is left.
_DRAWN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}


class Writer:
    """`generate` of a network as a call that jobs may share: rows in, rows out.

    Args:
        network: Of transformers, with `generate`.
        speaker: That part of it whose `generation_config` counts; mostly the network itself.
        ends: Tokens that end a text.
    """

    def __init__(self, network: Any, speaker: Any, ends: Collection[int]) -> None:
        self._network = network
        self._ends = tuple(ends)
        config = speaker.generation_config
        self._temperature, self._top_k, self._top_p = config.temperature, config.top_k, config.top_p
        # Said by each call; else transformers would warn of what only counts for drawing, and of two lengths.
        config.temperature = config.top_k = config.top_p = config.max_length = None

    def write(self, *, decoding: Decoding, seeds: Tensor, **inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Texts for each row.

        Args:
            decoding: How they are found.
            seeds: [rows], on the CPU; only looked at where tokens are drawn.
            **inputs: Of `generate`, each with the same number of rows. Where a grid says how the patches of
                each picture lie, as for Qwen2.5-VL, they come with an axis that counts pictures.

        Returns:
            Tokens, those it began with included: [rows, texts, tokens]. Mean log-probability of those that
            were added: [rows, texts]. How many it began with: [rows].
        """
        if "image_grid_thw" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"].flatten(0, 1)
        rows, count = len(seeds), decoding.num_return_sequences
        written = self._searched if decoding.num_beams > 1 else self._chosen
        tokens, scores, begin = written(decoding, seeds, inputs)
        return tokens.view(rows, count, -1), scores.view(rows, count), torch.full((rows,), begin)

    def _chosen(
        self, decoding: Decoding, seeds: Tensor, inputs: dict[str, Any]
    ) -> tuple[Tensor, Tensor, int]:
        """Token by token, the most probable or drawn."""
        choice = Choice(decoding.num_return_sequences)
        if decoding.do_sample:
            choice = Choice(decoding.num_return_sequences, seeds.tolist(), self._warps(decoding))
        tokens = self._network.generate(
            **inputs,
            **(_DRAWN if decoding.do_sample else {}),
            logits_processor=LogitsProcessorList([choice]),
            max_new_tokens=decoding.max_new_tokens,
            do_sample=decoding.do_sample,
            num_beams=1,
            num_return_sequences=decoding.num_return_sequences,
        )
        noted = choice.log_probabilities()
        added = tokens[:, -noted.shape[1] :]
        is_end = torch.isin(added, torch.tensor(self._ends, device=added.device))
        # Up to the first end and with it; what follows fills up the row.
        counts = (is_end.cumsum(-1) - is_end.long() == 0).to(noted.dtype)
        return tokens, (noted * counts).sum(-1) / counts.sum(-1), tokens.shape[1] - noted.shape[1]

    def _searched(self, decoding: Decoding, _: Tensor, inputs: dict[str, Any]) -> tuple[Tensor, Tensor, int]:
        """By beam search, best first."""
        found = self._network.generate(
            **inputs,
            max_new_tokens=decoding.max_new_tokens,
            do_sample=False,
            num_beams=decoding.num_beams,
            num_return_sequences=decoding.num_return_sequences,
            return_dict_in_generate=True,
            output_scores=True,
        )
        beams = found.beam_indices
        begin = found.sequences.shape[1] - beams.shape[1]
        added, steps = found.sequences[:, begin:], torch.arange(beams.shape[1], device=beams.device)
        noted = torch.stack(found.scores)[steps, beams.clamp(min=0), added]
        counts = (beams >= 0).to(noted.dtype)
        return found.sequences, (noted * counts).nan_to_num(0).sum(-1) / counts.sum(-1), begin

    def _warps(self, decoding: Decoding) -> list[Warp]:
        """As transformers has them, in its order."""
        temperature = decoding.temperature or self._temperature
        top_k = TOP_K if self._top_k is None else self._top_k
        top_p = decoding.top_p or self._top_p
        warps: list[Warp] = []
        if temperature not in (None, 1.0):
            warps.append(TemperatureLogitsWarper(temperature))
        if top_k:
            warps.append(TopKLogitsWarper(top_k))
        if top_p is not None and top_p < 1.0:
            warps.append(TopPLogitsWarper(top_p))
        return warps
