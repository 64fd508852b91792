"""The captioner: a ResNet with two attention layers on top (DPT's hybrid encoder) and a two-layer GPT-2.

The encoder also answers attribute questions in training, which teaches it what to look for long before the
decoder's words would. A language is chosen by the token that decoding starts from.
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

from recipes.pocket import gang
from recipes.pocket.ahead import Drawing
from recipes.pocket.augment import enlarge, soften
from recipes.pocket.device import device, half_products, placed
from recipes.pocket.grammar import Description, chinese, english
from recipes.pocket.samples import ATTRIBUTES
from recipes.pocket.tokenizer import LANGUAGE_TOKENS, MAX_TOKENS, build_caption_tokenizer
from recipes.pocket.training import Loop, Plan, TimeBudget

INPUT_SIDE = 112
_FEATURES = 192
_BATCH = 32
_IGNORED = -100


def build(tokenizer: PreTrainedTokenizerFast) -> VisionEncoderDecoderModel:
    """An untrained captioner for the tokenizer's vocabulary."""
    eye = ResNetConfig(
        embedding_size=32,
        hidden_sizes=[64, 128, _FEATURES],
        depths=[1, 1, 1],
        layer_type="basic",
    )
    eye.out_features = ["stage1", "stage2", "stage3"]
    seer = DPTConfig(
        is_hybrid=True,
        backbone_config=eye,
        backbone_featmap_shape=[1, _FEATURES, INPUT_SIDE // 16, INPUT_SIDE // 16],
        hidden_size=_FEATURES,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * _FEATURES,
        image_size=INPUT_SIDE,
        patch_size=16,
    )
    teller = GPT2Config(
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
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(seer, teller)
    model = VisionEncoderDecoderModel(
        config=config, encoder=DPTModel(seer), decoder=GPT2LMHeadModel(config.decoder)
    )
    start = tokenizer.convert_tokens_to_ids(LANGUAGE_TOKENS["en"])
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id = start
        settings.eos_token_id = tokenizer.eos_token_id
        settings.pad_token_id = tokenizer.pad_token_id
    model.generation_config.max_length = MAX_TOKENS
    return model


def build_image_processor() -> ViTImageProcessor:
    """Resizes a picture and brings it to -1 to 1."""
    return ViTImageProcessor(
        size={"height": INPUT_SIDE, "width": INPUT_SIDE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def caption_ids(
    tokenizer: PreTrainedTokenizerFast, described: list[Description], language: str
) -> torch.Tensor:
    """Token ids `[n, 20]`: the language's token, the caption, end tokens."""
    write = {"en": english, "zh": chinese}[language]
    start = tokenizer.convert_tokens_to_ids(LANGUAGE_TOKENS[language])
    end = tokenizer.eos_token_id
    rows = [[start, *tokenizer(write(d))["input_ids"]] for d in described]
    return torch.tensor([row + [end] * (MAX_TOKENS - len(row)) for row in rows])


class CaptionHeads(nn.Module):
    """Attribute classifiers on the encoder's tokens; thrown away after training.

    One set reads all tokens side by side, which teaches the convolutions what to look for; one reads their
    mean, so that what is seen is within reach of the decoder's attention wherever it looks.
    """

    def __init__(self) -> None:
        super().__init__()
        tokens = (INPUT_SIDE // 16) ** 2 + 1
        self.hidden = nn.Linear(tokens * _FEATURES, 256)
        self.wide = nn.ModuleList(nn.Linear(256, n) for n in ATTRIBUTES.values())
        self.mean = nn.ModuleList(nn.Linear(_FEATURES, n) for n in ATTRIBUTES.values())

    def loss(self, features: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean cross-entropies over the attributes, of features `[n, tokens, width]`, wide and mean."""
        wide = functional.gelu(self.hidden(features.flatten(1)))
        return _entropy(self.wide, wide, labels), _entropy(self.mean, features.mean(1), labels)


def _entropy(heads: nn.ModuleList, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    losses = [functional.cross_entropy(head(inputs), labels[:, i]) for i, head in enumerate(heads)]
    return torch.stack(losses).mean()


def _tell_loss(model: VisionEncoderDecoderModel, features: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    logits = model.decoder(input_ids=ids[:, :-1], encoder_hidden_states=features).logits
    wanted = ids[:, 1:].clone()
    # The first end token is learnt, those that pad after it are not.
    wanted[:, 1:][ids[:, 1:-1] == model.config.eos_token_id] = _IGNORED
    return functional.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED)


def train(out: Path, budget: TimeBudget) -> bool:
    """Trains the captioner into `out / "pocket-captioner"`."""
    tokenizer = build_caption_tokenizer()
    model, heads = placed(build(tokenizer)), placed(CaptionHeads())
    loop = Loop({"model": model, "heads": heads}, Plan(budget, 1e-3, hold=0.4), out / "captioner")
    batches = Drawing(_BATCH, share_of_two=0.6, lively=0.75).batches(seed=91 + loop.step)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        batch = next(batches)
        pictures = enlarge(soften(batch.pictures.to(device())), INPUT_SIDE)
        with half_products():
            features = model.encoder(pictures.contiguous(memory_format=torch.channels_last))[0]
            told = [
                _tell_loss(model, features, caption_ids(tokenizer, batch.full, language).to(device()))
                for language in LANGUAGE_TOKENS
            ]
        wide, mean = heads.loss(features.float(), batch.labels.to(device()))
        telling = torch.stack(told).mean()
        figures = {"wide": wide.item(), "mean": mean.item(), "telling": telling.item()}
        return telling + wide + mean, _BATCH, figures

    finished = loop.run(loss)
    if gang.place() == 0:
        save(model, tokenizer, out / "pocket-captioner")
    return finished


def save(model: VisionEncoderDecoderModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes the captioner as it ships, in half precision."""
    model.eval().half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    build_image_processor().save_pretrained(folder)
