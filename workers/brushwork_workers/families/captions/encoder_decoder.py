"""Captions by an encoder-decoder of transformers that looks at a picture and writes a sentence."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import VisionEncoderDecoderModel

from brushwork_workers.families.captions.captioner import Captioner, Question
from brushwork_workers.families.captions.languages import only_english
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, token_ids, tokenizer
from brushwork_workers.interface import LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(VisionEncoderDecoderModel, spec)
    ends = token_ids(network.generation_config.eos_token_id)
    return LoadedModules(
        {"image-to-text": Captioner(spec, network, EncoderDecoder(spec, network), ends)}, [network]
    )


class EncoderDecoder:
    """What is particular to `VisionEncoderDecoderModel`.

    A model that writes several languages has a token for each in its vocabulary, `<|en|>` or `<|zh|>`, with
    which a caption in it begins.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._pictures = PictureProcessor(spec)
        self._tokenizer = tokenizer(spec)
        self._start = network.generation_config.decoder_start_token_id
        self._places = network.decoder.config.max_position_embeddings

    def ask(self, picture: Image.Image, language: str, prompt: str) -> Question:
        """The picture, and the tokens that the caption begins with."""
        token = self._tokenizer.get_vocab().get(f"<|{language}|>")
        if token is None:
            only_english(language)
        start = [self._start if token is None else token]
        if prompt:
            start += self._tokenizer(prompt, add_special_tokens=False)["input_ids"]
        # transformers would put the model's own start token before a start that is another one.
        first = {"decoder_input_ids": torch.tensor([start]), "decoder_start_token_id": start[0]}
        return Question({**self._pictures(picture), **first}, self._places - len(start), self._read)

    def _read(self, tokens: Tensor, _: int) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
