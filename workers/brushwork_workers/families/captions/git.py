"""Captions by GIT (Wang et al., 2022)."""

from typing import Any

from PIL import Image
from torch import Tensor
from transformers import GitForCausalLM

from brushwork_workers.families.captions.captioner import Captioner, Question
from brushwork_workers.families.captions.languages import only_english
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, token_ids, tokenizer
from brushwork_workers.interface import LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(GitForCausalLM, spec)
    ends = token_ids(network.generation_config.eos_token_id)
    return LoadedModules({"image-to-text": Captioner(spec, network, Git(spec, network), ends)}, [network])


class Git:
    """What is particular to GIT.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._pictures = PictureProcessor(spec)
        self._tokenizer = tokenizer(spec)
        self._places = network.config.max_position_embeddings - 1

    def ask(self, picture: Image.Image, language: str, prompt: str) -> Question:
        """The picture alone."""
        only_english(language)
        return Question(self._pictures(picture), self._places, self._read)

    def _read(self, tokens: Tensor, _: int) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
