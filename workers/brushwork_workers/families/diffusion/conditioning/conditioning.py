"""What steers one job besides its prompt as plain text, and how its pipeline gets it."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brushwork_schemas.kinds.generation import GenerationRequest
from brushwork_schemas.kinds.generation.prompt_weights import (
    FIELDS,
    Chunks,
    Fragment,
    is_weighted,
    looks_weighted,
    parsed,
    plain_text,
)
from brushwork_schemas.warnings import result_warning

from brushwork_workers.batching.call_options import Adapters
from brushwork_workers.batching.model_executor import set_adapters
from brushwork_workers.families.diffusion.conditioning.ip_adapters import (
    IpAdapters,
    PicturePrompts,
    check_takes_pictures,
    picture_warnings,
)
from brushwork_workers.families.diffusion.conditioning.textual_inversions import (
    LearnedWords,
    TextualInversions,
)
from brushwork_workers.families.diffusion.conditioning.weighted_prompts import weighted_embeddings
from brushwork_workers.families.diffusion.prompt_tokens import (
    CHUNKED_FAMILIES,
    chunked_embeddings,
    number_of_chunks,
)
from brushwork_workers.interface import JobContext, LoadSpec

_ENCODERS = ("text_encoder", "text_encoder_2")


@dataclass(frozen=True)
class Steering:
    """What steers one job.

    Args:
        pictures: Its pictures as prompt.
        words: The textual inversions in its prompts.
        weights: The fragments of its prompts, if they are read with weights.
    """

    pictures: PicturePrompts = field(default_factory=PicturePrompts)
    words: LearnedWords = field(default_factory=LearnedWords)
    weights: Mapping[str, Chunks] = field(default_factory=dict)

    def texts(self, request: GenerationRequest) -> dict[str, str]:
        """Return the prompts as the text encoders get them: without weights, by field."""
        given = {name: getattr(request, name) for name in FIELDS}
        return {**given, **{name: plain_text(chunks) for name, chunks in self.weights.items()}}


class Conditioning:
    """Everything that can steer jobs of one loaded model.

    Args:
        pipeline: The loaded `DiffusionPipeline`.
        spec: The load spec of the model.
    """

    def __init__(self, pipeline: Any, spec: LoadSpec) -> None:
        self._family = spec.model.family
        self._ip_adapters = IpAdapters(pipeline, spec)
        self._inversions = TextualInversions(pipeline, spec)

    def select(self, request: GenerationRequest, context: JobContext) -> Steering:
        """Return what steers a job, and load it first if necessary. Tell of what has no effect.

        Raises:
            ModelUnavailable: An adapter is not on this machine, or does not fit the model.
            NotFinite: A weight of an adapter is not finite.
        """
        for warning in picture_warnings(request.ip_adapters):
            context.warn(warning)
        used = {name for each in request.ip_adapters if each.weight for name in each.images}
        pictures = {name: context.picture(name) for name in sorted(used)}
        words = self._inversions.select(request.prompt, request.negative_prompt)
        weights: dict[str, Chunks] = {}
        if request.prompt_weighting:
            weights = {name: parsed(getattr(request, name)) for name in FIELDS}
        elif "prompt_weighting" in type(request).model_fields:
            for name in FIELDS:
                if self._family in CHUNKED_FAMILIES and looks_weighted(getattr(request, name)):
                    context.warn(result_warning("weights_plain", name))
        return Steering(self._ip_adapters.select(request.ip_adapters, pictures), words, weights)

    def attach(self, pipeline: Any, steering: Steering, loras: Adapters | None) -> None:
        """Let the calls of a job's pipeline name the state that they need. Call it before anything else.

        Args:
            pipeline: The pipeline of the job.
            steering: What steers the job.
            loras: Its LoRA adapters.
        """
        if pipeline.__dict__.get("unet") is not None:
            set_adapters(pipeline.__dict__["unet"], self._ip_adapters.state(loras, steering.pictures))
        if steering.words.words:
            for name in _ENCODERS:
                if pipeline.__dict__.get(name) is not None:
                    set_adapters(pipeline.__dict__[name], steering.words.state(loras))
        steering.words.use(pipeline)

    def arguments(
        self, pipeline: Any, kind: str, steering: Steering, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the arguments of a pipeline with all that steers its job.

        Args:
            pipeline: The pipeline of the job, after `attach`.
            kind: The kind of the job.
            steering: What steers the job.
            arguments: Its arguments, with the prompts as plain text.
        """
        given = self._prompts(pipeline, steering, dict(arguments))
        if steering.pictures.weights:
            check_takes_pictures(pipeline, kind, inspect.signature(type(pipeline).__call__).parameters)
            scale = arguments.get("guidance_scale") or 0.0
            pipeline.__dict__["_guidance_scale"] = scale
            is_guided = getattr(pipeline, "do_classifier_free_guidance", scale > 1)
            given |= self._ip_adapters.arguments(pipeline, steering.pictures, is_guided=is_guided)
        return given

    def _prompts(self, pipeline: Any, steering: Steering, given: dict[str, Any]) -> dict[str, Any]:
        if self._family not in CHUNKED_FAMILIES:
            return given
        if any(map(is_weighted, steering.weights.values())):
            return weighted_embeddings(pipeline, given, _expanded(steering))
        if steering.weights:
            # Without weights, brackets that were taken out make a plain prompt.
            given["prompt"] = plain_text(steering.weights["prompt"])
            given["negative_prompt"] = plain_text(steering.weights["negative_prompt"]) or None
        texts = [steering.words.expanded(given[name] or "") for name in FIELDS]
        count = number_of_chunks(pipeline, texts)
        return chunked_embeddings(pipeline, given, count) if count > 1 else given


def _expanded(steering: Steering) -> dict[str, Chunks]:
    """Return the fragments with all tokens of learned words."""
    return {
        name: tuple(
            tuple(Fragment(steering.words.expanded(each.text), each.weight) for each in chunk)
            for chunk in chunks
        )
        for name, chunks in steering.weights.items()
    }
