"""Captions by a `VisionEncoderDecoderModel` of transformers."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import VisionEncoderDecoderModel

from brushwork_workers.families.captions.captioner import Captioner, CaptionPrompt
from brushwork_workers.families.captions.languages import require_english
from brushwork_workers.families.engine_modules import picture_encoder
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, token_ids, tokenizer
from brushwork_workers.interface import LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image-to-text."""
    network = pretrained(VisionEncoderDecoderModel, spec)
    end_tokens = token_ids(network.generation_config.eos_token_id)
    return LoadedModules(
        {"image-to-text": Captioner(spec, network, EncoderDecoder(spec, network), end_tokens)},
        [network],
        picture_encoder(network),
    )


class EncoderDecoder:
    """Builds prompts for `VisionEncoderDecoderModel`.

    A model of several languages has one token per language in its vocabulary, such as `<|en|>` and `<|zh|>`.
    A caption in that language begins with this token.

    Args:
        spec: The model that is loaded.
        network: The loaded network.

    Attributes:
        special_tokens: Ids of the tokens that are no part of a text.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._pictures = PictureProcessor(spec)
        self._tokenizer = tokenizer(spec)
        self.special_tokens = frozenset(self._tokenizer.all_special_ids)
        self._start = network.generation_config.decoder_start_token_id
        self._max_positions = network.decoder.config.max_position_embeddings

    def build(self, picture: Image.Image, language: str, prompt: str) -> CaptionPrompt:
        """Return the picture and the tokens that the caption begins with."""
        token = self._tokenizer.get_vocab().get(f"<|{language}|>")
        if token is None:
            require_english(language)
        start = [self._start if token is None else token]
        if prompt:
            start += self._tokenizer(prompt, add_special_tokens=False)["input_ids"]
        # Without `decoder_start_token_id`, transformers would insert its default start token in front.
        first = {"decoder_input_ids": torch.tensor([start]), "decoder_start_token_id": start[0]}
        return CaptionPrompt(
            {**self._pictures(picture), **first}, self._max_positions - len(start), self._read
        )

    def _read(self, tokens: Tensor, _: int) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
