"""Textual inversions (Gal et al., 2022) of a shared model: words whose vectors a file holds.

A word that the catalogue names stands for its vectors in every prompt that contains it. Other jobs keep the
tokenizer that the model was loaded with. The vectors are added behind those of the text encoder, so no token
of another prompt gets another vector.
"""

import copy
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.errors import ModelNotHere, ModelUnavailable, NotFinite
from brushwork_schemas.wording.phrase import private, said
from safetensors.torch import load_file
from torch import Tensor, nn

from brushwork_workers.batching.call_options import Adapters
from brushwork_workers.families.diffusion.loras import weights_file
from brushwork_workers.families.finite import damaged_weights
from brushwork_workers.interface import FoundAddOn, LoadSpec
from brushwork_workers.models.checkpoints.token_names import tensors_of

LOGGER = logging.getLogger(__name__)
_TOKENIZERS = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}


@dataclass(frozen=True)
class TextState:
    """The state of text encoders for learned words, which engines do not have: torch runs them.

    Args:
        loras: The LoRA adapters; None if the model takes none.
        tokens: The learned words of the prompts, sorted.
    """

    loras: Adapters | None
    tokens: tuple[str, ...]

    def activate(self, module: Any) -> None:
        """Activate the LoRA adapters. The words need nothing."""
        if self.loras is not None:
            self.loras.activate(module)


@dataclass(frozen=True)
class LearnedWords:
    """The textual inversions in the prompts of one job.

    Args:
        words: For each token, the tokens of its vectors: itself, and further ones if it has several.
        tokenizers: Tokenizers that know them, by component.
    """

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokenizers: Mapping[str, Any] = field(default_factory=dict)

    def state(self, loras: Adapters | None) -> Adapters | None:
        """Return the state that calls of text encoders name."""
        return TextState(loras, tuple(sorted(self.words))) if self.words else loras

    def expanded(self, text: str) -> str:
        """Return a text with all the tokens of each word that has several vectors."""
        if not self.words:
            return text
        # The longest first, so that no word is found inside of another.
        names = "|".join(re.escape(name) for name in sorted(self.words, key=len, reverse=True))
        by_name = {name.casefold(): tokens for name, tokens in self.words.items()}
        return re.sub(
            names, lambda found: " ".join(by_name[found.group().casefold()]), text, flags=re.IGNORECASE
        )

    def use(self, pipeline: Any) -> None:
        """Let the pipeline of the job know the words.

        Args:
            pipeline: The pipeline of one job, whose tokenizers are proxies.
        """
        for name, tokenizer in self.tokenizers.items():
            pipeline.__dict__[name].__dict__["_module"] = tokenizer
        if self.words:
            # That of diffusers also replaces the beginning of other words, and a word that it has expanded.
            pipeline.__dict__["maybe_convert_prompt"] = self._converted

    def _converted(self, prompt: Any, tokenizer: object) -> Any:
        return [self.expanded(each) for each in prompt] if isinstance(prompt, list) else self.expanded(prompt)


