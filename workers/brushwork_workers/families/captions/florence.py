"""Captions, object positions and text in pictures by Florence-2 (Xiao et al., 2023). Prompts name tasks."""

import json
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from brushwork_workers.families.captions.captioner import Captioner, CaptionPrompt
from brushwork_workers.families.captions.languages import require_english
from brushwork_workers.families.engine_modules import picture_encoder
from brushwork_workers.families.pretrained import pretrained, serialized, token_ids
from brushwork_workers.interface import LoadedModules, LoadSpec

CAPTION = "<CAPTION>"


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image-to-text."""
    network = pretrained(Florence2ForConditionalGeneration, spec)
    end_tokens = token_ids(network.generation_config.eos_token_id)
    return LoadedModules(
        {"image-to-text": Captioner(spec, network, Florence(spec, network), end_tokens)},
        [network],
        picture_encoder(network),
    )


class Florence:
    """Builds prompts for Florence-2.

    Args:
        spec: The model that is loaded.
        network: The loaded network.

    Attributes:
        special_tokens: Ids of the tokens that are no part of a text.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        processor = AutoProcessor.from_pretrained(spec.folder, local_files_only=True, trust_remote_code=False)
        self._tasks_without_text = tuple(processor.task_prompts_without_inputs)
        self._tasks_with_text = tuple(processor.task_prompts_with_input)
        self._answers: dict[str, str] = processor.tasks_answer_post_processing_type
        self.special_tokens = frozenset(processor.tokenizer.all_special_ids)
        self._processor = serialized(processor, "processor")
        # A sequence of the decoder begins with one token.
        self._max_positions = network.config.get_text_config().max_position_embeddings - 1

    def build(self, picture: Image.Image, language: str, prompt: str) -> CaptionPrompt:
        """Return the picture and the task, with its text if the task takes any."""
        require_english(language)
        task = self._task(prompt or CAPTION)
        made = self._processor(text=prompt or CAPTION, images=picture, return_tensors="pt")

        def decode(tokens: Tensor, _: int) -> str:
            (text,) = self._processor.batch_decode(tokens[None], skip_special_tokens=False)
            # The rows of a batch are padded to the longest one.
            text = text.replace("<pad>", "")
            answers = self._processor.post_process_generation(text=text, task=task, image_size=picture.size)
            answer = answers[task]
            return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

        # Other kinds of answers are positions, which stand in the text as tokens of their own.
        is_plain = self._answers.get(task) == "pure_text"
        return CaptionPrompt(dict(made), self._max_positions, decode, is_plain)

    def _task(self, prompt: str) -> str:
        """Return the task that a prompt begins with.

        Raises:
            InvalidRequest: The prompt does not begin with a task, or the task has text that it does not take,
                or lacks text that it needs.
        """
        token = prompt[: prompt.find(">") + 1]
        has_words = bool(prompt[len(token) :].strip())
        if token in (self._tasks_with_text if has_words else self._tasks_without_text):
            return token
        raise InvalidRequest(
            said("prompt: {prompt!r} is not a task of this model.", prompt=prompt[:60]),
            field="prompt",
            hint=said(
                "Tasks without text: {tasks_without_text}. Tasks followed by text: {tasks_with_text}.",
                tasks_without_text=self._tasks_without_text,
                tasks_with_text=self._tasks_with_text,
            ),
        )
