"""Captions by GIT (Wang et al., 2022)."""

from typing import Any

from PIL import Image
from torch import Tensor
from transformers import GitForCausalLM

from brushwork_workers.families.captions.captioner import Captioner, CaptionPrompt
from brushwork_workers.families.captions.languages import require_english
from brushwork_workers.families.engine_modules import picture_encoder
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, token_ids, tokenizer
from brushwork_workers.interface import LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image-to-text."""
    network = pretrained(GitForCausalLM, spec)
    end_tokens = token_ids(network.generation_config.eos_token_id)
    return LoadedModules(
        {"image-to-text": Captioner(spec, network, Git(spec, network), end_tokens)},
        [network],
        picture_encoder(network),
    )


class Git:
    """Builds prompts for GIT.

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
        self._max_positions = network.config.max_position_embeddings - 1

    def build(self, picture: Image.Image, language: str, prompt: str) -> CaptionPrompt:
        """Return the picture. GIT takes no prompt."""
        require_english(language)
        return CaptionPrompt(self._pictures(picture), self._max_positions, self._read)

    def _read(self, tokens: Tensor, _: int) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