class TextualInversions:
    """The textual inversions of one loaded pipeline. Each is loaded for the first prompt that needs it.

    Args:
        pipeline: The loaded `DiffusionPipeline`.
        spec: The load spec of the model, with the files on this machine.
    """

    def __init__(self, pipeline: Any, spec: LoadSpec) -> None:
        self._pipeline = pipeline
        self._spec = spec
        entries = [each.entry for each in spec.add_ons.values()] + list(spec.absent_add_ons)
        takes_words = hasattr(pipeline, "load_textual_inversion")
        own = [each for each in entries if each.type == "textual-inversion" and takes_words]
        self._names = {entry.prompt_token: entry.name for entry in own}
        self._words: dict[str, tuple[str, ...]] = {}
        self._tokenizers: dict[str, Any] = {}
        self._loading = threading.Lock()

    def select(self, *texts: str) -> LearnedWords:
        """Load the textual inversions whose token is in one of the texts.

        Raises:
            ModelUnavailable: One is not on this machine, or does not fit the model.
            NotFinite: A vector is not finite.
        """
        lowered = [text.casefold() for text in texts]
        found = [token for token in self._names if any(token.casefold() in text for text in lowered)]
        if not found:
            return LearnedWords()
        with self._loading:
            for token in found:
                if token not in self._words:
                    self._load(token)
            return LearnedWords({token: self._words[token] for token in found}, dict(self._tokenizers))

    def _load(self, token: str) -> None:
        name = self._names[token]
        found = self._spec.add_ons.get(name)
        if found is None:
            raise ModelNotHere(
                said(
                    "The textual inversion {name} of {token} is not on this machine.", name=name, token=token
                ),
                field="prompt",
                hint=said(
                    "Run `brushwork models pull {name}` on the worker's machine, and restart the worker.",
                    name=name,
                ),
            )
        file = _file(found)
        try:
            vectors = _vectors(file, name, self._encoders())
            # On the device thread: no call of a text encoder may run while it gets more vectors.
            self._spec.model_executor.call(self._spec.options, self._add, token, vectors)
        except NotFinite:
            raise
        # A damaged file can raise any exception. It affects only this word, not the model.
        except Exception as error:
            raise ModelUnavailable(
                said(
                    "The textual inversion {name} does not fit {model}: {error}.",
                    name=name,
                    model=self._spec.model.name,
                    error=private(error),
                ),
                field="prompt",
                hint=said(
                    "Check that {file} is a textual inversion for the family {family}.",
                    file=private(file, "its file"),
                    family=self._spec.model.family,
                ),
            ) from error
        LOGGER.info("Textual inversion %s is ready for %s", name, self._spec.model.name)

    def _encoders(self) -> dict[str, Any]:
        components = self._pipeline.components
        return {name: components[name] for name in _TOKENIZERS if components.get(name) is not None}

    def _add(self, token: str, vectors: Mapping[str, Tensor]) -> None:
        # A job that was stopped while it waited for this call may have loaded it before.
        if token in self._words:
            return
        count = max(len(each) for each in vectors.values())
        words = (token, *(f"{token}_{number}" for number in range(1, count)))
        components, known = self._pipeline.components, dict(self._tokenizers)
        for name in vectors:
            part = _TOKENIZERS[name]
            # A copy, because jobs use the tokenizer meanwhile.
            known[part] = _with_tokens(known.get(part) or components[part], words)
        for name, own in vectors.items():
            _extend(components[name], known[_TOKENIZERS[name]].convert_tokens_to_ids(list(words)), own)
        self._tokenizers = known
        self._words[token] = words


def _with_tokens(tokenizer: Any, words: Sequence[str]) -> Any:
    vocabulary = tokenizer.get_vocab()
    if known := [word for word in words if word in vocabulary]:
        raise ValueError(said("the tokenizer has the token {token} already", token=known[0]))
    made = copy.deepcopy(tokenizer)
    made.add_tokens(list(words))
    return made


def _extend(encoder: Any, ids: Sequence[int], vectors: Tensor) -> None:
    """Give tokens of a text encoder their vectors.

    `load_textual_inversion` of diffusers calls `resize_token_embeddings`, which draws random numbers for the
    new rows, and cuts rows off if the tokenizer has fewer tokens. Both would reach other jobs.

    Args:
        encoder: The text encoder.
        ids: Ids of the tokens. Those that have no vector get the last one.
        vectors: The vectors, [tokens, width].
    """
    before = encoder.get_input_embeddings().weight.detach()
    rows = max(len(before), max(ids) + 1)
    weight = torch.cat([before, before.new_zeros(rows - len(before), before.shape[1])])
    weight[list(ids)] = vectors[[min(index, len(vectors) - 1) for index in range(len(ids))]].to(weight)
    made = nn.Embedding.from_pretrained(weight, freeze=True)
    encoder.set_input_embeddings(made)


def _file(found: FoundAddOn) -> Path:
    try:
        return weights_file(found)
    except ModelUnavailable as error:
        error.field = "prompt"
        raise


def _vectors(file: Path, name: str, encoders: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the vectors of a file for each text encoder of a model.

    Raises:
        NotFinite: A vector is not finite.
        ValueError: The file is of another layout, or for other text encoders.
    """
    weights = load_file(file)
    if damaged_weights(weights.items()):
        raise NotFinite(
            said("The vectors of the textual inversion {name} are not finite.", name=name),
            field="prompt",
            hint="Download the file again, or leave its word out of the prompt.",
        )
    given = {
        part: weights[key].reshape(-1, weights[key].shape[-1]) for part, key in tensors_of(weights).items()
    }
    sizes = {part: encoder.get_input_embeddings().weight.shape[-1] for part, encoder in encoders.items()}
    if list(given) == ["text_encoder"]:
        # For one text encoder, which may be any of the model.
        vector = given["text_encoder"]
        given = {part: vector for part, size in sizes.items() if size == vector.shape[-1]}
        given = dict(list(given.items())[:1])
    wrong = [part for part in given if sizes.get(part) != given[part].shape[-1]]
    if wrong or not given:
        widths = sorted({tensor.shape[-1] for tensor in weights.values()})
        raise ValueError(
            said(
                "its vectors have {found} values, those of the text encoders {expected}",
                found=widths,
                expected=sorted(sizes.values()),
            )
        )
    return given
