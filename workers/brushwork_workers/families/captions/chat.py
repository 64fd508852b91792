"""Answers of vision-language chat models: Idefics3 (SmolVLM) and Qwen2.5-VL. A prompt is a question."""

from typing import Any

from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from brushwork_workers.families.captions.captioner import Captioner, CaptionPrompt
from brushwork_workers.families.engine_modules import picture_encoder
from brushwork_workers.families.pretrained import pretrained, serialized, token_ids
from brushwork_workers.interface import LoadedModules, LoadSpec

DESCRIBE = "Describe this image in one sentence."
IN_LANGUAGE = {"en": "", "zh": " 请用中文回答。"}


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image-to-text."""
    network = pretrained(AutoModelForImageTextToText, spec)
    end_tokens = token_ids(network.generation_config.eos_token_id)
    return LoadedModules(
        {"image-to-text": Captioner(spec, network, Chat(spec, network), end_tokens)},
        [network],
        picture_encoder(network),
    )


class Chat:
    """Builds prompts for models with a chat template.

    Args:
        spec: The model that is loaded.
        network: The loaded network.

    Attributes:
        special_tokens: Ids of the tokens that are no part of a text.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        processor = AutoProcessor.from_pretrained(spec.folder, local_files_only=True, trust_remote_code=False)
        self.special_tokens = frozenset(processor.tokenizer.all_special_ids)
        self._processor = serialized(processor, "processor")
        self._max_positions = network.config.get_text_config().max_position_embeddings

    def build(self, picture: Image.Image, language: str, prompt: str) -> CaptionPrompt:
        """Return the picture and a question, in the chat template of the model."""
        text = (prompt or DESCRIBE) + IN_LANGUAGE[language]
        content = [{"type": "image", "image": picture}, {"type": "text", "text": text}]
        made = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        inputs: dict[str, Tensor] = dict(made)
        if "image_grid_thw" in inputs:
            # The patches have no batch axis. `TextGenerator.generate_texts` removes this one again.
            inputs["pixel_values"] = inputs["pixel_values"][None]
        return CaptionPrompt(inputs, self._max_positions - inputs["input_ids"].shape[1], self._read)

    def _read(self, tokens: Tensor, num_start_tokens: int) -> str:
        text: str = self._processor.decode(tokens[num_start_tokens:], skip_special_tokens=True)
        return text.strip()
