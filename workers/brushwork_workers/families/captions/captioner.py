"""Captions by whatever model: what all of them have in common."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from brushwork_schemas.kinds.image_to_text import Caption, ImageToTextRequest
from PIL import Image
from torch import Tensor

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.captions.decoding import Decoding
from brushwork_workers.families.captions.writer import Writer
from brushwork_workers.interface import JobContext, LoadSpec


@dataclass(frozen=True)
class Question:
    """What a model is given for one picture.

    Args:
        inputs: Of its `generate`, one row each; jobs share a run where the shapes of tensors, and what is no
            tensor, are equal.
        room: How many tokens may be added.
        read: From the tokens of a text, and how many it began with, to words.
    """

    inputs: Mapping[str, Any]
    room: int
    read: Callable[[Tensor, int], str]


class Reader(Protocol):
    """What is particular to a family."""

    def ask(self, picture: Image.Image, language: str, prompt: str) -> Question:
        """What the model is given.

        Raises:
            InvalidRequest: It does not write that language, or has no such task.
        """
        ...


class Captioner:
    """A loaded captioner.

    Args:
        spec: Which model, from where, onto what.
        network: The model, with `generate`.
        reader: What is particular to its family.
        ends: Tokens that end a text.
        speaker: The part whose `generation_config` counts; None: the network.
    """

    def __init__(
        self, spec: LoadSpec, network: Any, reader: Reader, ends: Collection[int], speaker: Any = None
    ) -> None:
        self._spec = spec
        self._reader = reader
        shape = reader.ask(Image.new("RGB", (64, 64)), "en", "").inputs["pixel_values"].shape
        options = replace(spec.options, part="network", pixels_per_row=max(1, shape[-1] * shape[-2]))
        self._writer = ModuleProxy(
            Writer(network, speaker or network, ends), spec.model_executor, options, ("write",)
        )

    def warm_up(self) -> None:
        """Caption a black picture."""
        question = self._reader.ask(Image.new("RGB", (64, 64)), "en", "")
        self._write(question, Decoding(max_new_tokens=min(question.room, 4)), seed=0)

    def perform(self, request: ImageToTextRequest, context: JobContext) -> dict[str, Any]:
        """As many captions of one picture as were asked for."""
        picture = context.picture(request.image)
        question = self._reader.ask(picture, request.language, request.prompt)
        decoding = Decoding.of(request, question.room)
        candidates = self._write(question, decoding, request.seed or 0)
        if decoding.do_sample:
            candidates.sort(key=lambda candidate: -(candidate.score or 0.0))
        return {"generated_text": candidates[0].text, "candidates": tuple(candidates)}

    def _write(self, question: Question, decoding: Decoding, seed: int) -> list[Caption]:
        inputs = {name: self._moved(value) for name, value in question.inputs.items()}
        tokens, scores, begin = self._writer.write(decoding=decoding, seeds=torch.tensor([seed]), **inputs)
        texts = (question.read(text, int(begin[0])) for text in tokens[0].cpu())
        return [
            Caption(text=text, score=score)
            for text, score in zip(texts, scores[0].float().tolist(), strict=True)
        ]

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.to(self._spec.device, self._spec.dtype if value.is_floating_point() else None)
