"""Answers of models that talk about pictures: Idefics3 (SmolVLM), Qwen2.5-VL; a prompt is a question."""

from typing import Any

from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from brushwork_workers.families.captions.captioner import Captioner, Question
from brushwork_workers.families.pretrained import one_at_a_time, pretrained, token_ids
from brushwork_workers.interface import LoadedModules, LoadSpec

DESCRIBE = "Describe this image in one sentence."
IN_LANGUAGE = {"en": "", "zh": " 请用中文回答。"}


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(AutoModelForImageTextToText, spec)
    ends = token_ids(network.generation_config.eos_token_id)
    return LoadedModules({"image-to-text": Captioner(spec, network, Chat(spec, network), ends)}, [network])


class Chat:
    """What is particular to models with a chat template.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        processor = AutoProcessor.from_pretrained(spec.folder, local_files_only=True, trust_remote_code=False)
        self._processor = one_at_a_time(processor, "processor")
        self._places = network.config.get_text_config().max_position_embeddings

    def ask(self, picture: Image.Image, language: str, prompt: str) -> Question:
        """The picture and a question, in the model's own form of a talk."""
        words = (prompt or DESCRIBE) + IN_LANGUAGE[language]
        said = [{"type": "image", "image": picture}, {"type": "text", "text": words}]
        made = self._processor.apply_chat_template(
            [{"role": "user", "content": said}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        inputs: dict[str, Tensor] = dict(made)
        if "image_grid_thw" in inputs:
            # Patches without an axis that counts pictures; `Writer.write` takes it away again.
            inputs["pixel_values"] = inputs["pixel_values"][None]
        return Question(inputs, self._places - inputs["input_ids"].shape[1], self._read)

    def _read(self, tokens: Tensor, begin: int) -> str:
        text: str = self._processor.decode(tokens[begin:], skip_special_tokens=True)
        return text.strip()
