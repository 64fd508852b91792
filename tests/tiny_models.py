"""Checkpoints of real classes in tiny, seeded configurations, saved as the big ones are."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torchvision.models import shufflenet_v2_x0_5
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.fcn import FCN, FCNHead
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

WORDS = ["<pad>", "<start>", "<end>", "<|en|>", "<|zh|>", "<unk>", "a", "red", "circle", "红色", "圆形"]
CLASSES = ("circle", "square", "star")


def stable_diffusion() -> StableDiffusionPipeline:
    """About 0.3 M parameters that make pictures of 32 x 32."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        norm_num_groups=8,
    )
    return StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def autoencoder(**options: float) -> AutoencoderKL:
    """Half the pictures' side in latents."""
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(16, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        **options,
    )


def save_stable_diffusion(folder: Path) -> Path:
    """`stable_diffusion` in a folder."""
    # For mypy, which loses the pipeline's base class where peft is installed.
    pipeline: Any = stable_diffusion()
    pipeline.save_pretrained(folder)
    return folder


def clip_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=49408,
        max_position_embeddings=77,
        projection_dim=32,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=1,
    )


def clip_tokenizer() -> CLIPTokenizer:
    letters = [chr(code) for code in range(33, 127)]
    pieces = letters + [f"{letter}</w>" for letter in letters]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    vocabulary |= {"<|startoftext|>": 49406, "<|endoftext|>": 49407}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def save_captioner(folder: Path) -> Path:
    """A `VisionEncoderDecoderModel` (ViT and GPT-2) with a vocabulary of eleven words."""
    torch.manual_seed(0)
    encoder = ViTModel(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=32,
            patch_size=8,
        )
    )
    decoder = GPT2LMHeadModel(
        GPT2Config(
            n_embd=16,
            n_layer=1,
            n_head=2,
            n_positions=32,
            vocab_size=len(WORDS),
            add_cross_attention=True,
            bos_token_id=1,
            eos_token_id=2,
        )
    )
    model = VisionEncoderDecoderModel(encoder=encoder, decoder=decoder)
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id = 1
        config.pad_token_id = 0
        config.eos_token_id = 2
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    tokens = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokens.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unk>",
        additional_special_tokens=["<|en|>", "<|zh|>"],
    ).save_pretrained(folder)
    return folder


def save_classifier(folder: Path, constructor: str = "torchvision.models.shufflenet_v2_x0_5") -> Path:
    """torchvision's smallest ShuffleNet with three classes."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    network = shufflenet_v2_x0_5(num_classes=len(CLASSES))
    save_file(network.state_dict(), folder / "model.safetensors")
    config = {
        "library": "torchvision",
        "model": {"constructor": constructor, "kwargs": {"num_classes": len(CLASSES)}},
        "labels": list(CLASSES),
        "preprocess": {"resize": 64, "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def save_segmenter(folder: Path) -> Path:
    """An FCN of torchvision on a ShuffleNet's third stage, with three classes and a background."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    backbone = IntermediateLayerGetter(shufflenet_v2_x0_5(num_classes=1), {"stage3": "out"})
    network = FCN(backbone, FCNHead(96, len(CLASSES) + 1))
    save_file(network.state_dict(), folder / "model.safetensors")
    config = {
        "library": "torchvision",
        "model": {
            "constructor": "torchvision.models.segmentation.fcn.FCN",
            "backbone": {
                "constructor": "torchvision.models.shufflenet_v2_x0_5",
                "kwargs": {"num_classes": 1},
                "return_layer": "stage3",
            },
            "head": {
                "constructor": "torchvision.models.segmentation.fcn.FCNHead",
                "kwargs": {"in_channels": 96, "channels": len(CLASSES) + 1},
            },
        },
        "labels": ["background", *CLASSES],
        "preprocess": {"resize": 64, "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
