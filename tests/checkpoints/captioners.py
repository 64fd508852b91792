"""Captioners of transformers with random weights, saved as the big ones are."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from tests.checkpoints.words import SPECIAL, WORDS, word_tokenizer

_MIND: dict[str, Any] = {"num_attention_heads": 4, "num_hidden_layers": 2}
_TEXT: dict[str, Any] = {**_MIND, "hidden_size": 32, "intermediate_size": 37}
# Wider than usual: as they begin to be trained, these see next to nothing.
_EYES: dict[str, Any] = {**_TEXT, "image_size": 32, "patch_size": 8, "initializer_range": 0.1}
_SIZE = {"height": 32, "width": 32}
_TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }} {% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}is {% endif %}"
)


def _waken(network: Any) -> Any:
    """Untrained, all tokens are as likely for all pictures; louder, pictures get texts of their own."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight *= 3
    return network


def save_blip(folder: Path) -> Path:
    """A `BlipForConditionalGeneration` with a vocabulary of a few words."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[DEC]", *WORDS]
    vocabulary = {word: index for index, word in enumerate(words)}
    text = {**_TEXT, "vocab_size": len(words), "encoder_hidden_size": 32, "max_position_embeddings": 32}
    tokens = {"bos_token_id": 4, "pad_token_id": 0, "eos_token_id": 2, "sep_token_id": 2}
    config = BlipConfig(text_config={**text, **tokens}, vision_config=_EYES)
    _waken(BlipForConditionalGeneration(config)).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size=_SIZE), BertTokenizer(vocab=vocabulary)).save_pretrained(folder)
    return folder


def save_git(folder: Path) -> Path:
    """A `GitForCausalLM` with a vocabulary of a few words."""
    torch.manual_seed(0)
    config = GitConfig(
        **_TEXT,
        vision_config=_EYES,
        vocab_size=len(WORDS) + len(SPECIAL),
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        max_position_embeddings=64,
    )
    _waken(GitForCausalLM(config)).save_pretrained(folder)
    eyes = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=_SIZE)
    GitProcessor(eyes, word_tokenizer()).save_pretrained(folder)
    return folder


def save_florence(folder: Path) -> Path:
    """A `Florence2ForConditionalGeneration` that sees pictures of 64 x 64 as five tokens."""
    torch.manual_seed(0)
    places = [f"<loc_{index}>" for index in range(16)]
    words = ["<image>", *WORDS, "What", "does", "the", "image", "describe", "Locate", "in", "?", *places]
    names = ("<pad>", "<s>", "</s>", "<unk>")
    config = Florence2Config(
        vision_config={
            "depths": [1, 1, 1, 1],
            "embed_dim": [16, 16, 16, 16],
            "num_heads": [2, 2, 2, 2],
            "num_groups": [2, 2, 2, 2],
            "window_size": 4,
            "projection_dim": 32,
        },
        text_config={
            "model_type": "bart",
            "vocab_size": len(words) + len(names),
            "d_model": 32,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
            "max_position_embeddings": 64,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 2,
            "forced_eos_token_id": 2,
        },
        image_token_id=len(names),
    )
    _waken(Florence2ForConditionalGeneration(config)).save_pretrained(folder)
    eyes: Any = CLIPImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False)
    eyes.image_seq_length = 5
    tokens = word_tokenizer(words, ends=False, extra_special_tokens={"image_token": "<image>"})
    answers: dict[str, Any] = {
        "pure_text": {},
        "description_with_bboxes": {},
        "phrase_grounding": {"banned_grounding_tokens": []},
    }
    Florence2Processor(eyes, tokens, post_processor_config=answers).save_pretrained(folder)
    return folder


def save_smolvlm(folder: Path) -> Path:
    """An `Idefics3ForConditionalGeneration`, as SmolVLM is one, that cuts no tiles."""
    torch.manual_seed(0)
    marks = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    words = [*marks, *WORDS, "Describe", "this", "image", "in", "one", "sentence", "User"]
    config = Idefics3Config(
        vision_config={**_EYES, "image_size": 32, "patch_size": 8},
        text_config={
            **_TEXT,
            "model_type": "llama",
            "num_key_value_heads": 4,
            "vocab_size": len(words) + len(SPECIAL),
            "max_position_embeddings": 128,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        scale_factor=2,
        image_token_id=5,
    )
    network = _waken(Idefics3ForConditionalGeneration(config))
    network.generation_config.eos_token_id = [2]
    network.generation_config.pad_token_id = 0
    network.save_pretrained(folder)
    eyes = Idefics3ImageProcessor(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    tokens = word_tokenizer(words, ends=False)
    template = _TEMPLATE.replace("IMAGE", "<image>")
    Idefics3Processor(eyes, tokens, image_seq_len=4, chat_template=template).save_pretrained(folder)
    return folder


def save_qwen(folder: Path) -> Path:
    """A `Qwen2_5_VLForConditionalGeneration`; pictures of several sizes have as many tokens."""
    torch.manual_seed(0)
    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = [*marks, *WORDS, "Describe", "this", "image", "in", "one", "sentence"]
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 8,
            "window_size": 32,
            "fullatt_block_indexes": [1],
        },
        text_config={
            **_TEXT,
            "num_key_value_heads": 2,
            "vocab_size": len(words) + len(SPECIAL),
            "max_position_embeddings": 256,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        vision_start_token_id=4,
        vision_end_token_id=5,
        image_token_id=6,
        video_token_id=7,
    )
    network = _waken(Qwen2_5_VLForConditionalGeneration(config))
    network.generation_config.eos_token_id = [2]
    network.generation_config.pad_token_id = 0
    network.generation_config.do_sample = True
    network.generation_config.temperature = 0.5
    network.save_pretrained(folder)
    limits = {"shortest_edge": 16 * 16 * 4, "longest_edge": 16 * 16 * 9}
    eyes = Qwen2VLImageProcessor(patch_size=8, size=limits)
    template = _TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    tokens = word_tokenizer(words, ends=False, extra_special_tokens=list(marks))
    Qwen2_5_VLProcessor(
        eyes, tokens, Qwen2VLVideoProcessor(patch_size=8), chat_template=template
    ).save_pretrained(folder)
    return folder
