"""Captions, places and words in pictures by Florence-2 (Xiao et al., 2023); the prompt says which task."""

import json
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from brushwork_workers.families.captions.captioner import Captioner, Question
from brushwork_workers.families.captions.languages import only_english
from brushwork_workers.families.pretrained import one_at_a_time, pretrained, token_ids
from brushwork_workers.interface import LoadedModules, LoadSpec

CAPTION = "<CAPTION>"


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(Florence2ForConditionalGeneration, spec)
    ends = token_ids(network.generation_config.eos_token_id)
    return LoadedModules(
        {"image-to-text": Captioner(spec, network, Florence(spec, network), ends)}, [network]
    )


class Florence:
    """What is particular to Florence-2.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        processor = AutoProcessor.from_pretrained(spec.folder, local_files_only=True, trust_remote_code=False)
        self._alone = tuple(processor.task_prompts_without_inputs)
        self._with_words = tuple(processor.task_prompts_with_input)
        self._processor = one_at_a_time(processor, "processor")
        # A sequence of the decoder begins with one token.
        self._places = network.config.get_text_config().max_position_embeddings - 1

    def ask(self, picture: Image.Image, language: str, prompt: str) -> Question:
        """The picture and a task, with its words where it takes any."""
        only_english(language)
        task = self._task(prompt or CAPTION)
        made = self._processor(text=prompt or CAPTION, images=picture, return_tensors="pt")

        def read(tokens: Tensor, _: int) -> str:
            (text,) = self._processor.batch_decode(tokens[None], skip_special_tokens=False)
            # Rows are filled up to the longest of a run.
            text = text.replace("<pad>", "")
            answers = self._processor.post_process_generation(text=text, task=task, image_size=picture.size)
            answer = answers[task]
            return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

        return Question(dict(made), self._places, read)

    def _task(self, prompt: str) -> str:
        """The task that a prompt begins with.

        Raises:
            InvalidRequest: It begins with none, or its words are too many or missing.
        """
        token = prompt[: prompt.find(">") + 1]
        has_words = bool(prompt[len(token) :].strip())
        if token in (self._with_words if has_words else self._alone):
            return token
        raise InvalidRequest(
            f"prompt: {prompt[:60]!r} is no task of this model.",
            field="prompt",
            hint=f"Alone: {', '.join(self._alone)}; with words after it: {', '.join(self._with_words)}.",
        )
