"""The tokens of prompts: how many a text encoder takes, and prompts that are longer than that.

The text encoders of CLIP take 77 tokens. A longer prompt is encoded in chunks of 75 tokens, each between the
tokens for its beginning and end, and the embeddings of the chunks are joined. Other text encoders cut the
prompt, and the result says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from brushwork_schemas.warnings import ResultWarning, result_warning
from torch import Tensor
from transformers import BatchEncoding

_TOKENIZERS = ("tokenizer", "tokenizer_2")
# The families whose denoiser takes embeddings of any length from CLIP alone.
CHUNKED_FAMILIES = ("stable-diffusion", "stable-diffusion-xl")


class TokenCounter:
    """Finds prompts that a tokenizer has cut.

    Args:
        prompts: The texts of the request by field, such as `negative_prompt`.
        warn: Called with a warning for the result.
    """

    def __init__(self, prompts: Mapping[str, str], warn: Callable[[ResultWarning], None]) -> None:
        self._prompts = {field: text.strip().lower() for field, text in prompts.items() if text.strip()}
        self._warn = warn

    def check(self, name: str, tokenizer: Callable[..., Any], given: Any, options: Mapping[str, Any]) -> None:
        """Compare the number of tokens of texts with the most that a call has asked for.

        Args:
            name: The name of the component, such as `tokenizer_2`.
            tokenizer: The tokenizer.
            given: The texts of the call: a string, or a list of strings.
            options: The keyword arguments of the call.
        """
        most = options.get("max_length")
        if not options.get("truncation") or not isinstance(most, int):
            return
        special = options.get("add_special_tokens", True)
        texts = [given] if isinstance(given, str) else list(given)
        num_special = len(tokenizer([""], add_special_tokens=special)["input_ids"][0])
        for text, ids in zip(texts, tokenizer(texts, add_special_tokens=special)["input_ids"], strict=True):
            if len(ids) > most:
                counts = {"used": most - num_special, "left_out": len(ids) - most}
                encoder = name.replace("tokenizer", "text_encoder")
                self._warn(result_warning("prompt_cut", self._field(text), encoder=encoder, **counts))

    def _field(self, text: str) -> str:
        # Pipelines may lower the case of a prompt, or put it into a template.
        plain = text.strip().lower()
        exact = [field for field, prompt in self._prompts.items() if prompt == plain]
        within = [field for field, prompt in self._prompts.items() if prompt in plain]
        return next(iter([*exact, *within]), "prompt")


def chunk_of(tokenizer: Any, texts: Sequence[str], index: int) -> BatchEncoding:
    """Return the tokens of one chunk of each text, as the tokenizer returns those of a text that fits.

    Args:
        tokenizer: The tokenizer.
        texts: The texts. A text that has fewer chunks has an empty one here.
        index: The number of the chunk, counted from 0.
    """
    begin, end = special_tokens(tokenizer) or (0, 0)
    length = tokenizer.model_max_length
    size = length - 2
    rows, masks = [], []
    for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]:
        own = [begin, *ids[index * size : (index + 1) * size], end]
        rows.append(own + [tokenizer.pad_token_id] * (length - len(own)))
        masks.append([1] * len(own) + [0] * (length - len(own)))
    return BatchEncoding({"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(masks)})


def number_of_chunks(pipeline: Any, prompts: Sequence[str]) -> int:
    """Return how many chunks the longest of the prompts has, at least 1.

    Args:
        pipeline: A pipeline of a family of `CHUNKED_FAMILIES`.
        prompts: The prompt and the negative prompt.
    """
    tokenizers = [found for name in _TOKENIZERS if (found := getattr(pipeline, name, None)) is not None]
    if not all(special_tokens(tokenizer) for tokenizer in tokenizers):
        return 1
    return max(
        -(-len(ids) // (tokenizer.model_max_length - 2)) or 1
        for tokenizer in tokenizers
        for ids in tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    )


def chunked_embeddings(pipeline: Any, arguments: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return the arguments of a pipeline with embeddings in place of its prompts.

    Args:
        pipeline: A pipeline of one job. Its tokenizers have the attribute `chunk`.
        arguments: The arguments of the pipeline.
        count: The number of chunks.
    """
    scale = arguments["guidance_scale"] or 0.0
    pipeline.__dict__["_guidance_scale"] = scale
    # The upscaling pipeline has no such property.
    is_guided = getattr(pipeline, "do_classifier_free_guidance", scale > 1)
    encoded = []
    tokenizers = [getattr(pipeline, name) for name in _TOKENIZERS if hasattr(pipeline, name)]
    for index in range(count):
        for tokenizer in tokenizers:
            tokenizer.chunk = index
        encoded.append(
            pipeline.encode_prompt(
                prompt=arguments["prompt"],
                negative_prompt=arguments["negative_prompt"],
                device=pipeline._execution_device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=is_guided,
                clip_skip=arguments.get("clip_skip"),
            )
        )
    for tokenizer in tokenizers:
        tokenizer.chunk = None
    # Stable Diffusion XL also returns pooled embeddings; those of the first chunk count.
    prompt, negative, *pooled = (_joined(parts) for parts in zip(*encoded, strict=True))
    names = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    return {
        **arguments,
        "prompt": None,
        "negative_prompt": None,
        "prompt_embeds": prompt,
        "negative_prompt_embeds": negative,
        **dict(zip(names, pooled, strict=False)),
    }


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    first = parts[0]
    if first is None or first.ndim < 3:
        return first
    return torch.cat([part for part in parts if part is not None], dim=1)


def special_tokens(tokenizer: Any) -> tuple[int, int] | None:
    """Return the tokens before and after a text; None if the tokenizer does not add one of each."""
    ids = tokenizer([""])["input_ids"][0]
    return (ids[0], ids[1]) if len(ids) == 2 else None
