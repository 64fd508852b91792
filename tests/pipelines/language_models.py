"""Tiny language models that newer pipelines read their prompts with, and their tokenizers."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2Model,
    GemmaConfig,
    GemmaModel,
    GlmConfig,
    GlmModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.checkpoints.qwen_image import tokenizer as byte_tokenizer
from tests.pipelines.parts import WIDTH

SIZES = {
    "vocab_size": 512,
    "hidden_size": WIDTH,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 2048,
    "pad_token_id": 0,
}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def gemma() -> GemmaModel:
    torch.manual_seed(0)
    return GemmaModel(GemmaConfig(**SIZES))


def gemma_2() -> Gemma2Model:
    torch.manual_seed(0)
    return Gemma2Model(Gemma2Config(**SIZES))


def glm() -> GlmModel:
    torch.manual_seed(0)
    return GlmModel(GlmConfig(**SIZES))


def llama(**options: Any) -> LlamaModel:
    torch.manual_seed(0)
    return LlamaModel(LlamaConfig(**{**SIZES, **options}))


def llama_with_head(**options: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**{**SIZES, **options}))


def qwen_3() -> Qwen3Model:
    torch.manual_seed(0)
    return Qwen3Model(Qwen3Config(**SIZES))


def qwen_3_with_head(**options: Any) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    return Qwen3ForCausalLM(Qwen3Config(**{**SIZES, **options}))


def umt5() -> UMT5EncoderModel:
    torch.manual_seed(0)
    config = UMT5Config(vocab_size=200, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    return UMT5EncoderModel(config)


def chat_tokenizer() -> Any:
    """Return a tokenizer with a token for each byte, and a template for messages."""
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return tokenizer
