"""The batched call of a captioner: from pictures and prompt tokens to texts and their scores."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from brushwork_workers.families.captions.decoding import Decoding
from brushwork_workers.families.captions.token_chooser import TokenChooser, Warp

# The default of transformers for checkpoints that set no value.
TOP_K = 50
# `TokenChooser` leaves one token possible, so the sampling of transformers must not change the scores.
_SAMPLING_DEFAULTS = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}


class TextGenerator:
    """Runs `generate` of a network for the rows of one or several jobs.

    Args:
        network: A network of transformers with a `generate` method.
        configured_module: The module whose `generation_config` applies; mostly the network itself.
        end_tokens: Ids of the tokens that end a text.
    """

    def __init__(self, network: Any, configured_module: Any, end_tokens: Collection[int]) -> None:
        self._network = network
        self._end_tokens = tuple(end_tokens)
        config = configured_module.generation_config
        self._temperature, self._top_k, self._top_p = config.temperature, config.top_k, config.top_p
        # Each call passes these values. If they stayed here, transformers would warn about sampling options
        # without sampling, and about two maximum lengths.
        config.temperature = config.top_k = config.top_p = config.max_length = None

    def generate_texts(
        self, *, decoding: Decoding, seeds: Tensor, **inputs: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Generate texts for each row.

        Args:
            decoding: The decoding method.
            seeds: One seed per row, [rows], on the CPU; used only for sampling.
            **inputs: Arguments of `generate`, each with the same number of rows. Patches with a grid, as in
                Qwen2.5-VL, need a first axis that counts pictures.

        Returns:
            The tokens, including those of the prompt: [rows, texts, tokens]. The mean log-probability of the
            added tokens: [rows, texts]. The number of tokens of the prompt: [rows].
        """
        if "image_grid_thw" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"].flatten(0, 1)
        rows, count = len(seeds), decoding.num_return_sequences
        generate = self._generate_by_beams if decoding.num_beams > 1 else self._generate_by_token
        tokens, scores, num_start_tokens = generate(decoding, seeds, inputs)
        return tokens.view(rows, count, -1), scores.view(rows, count), torch.full((rows,), num_start_tokens)

    def _generate_by_token(
        self, decoding: Decoding, seeds: Tensor, inputs: dict[str, Any]
    ) -> tuple[Tensor, Tensor, int]:
        """Generate token by token: take the most probable token, or sample."""
        chooser = TokenChooser(decoding.num_return_sequences)
        if decoding.do_sample:
            chooser = TokenChooser(decoding.num_return_sequences, seeds.tolist(), self._warps(decoding))
        tokens = self._network.generate(
            **inputs,
            **(_SAMPLING_DEFAULTS if decoding.do_sample else {}),
            logits_processor=LogitsProcessorList([chooser]),
            max_new_tokens=decoding.max_new_tokens,
            do_sample=decoding.do_sample,
            num_beams=1,
            num_return_sequences=decoding.num_return_sequences,
        )
        log_probabilities = chooser.log_probabilities()
        added = tokens[:, -log_probabilities.shape[1] :]
        is_end = torch.isin(added, torch.tensor(self._end_tokens, device=added.device))
        # Tokens count up to the first end token, including it. The tokens after it are padding.
        is_counted = (is_end.cumsum(-1) - is_end.long() == 0).to(log_probabilities.dtype)
        return (
            tokens,
            (log_probabilities * is_counted).sum(-1) / is_counted.sum(-1),
            tokens.shape[1] - log_probabilities.shape[1],
        )

    def _generate_by_beams(
        self, decoding: Decoding, _: Tensor, inputs: dict[str, Any]
    ) -> tuple[Tensor, Tensor, int]:
        """Generate by beam search, best text first."""
        generated = self._network.generate(
            **inputs,
            max_new_tokens=decoding.max_new_tokens,
            do_sample=False,
            num_beams=decoding.num_beams,
            num_return_sequences=decoding.num_return_sequences,
            return_dict_in_generate=True,
            output_scores=True,
        )
        beams = generated.beam_indices
        num_start_tokens = generated.sequences.shape[1] - beams.shape[1]
        added, steps = (
            generated.sequences[:, num_start_tokens:],
            torch.arange(beams.shape[1], device=beams.device),
        )
        log_probabilities = torch.stack(generated.scores)[steps, beams.clamp(min=0), added]
        is_counted = beams >= 0
        # Not multiplied: a step that does not count may have a score of minus infinity.
        counted = log_probabilities.where(is_counted, 0.0)
        return generated.sequences, counted.sum(-1) / is_counted.sum(-1), num_start_tokens

    def _warps(self, decoding: Decoding) -> list[Warp]:
        """Return the warpers that transformers would use, in the same order."""
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
