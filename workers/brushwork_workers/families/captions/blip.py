"""Captions by BLIP (Li et al., 2022); a prompt is how they begin."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import BlipForConditionalGeneration

from brushwork_workers.families.captions.captioner import Captioner, Question
from brushwork_workers.families.captions.languages import only_english
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, tokenizer
from brushwork_workers.interface import LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(BlipForConditionalGeneration, spec)
    handler = Captioner(
        spec,
        network,
        Blip(spec, network),
        [network.config.text_config.sep_token_id],
        speaker=network.text_decoder,
    )
    return LoadedModules({"image-to-text": handler}, [network])


class Blip:
    """What is particular to BLIP.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._pictures = PictureProcessor(spec)
        self._tokenizer = tokenizer(spec)
        self._places = network.config.text_config.max_position_embeddings

    def ask(self, picture: Image.Image, language: str, prompt: str) -> Question:
        """The picture, and the tokens that the caption begins with."""
        only_english(language)
        inputs: dict[str, Tensor] = {**self._pictures(picture)}
        taken = 1
        if prompt:
            words = self._tokenizer([prompt])
            inputs["input_ids"] = torch.tensor(words["input_ids"])
            inputs["attention_mask"] = torch.tensor(words["attention_mask"])
            # The last one ends the prompt, and BLIP leaves it out.
            taken = inputs["input_ids"].shape[1] - 1
        return Question(inputs, self._places - taken, self._read)

    def _read(self, tokens: Tensor, _: int) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
