"""Captions by GIT (Wang et al., 2022)."""

from typing import Any

from PIL import Image
from torch import Tensor
from transformers import GitForCausalLM

from brushwork_workers.families.captions.captioner import Captioner, Question
from brushwork_workers.families.captions.languages import only_english
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, token_ids, tokenizer
from brushwork_workers.interface import Loaded, Place


def load(place: Place) -> Loaded:
    """The model, for its one kind."""
    network = pretrained(GitForCausalLM, place)
    ends = token_ids(network.generation_config.eos_token_id)
    return Loaded({"image-to-text": Captioner(place, network, Git(place, network), ends)}, [network])


class Git:
    """What is particular to GIT.

    Args:
        place: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, place: Place, network: Any) -> None:
        self._pictures = PictureProcessor(place)
        self._tokenizer = tokenizer(place)
        self._places = network.config.max_position_embeddings - 1

    def ask(self, picture: Image.Image, language: str, prompt: str) -> Question:
        """The picture alone."""
        only_english(language)
        return Question(self._pictures(picture), self._places, self._read)

    def _read(self, tokens: Tensor, _: int) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
