"""Prompts with weights, for the text encoders of CLIP. compel computes the embeddings.

compel reads another syntax (`(word)1.3`, `word++`), so `prompt_weights` parses the prompt. compel gets the
fragments with their weights. It encodes through the text encoder of the pipeline, which is a proxy, so these
calls share batches too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from brushwork_schemas.kinds.generation.prompt_weights import Chunks, is_weighted, plain_text, written_weights
from compel.embeddings_provider import EmbeddingsProvider, SplitLongTextMode
from torch import Tensor

from brushwork_workers.families.diffusion.prompt_tokens import (
    chunked_embeddings,
    number_of_chunks,
    special_tokens,
)

_ENCODERS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
_EMBEDDINGS = {"prompt": "prompt_embeds", "negative_prompt": "negative_prompt_embeds"}


class WeightedEncoder(EmbeddingsProvider):  # type: ignore[misc]
    """One text encoder of a pipeline. It takes the hidden states that the pipeline takes.

    Args:
        tokenizer: Its tokenizer.
        text_encoder: The text encoder.
        device: The device of the pipeline.
        layer: Which of its hidden states is used, counted from the last, 1; 0 for its output.
        is_normalised: Whether the last layer norm is applied to a hidden state.
    """

    def __init__(
        self, tokenizer: Any, text_encoder: Any, device: torch.device, *, layer: int, is_normalised: bool
    ) -> None:
        specials = special_tokens(tokenizer)
        super().__init__(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            # Where a prompt is too long, the chunks are those of a prompt without weights.
            truncate=specials is None,
            split_long_text_mode=SplitLongTextMode.BRUTAL,
            device=device,
        )
        self._specials = specials
        self._layer = layer
        self._is_normalised = is_normalised

    @property
    def bos_sequence(self) -> list[int]:
        """The tokens before a text."""
        return [self._specials[0]] if self._specials else []

    @property
    def eos_sequence(self) -> list[int]:
        """The tokens behind a text."""
        return [self._specials[1]] if self._specials else []

    def encoded(self, chunks: Chunks) -> Tensor:
        """Return the embeddings of a prompt, [1, tokens, width], with the tokens of its breaks' chunks."""
        parts = []
        for chunk in chunks:
            pairs = written_weights(chunk) or [("", 1.0)]
            texts, weights = [text for text, _ in pairs], [weight for _, weight in pairs]
            parts.append(
                self.get_embeddings_for_weighted_prompt_fragments([texts], [weights], device=self.device)
            )
        return torch.cat(parts, dim=1)

    def _encode_token_ids_to_embeddings(
        self, token_ids: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        answer = self.text_encoder(
            token_ids, attention_mask=attention_mask, output_hidden_states=self._layer > 0
        )
        if not self._layer:
            return answer[0]  # type: ignore[no-any-return]
        states: Tensor = answer.hidden_states[-self._layer]
        return self.text_encoder.text_model.final_layer_norm(states) if self._is_normalised else states


def weighted_embeddings(
    pipeline: Any, arguments: Mapping[str, Any], parsed: Mapping[str, Chunks]
) -> dict[str, Any]:
    """Return the arguments of a pipeline with weighted embeddings in place of its prompts.

    Args:
        pipeline: A pipeline of one job, of a family of `CHUNKED_FAMILIES`.
        arguments: The arguments of the pipeline.
        parsed: The fragments of `prompt` and `negative_prompt`.
    """
    # Pooled embeddings, and prompts without weights, are those of the text without brackets.
    plain = {field: plain_text(chunks[:1] if len(chunks) > 1 else chunks) for field, chunks in parsed.items()}
    given = {**arguments, "prompt": plain["prompt"], "negative_prompt": plain["negative_prompt"] or None}
    count = number_of_chunks(pipeline, list(plain.values()))
    found = chunked_embeddings(pipeline, given, count)
    encoders = _encoders(pipeline, arguments.get("clip_skip"))
    for field, name in _EMBEDDINGS.items():
        if is_weighted(parsed[field]) and found[name] is not None:
            embeddings = [encoder.encoded(parsed[field]) for encoder in encoders]
            found[name] = torch.cat(embeddings, dim=-1).to(found[name])
    return _of_equal_length(found, encoders)


def _encoders(pipeline: Any, clip_skip: int | None) -> list[WeightedEncoder]:
    pairs = [(getattr(pipeline, first, None), getattr(pipeline, second, None)) for first, second in _ENCODERS]
    # Stable Diffusion XL never uses the output of the last layer.
    is_xl = hasattr(pipeline, "text_encoder_2")
    skipped = clip_skip or 0
    layer = skipped + 2 if is_xl else skipped + 1 if skipped else 0
    return [
        WeightedEncoder(tokenizer, encoder, pipeline._execution_device, layer=layer, is_normalised=not is_xl)
        for tokenizer, encoder in pairs
        if tokenizer is not None and encoder is not None
    ]


def _of_equal_length(found: dict[str, Any], encoders: Sequence[WeightedEncoder]) -> dict[str, Any]:
    """Lengthen the shorter of both embeddings with those of an empty text."""
    names = [name for name in _EMBEDDINGS.values() if found[name] is not None]
    longest = max(found[name].shape[1] for name in names)
    empty: Tensor | None = None
    for name in names:
        missing = longest - found[name].shape[1]
        if missing:
            if empty is None:
                empty = torch.cat([encoder.empty_z for encoder in encoders], dim=-1)
            padding = empty.repeat(1, missing // empty.shape[1], 1).to(found[name])
            found[name] = torch.cat([found[name], padding], dim=1)
    return found
