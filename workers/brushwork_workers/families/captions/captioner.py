"""The handler of image-to-text that all families of captioners share."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.image_to_text import Caption, ImageToTextRequest
from brushwork_schemas.warnings import result_warning
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.captions.decoding import Decoding
from brushwork_workers.families.captions.explaining import ExplainedCaption, WrittenText
from brushwork_workers.families.captions.text_generator import TextGenerator
from brushwork_workers.families.captions.text_scorer import TextScorer
from brushwork_workers.families.captions.text_tokens import TextTokens
from brushwork_workers.families.finite import check_finite
from brushwork_workers.interface import JobContext, LoadSpec


@dataclass(frozen=True)
class CaptionPrompt:
    """The input of a model for one picture.

    Args:
        inputs: Arguments of `generate`; tensors have one row. Jobs share a batch if the shapes of their
            tensors and all other values are equal.
        max_new_tokens: The most tokens that the model can add.
        decode: Turns the tokens of a text into words. Its arguments are the tokens, [tokens], and how many of
            them belong to the prompt.
        is_plain: Whether the answer is the text itself, not positions or other values that were read from it.
    """

    inputs: Mapping[str, Any]
    max_new_tokens: int
    decode: Callable[[Tensor, int], str]
    is_plain: bool = True


class PromptBuilder(Protocol):
    """Builds the input of a model. Each family of captioners has its own class.

    Attributes:
        special_tokens: Ids of the tokens that are no part of a text, such as its beginning.
    """

    special_tokens: frozenset[int]

    def build(self, picture: Image.Image, language: str, prompt: str) -> CaptionPrompt:
        """Build the input for one picture.

        Args:
            picture: The picture, RGB.
            language: The language of the caption: `en` or `zh`.
            prompt: The prompt of the request; empty for the default of the model.

        Raises:
            InvalidRequest: The model does not write that language, or has no such task.
        """
        ...


class Captioner:
    """Handles image-to-text with a network of transformers.

    Args:
        spec: The model that is loaded.
        network: The loaded network, which has a `generate` method.
        prompt_builder: Builds the inputs of the network.
        end_tokens: Ids of the tokens that end a text.
        configured_module: The module whose `generation_config` applies; by default the network.
    """

    def __init__(
        self,
        spec: LoadSpec,
        network: Any,
        prompt_builder: PromptBuilder,
        end_tokens: Collection[int],
        configured_module: Any = None,
    ) -> None:
        self._spec = spec
        self._network = network
        self._end_tokens = frozenset(end_tokens)
        self._prompt_builder = prompt_builder
        shape = prompt_builder.build(Image.new("RGB", (64, 64)), "en", "").inputs["pixel_values"].shape
        options = replace(spec.options, part="network", pixels_per_row=max(1, shape[-1] * shape[-2]))
        self._text_generator = ModuleProxy(
            TextGenerator(network, configured_module or network, end_tokens),
            spec.model_executor,
            options,
            ("generate_texts",),
        )
        self._text_scorer = ModuleProxy(
            TextScorer(network), spec.model_executor, options, ("log_probabilities",)
        )

    def warm_up(self) -> None:
        """Caption a black picture."""
        prompt_input = self._prompt_builder.build(Image.new("RGB", (64, 64)), "en", "")
        self._generate(prompt_input, Decoding(max_new_tokens=min(prompt_input.max_new_tokens, 4)), seed=0)

    def perform(self, request: ImageToTextRequest, context: JobContext) -> dict[str, Any]:
        """Write the captions of one picture. Sampled captions are sorted by their score, best first."""
        picture = context.picture(request.image)
        prompt_input = self._prompt_builder.build(picture, request.language, request.prompt)
        if request.explain is not None and not prompt_input.is_plain:
            raise InvalidRequest(
                said("explain.method: the answer to {prompt!r} is no text.", prompt=request.prompt[:60]),
                field="explain.method",
                hint="Leave explain out, or use a prompt that asks for a text.",
            )
        decoding = Decoding.of(request, prompt_input.max_new_tokens)
        asked, used = request.max_new_tokens, decoding.max_new_tokens
        default = self._spec.model.defaults_of("image-to-text").get("max_new_tokens")
        if asked is not None and asked != default and used < asked:
            context.warn(result_warning("max_new_tokens_reduced", "max_new_tokens", given=asked, used=used))
        written = self._generate(prompt_input, decoding, request.seed or 0)
        if decoding.do_sample:
            written.sort(key=lambda text: -text.score)
        fields: dict[str, Any] = {
            "generated_text": written[0].text,
            "candidates": tuple(Caption(text=each.text, score=each.score) for each in written),
        }
        if request.explain is not None:
            explained = self._explained(picture, request, prompt_input, written[0])
            fields["explanation"] = explained.explanation(request, context)
        return fields

    def _generate(self, prompt_input: CaptionPrompt, decoding: Decoding, seed: int) -> list[WrittenText]:
        tokens, scores, num_start_tokens = self._text_generator.generate_texts(
            decoding=decoding, seeds=torch.tensor([seed]), **self._inputs(prompt_input)
        )
        found = scores[0].float().cpu()
        check_finite(found, model=self._spec.model.name, part="caption network", module=self._network)
        start = int(num_start_tokens[0])
        return [
            WrittenText(prompt_input.decode(text, start), text, start, score)
            for text, score in zip(tokens[0].cpu(), found.tolist(), strict=True)
        ]

    def _explained(
        self,
        picture: Image.Image,
        request: ImageToTextRequest,
        prompt_input: CaptionPrompt,
        best: WrittenText,
    ) -> ExplainedCaption:
        written = best.cut(self._end_tokens)
        tokens, start = written.tokens, written.num_start_tokens
        special = self._prompt_builder.special_tokens

        def log_probabilities(shown: Image.Image) -> Sequence[float]:
            prompt = self._prompt_builder.build(shown, request.language, request.prompt)
            found: Tensor = self._text_scorer.log_probabilities(
                tokens=tokens[None].to(self._spec.device),
                num_added=written.num_added,
                **self._inputs(prompt),
            )
            check_finite(found, model=self._spec.model.name, part="caption network", module=self._network)
            return [float(value) for value in found[0].cpu()]

        places = TextTokens.of(
            written.text,
            lambda number: prompt_input.decode(tokens[: start + number], start),
            [token not in special for token in tokens[start:].tolist()],
        )
        return ExplainedCaption(picture, written, places, log_probabilities, self._spec.model_executor)

    def _inputs(self, prompt_input: CaptionPrompt) -> dict[str, Any]:
        return {name: self._on_device(value) for name, value in prompt_input.inputs.items()}

    def _on_device(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.to(self._spec.device, self._spec.dtype if value.is_floating_point() else None)
