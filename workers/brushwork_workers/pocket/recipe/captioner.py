"""The captioner: a Swin encoder and a two-layer GPT-2 decoder.

The encoder also answers attribute questions in training, which teaches it what to look for long before the
decoder's words would. A language is chosen by the token that decoding starts from.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    SwinConfig,
    SwinModel,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTImageProcessor,
)

from brushwork_workers.pocket.grammar import Description, chinese, english
from brushwork_workers.pocket.recipe.augment import soften
from brushwork_workers.pocket.recipe.samples import ATTRIBUTES, Sampler
from brushwork_workers.pocket.recipe.tokenizer import (
    LANGUAGE_TOKENS,
    MAX_TOKENS,
    build_caption_tokenizer,
)
from brushwork_workers.pocket.recipe.training import Loop, Plan, channels_last

INPUT_SIDE = 64
_FEATURES = 192
_BATCH = 32
_IGNORED = -100


def build(tokenizer: PreTrainedTokenizerFast) -> VisionEncoderDecoderModel:
    """An untrained captioner for the tokenizer's vocabulary."""
    seer = SwinConfig(
        image_size=INPUT_SIDE,
        patch_size=4,
        embed_dim=_FEATURES // 2,
        depths=[2, 4],
        num_heads=[3, 6],
        window_size=8,
        mlp_ratio=3.0,
        drop_path_rate=0.0,
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
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(seer, teller)
    model = VisionEncoderDecoderModel(
        config=config, encoder=SwinModel(seer), decoder=GPT2LMHeadModel(config.decoder)
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


class Heads(nn.Module):
    """Attribute classifiers on all of the encoder's tokens; thrown away after training."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(tokens * _FEATURES, 256)
        self.heads = nn.ModuleList(nn.Linear(256, n) for n in ATTRIBUTES.values())

    def loss(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over the attributes, of features `[n, tokens, width]`."""
        hidden = functional.gelu(self.hidden(features.flatten(1)))
        losses = [functional.cross_entropy(head(hidden), labels[:, i]) for i, head in enumerate(self.heads)]
        return torch.stack(losses).mean()


def _tell_loss(model: VisionEncoderDecoderModel, features: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    logits = model.decoder(input_ids=ids[:, :-1], encoder_hidden_states=features).logits
    wanted = ids[:, 1:].clone()
    # The first end token is learnt, those that pad after it are not.
    wanted[:, 1:][ids[:, 1:-1] == model.config.eos_token_id] = _IGNORED
    return functional.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED)


def train(out: Path, minutes: float, resume: bool) -> None:
    """Trains the captioner into `out / "pocket-captioner"`."""
    tokenizer = build_caption_tokenizer()
    model, heads = build(tokenizer), Heads(tokens=64)
    channels_last(model.encoder)
    plan = Plan(minutes, 1e-3, hold=0.4)
    loop = Loop({"model": model, "heads": heads}, plan, out / "captioner.pt")
    if resume:
        loop.resume()
    sampler = Sampler(seed=91 + loop.step, share_of_two=0.6, lively=0.75)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        batch = sampler.batch(_BATCH)
        pictures = soften(batch.pictures)
        with torch.autocast("cpu", torch.bfloat16):
            features = model.encoder(pictures.to(memory_format=torch.channels_last))[0]
            told = [
                _tell_loss(model, features, caption_ids(tokenizer, batch.full, language))
                for language in LANGUAGE_TOKENS
            ]
        seen = heads.loss(features.float(), batch.labels)
        telling = torch.stack(told).mean()
        return telling + seen, _BATCH, {"seen": seen.item(), "telling": telling.item()}

    loop.run(loss)
    save(model, tokenizer, out / "pocket-captioner")


def save(model: VisionEncoderDecoderModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes the captioner as it ships, in half precision."""
    model.eval().half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    build_image_processor().save_pretrained(folder)
