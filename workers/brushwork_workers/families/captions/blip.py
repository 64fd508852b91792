"""Captions by BLIP (Li et al., 2022). A prompt is the beginning of the caption."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import BlipForConditionalGeneration

from brushwork_workers.families.captions.captioner import Captioner, CaptionPrompt
from brushwork_workers.families.captions.languages import require_english
from brushwork_workers.families.engine_modules import picture_encoder
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, tokenizer
from brushwork_workers.interface import LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image-to-text."""
    network = pretrained(BlipForConditionalGeneration, spec)
    handler = Captioner(
        spec,
        network,
        Blip(spec, network),
        [network.config.text_config.sep_token_id],
        configured_module=network.text_decoder,
    )
    return LoadedModules({"image-to-text": handler}, [network], picture_encoder(network))


class Blip:
    """Builds prompts for BLIP.

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
        self._max_positions = network.config.text_config.max_position_embeddings

    def build(self, picture: Image.Image, language: str, prompt: str) -> CaptionPrompt:
        """Return the picture and the tokens that the caption begins with."""
        require_english(language)
        inputs: dict[str, Tensor] = {**self._pictures(picture)}
        num_tokens = 1
        if prompt:
            text = self._tokenizer([prompt])
            inputs["input_ids"] = torch.tensor(text["input_ids"])
            inputs["attention_mask"] = torch.tensor(text["attention_mask"])
            # The last token marks the end of the prompt, and BLIP removes it.
            num_tokens = inputs["input_ids"].shape[1] - 1
        return CaptionPrompt(inputs, self._max_positions - num_tokens, self._read)

    def _read(self, tokens: Tensor, _: int) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
