"""The batched call that tells how probable a given text is for a picture ("teacher forcing")."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class TextScorer:
    """Computes the log-probabilities of the tokens of given texts, one call for a text of any length.

    The probabilities are those of the network itself: decoding may have changed them, for example by a
    temperature or by a rule against repetitions.

    Args:
        network: A network of transformers that writes texts for pictures.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._is_encoder_decoder = bool(network.config.is_encoder_decoder)
        self._can_keep_logits = "logits_to_keep" in inspect.signature(network.forward).parameters

    def log_probabilities(self, *, tokens: Tensor, num_added: int, **inputs: Any) -> Tensor:
        """Return the log-probability of each of the last tokens, given the picture and the tokens before it.

        Args:
            tokens: The texts with the tokens that they begin with, [rows, tokens].
            num_added: How many of them are scored, the last ones; at least 1 less than there are.
            **inputs: The other arguments, as for `TextGenerator.generate_texts`.

        Returns:
            Natural logarithms, [rows, num_added], float32.
        """
        if "image_grid_thw" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"].flatten(0, 1)
        before = tokens[:, :-1]
        given = self._seq2seq(inputs, before) if self._is_encoder_decoder else _decoder_only(inputs, before)
        if self._can_keep_logits:
            given["logits_to_keep"] = num_added
        logits = self._network(**given).logits[:, -num_added:]
        # Row by row: all at once, float32 would take as much memory again as a large vocabulary needs anyway.
        rows = zip(logits, tokens[:, -num_added:], strict=True)
        return torch.stack(
            [row.float().log_softmax(-1).gather(-1, added[:, None])[:, 0] for row, added in rows]
        )

    @staticmethod
    def _seq2seq(inputs: Mapping[str, Any], before: Tensor) -> dict[str, Any]:
        """Return the arguments of a network whose decoder has tokens of its own."""
        own = {name: value for name, value in inputs.items() if name != "decoder_start_token_id"}
        return {**own, "decoder_input_ids": before}


def _decoder_only(inputs: Mapping[str, Any], before: Tensor) -> dict[str, Any]:
    """Return the arguments of a network whose prompt and text are one sequence.

    Inputs that have a value for each token of the prompt, such as the type of the token, get the values of
    plain text for the tokens of the text.
    """
    given = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
    prompt: Tensor | None = inputs.get("input_ids")
    for name, value in given.items():
        if prompt is not None and isinstance(value, Tensor) and value.shape == prompt.shape:
            more = before.shape[1] - value.shape[1]
            given[name] = torch.nn.functional.pad(value, (0, more))
    # No row is padded: calls share a batch only if their prompts have the same length.
    return {**given, "input_ids": before, "attention_mask": torch.ones_like(before)}
