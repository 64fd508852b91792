"""The captioner: a ResNet with two attention layers on top (DPT's hybrid encoder) and a two-layer GPT-2.

In training the encoder also predicts attributes, which teaches it useful features much earlier than the words
of the decoder would. The token that decoding starts from selects the language.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    DPTConfig,
    DPTModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    ResNetConfig,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTImageProcessor,
)

from recipes.pocket.scenes.augment import degrade, enlarge
from recipes.pocket.scenes.grammar import Description, chinese, english
from recipes.pocket.scenes.prefetch import SampleSource
from recipes.pocket.scenes.samples import ATTRIBUTES
from recipes.pocket.texts.tokenizer import LANGUAGE_TOKENS, MAX_TOKENS, build_caption_tokenizer
from recipes.pocket.training import process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

INPUT_SIDE = 112
_FEATURES = 192
_BATCH = 32
_IGNORED = -100


def build(tokenizer: PreTrainedTokenizerFast) -> VisionEncoderDecoderModel:
    """Build an untrained captioner for the vocabulary of a tokenizer."""
    backbone_config = ResNetConfig(
        embedding_size=32,
        hidden_sizes=[64, 128, _FEATURES],
        depths=[1, 1, 1],
        layer_type="basic",
    )
    backbone_config.out_features = ["stage1", "stage2", "stage3"]
    encoder_config = DPTConfig(
        is_hybrid=True,
        backbone_config=backbone_config,
        backbone_featmap_shape=[1, _FEATURES, INPUT_SIDE // 16, INPUT_SIDE // 16],
        hidden_size=_FEATURES,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * _FEATURES,
        image_size=INPUT_SIDE,
        patch_size=16,
    )
    decoder_config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=MAX_TOKENS,
        n_embd=192,
        n_layer=2,
        n_head=4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        add_cross_attention=True,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder_config, decoder_config)
    model = VisionEncoderDecoderModel(
        config=config, encoder=DPTModel(encoder_config), decoder=GPT2LMHeadModel(config.decoder)
    )
    start = tokenizer.convert_tokens_to_ids(LANGUAGE_TOKENS["en"])
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id = start
        settings.eos_token_id = tokenizer.eos_token_id
        settings.pad_token_id = tokenizer.pad_token_id
    model.generation_config.max_length = MAX_TOKENS
    return model


def build_image_processor() -> ViTImageProcessor:
    """Build the image processor, which resizes a picture and scales it to -1 to 1."""
    return ViTImageProcessor(
        size={"height": INPUT_SIDE, "width": INPUT_SIDE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def caption_ids(
    tokenizer: PreTrainedTokenizerFast, described: list[Description], language: str
) -> torch.Tensor:
    """Return token ids `[n, 20]`: the token of the language, the caption, end tokens."""
    write = {"en": english, "zh": chinese}[language]
    start = tokenizer.convert_tokens_to_ids(LANGUAGE_TOKENS[language])
    end = tokenizer.eos_token_id
    rows = [[start, *tokenizer(write(d))["input_ids"]] for d in described]
    return torch.tensor([row + [end] * (MAX_TOKENS - len(row)) for row in rows])


class CaptionHeads(nn.Module):
    """Attribute classifiers on the tokens of the encoder, discarded after training.

    One set uses all tokens concatenated, which trains the convolutions. The other uses their mean, so that
    the attributes are available to the attention of the decoder at every position.
    """

    def __init__(self) -> None:
        super().__init__()
        tokens = (INPUT_SIDE // 16) ** 2 + 1
        self.hidden = nn.Linear(tokens * _FEATURES, 256)
        self.wide = nn.ModuleList(nn.Linear(256, n) for n in ATTRIBUTES.values())
        self.mean = nn.ModuleList(nn.Linear(_FEATURES, n) for n in ATTRIBUTES.values())

    def loss(self, features: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean cross-entropies of both sets, from features `[n, tokens, width]`."""
        wide = functional.gelu(self.hidden(features.flatten(1)))
        return _entropy(self.wide, wide, labels), _entropy(self.mean, features.mean(1), labels)


def _entropy(heads: nn.ModuleList, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    losses = [functional.cross_entropy(head(inputs), labels[:, i]) for i, head in enumerate(heads)]
    return torch.stack(losses).mean()


def _caption_loss(
    model: VisionEncoderDecoderModel, features: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    logits = model.decoder(input_ids=ids[:, :-1], encoder_hidden_states=features).logits
    targets = ids[:, 1:].clone()
    # The first end token is a target; the end tokens after it are padding.
    targets[:, 1:][ids[:, 1:-1] == model.config.eos_token_id] = _IGNORED
    return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=_IGNORED)


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the captioner and save it to `out / "pocket-captioner"`."""
    tokenizer = build_caption_tokenizer()
    model, heads = on_device(build(tokenizer)), on_device(CaptionHeads())
    loop = Loop({"model": model, "heads": heads}, Plan(budget, 1e-3, hold=0.4), out / "captioner")
    batches = SampleSource(_BATCH, share_of_two=0.6, varied_share=0.75).batches(seed=91 + loop.step)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        batch = next(batches)
        pictures = enlarge(degrade(batch.pictures.to(device())), INPUT_SIDE)
        with bfloat16_autocast():
            features = model.encoder(pictures.contiguous(memory_format=torch.channels_last))[0]
            losses = [
                _caption_loss(model, features, caption_ids(tokenizer, batch.full, language).to(device()))
                for language in LANGUAGE_TOKENS
            ]
        wide, mean = heads.loss(features.float(), batch.labels.to(device()))
        caption_loss = torch.stack(losses).mean()
        figures = {"wide": wide.item(), "mean": mean.item(), "telling": caption_loss.item()}
        return caption_loss + wide + mean, _BATCH, figures

    finished = loop.run(loss)
    if process_group.rank() == 0:
        save(model, tokenizer, out / "pocket-captioner")
    return finished


def save(model: VisionEncoderDecoderModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the captioner in its shipped form, in half precision."""
    model.eval().half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    build_image_processor().save_pretrained(folder)
