"""Captions explained, for each family of captioners with random weights."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.calls import num_calls
from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.interface import LoadSpec
from PIL import Image

from tests.checkpoints.captioners import save_blip, save_florence, save_git, save_qwen, save_smolvlm
from tests.desks import PlainDesk
from tests.stops import Going
from tests.tiny_models import save_captioner

PICTURE = Image.effect_noise((48, 40), 90).convert("RGB")
EXPLAIN = {"method": "tokens", "patch_size": 24}
FAMILIES: Mapping[str, tuple[str, str, Callable[[Path], Path]]] = {
    "encoder-decoder": ("vision-encoder-decoder", "encoder_decoder", save_captioner),
    "blip": ("blip", "blip", save_blip),
    "git": ("git", "git", save_git),
    "florence": ("florence-2", "florence", save_florence),
    "smolvlm": ("image-text-to-text", "chat", save_smolvlm),
    "qwen": ("image-text-to-text", "chat", save_qwen),
}


@cache
def folder_of(name: str) -> Path:
    return FAMILIES[name][2](Path(mkdtemp(prefix=name)))


def captioner(name: str, executor: ModelExecutor | None = None) -> Any:
    family, module, _ = FAMILIES[name]
    folder = folder_of(name)
    model = Model(name="tiny", family=family, source=Source(folder=folder))
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, executor or SerialExecutor())
    return import_module(f"brushwork_workers.families.captions.{module}").load(spec).handlers["image-to-text"]


def asked(context: PlainDesk, **fields: Any) -> ImageToTextRequest:
    return ImageToTextRequest.model_validate(
        {"image": context.give(PICTURE), "max_new_tokens": 8, "explain": EXPLAIN, **fields}
    )


def explained(
    name: str, context: PlainDesk | None = None, **fields: Any
) -> tuple[dict[str, Any], Explanation]:
    context = context or PlainDesk()
    made = captioner(name).perform(asked(context, **fields), context)
    return made, made["explanation"]


BEAMS: dict[str, Any] = {"num_beams": 3}
SAMPLED: dict[str, Any] = {"do_sample": True, "num_beams": 1, "seed": 3}


@pytest.mark.parametrize(
    ("name", "fields"), [*((name, {}) for name in FAMILIES), ("florence", BEAMS), ("qwen", SAMPLED)]
)
def test_the_words_of_a_caption_make_it_up(name: str, fields: dict[str, Any]) -> None:
    context = PlainDesk()
    made, found = explained(name, context, **fields)
    assert "".join(token.text for token in found.tokens) in "".join(made["generated_text"].split())
    assert all(token.logprob < 0 for token in found.tokens)
    if found.tokens:
        total = num_calls(asked(context), *PICTURE.size)
        assert found.num_calls == total == 11
        assert context.steps[-1] == (total + 1, total + 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_caption_is_as_probable_as_its_search_says(name: str) -> None:
    """Greedy search without rules records the same log-probabilities, token by token."""
    handler = captioner(name)
    prompt = handler._prompt_builder.build(PICTURE, "en", "")
    decoding = import_module("brushwork_workers.families.captions.decoding").Decoding(max_new_tokens=6)
    (written,) = handler._generate(prompt, decoding, 0)
    added = written.tokens[written.num_start_tokens :].tolist()
    ends = [index for index, token in enumerate(added) if token in handler._end_tokens]
    length = ends[0] + 1 if ends else len(added)
    tokens = written.tokens[: written.num_start_tokens + length]
    scored = handler._text_scorer.log_probabilities(
        tokens=tokens[None], num_added=length, **handler._inputs(prompt)
    )
    assert float(scored.mean()) == pytest.approx(written.score, abs=2e-5)


@pytest.mark.parametrize("name", ["encoder-decoder", "blip", "git", "smolvlm", "qwen"])
def test_maps_have_the_size_of_the_picture_and_the_values_of_their_file(name: str) -> None:
    _, found = explained(name)
    assert [each.label for each in found.maps] == list(dict.fromkeys(each.label for each in found.maps))
    for each in found.maps:
        grey = np.asarray(each.map.pil())
        assert grey.shape == (PICTURE.height, PICTURE.width)
        assert grey.dtype == np.uint16
        assert each.overlay.pil().size == PICTURE.size
        assert each.score is not None
        assert each.score < 0
        assert 0 <= each.min <= each.max


def test_only_the_words_that_are_asked_for_have_maps() -> None:
    made, _ = explained("git")
    word = made["generated_text"].split()[0]
    context = PlainDesk()
    _, found = explained("git", context, explain={**EXPLAIN, "words": (word.upper(), "unicorn")})
    assert [each.label for each in found.maps] == [word.upper()]
    assert [(warning.code, warning.field) for warning in context.warnings] == [
        ("words_not_written", "explain.words")
    ]
    assert "unicorn" in context.warnings[0].message
    of_word = [token.logprob for token in found.tokens if token.text == word]
    assert found.maps[0].score == pytest.approx(sum(of_word), abs=1e-5)


@pytest.mark.parametrize(
    "prompt", ["<OD>", "<REGION_PROPOSAL>", "<OCR_WITH_REGION>", "<DENSE_REGION_CAPTION>"]
)
def test_positions_are_no_text_to_explain(prompt: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        explained("florence", prompt=prompt)
    assert raised.value.field == "explain.method"


def test_the_prompt_of_a_caption_has_no_log_probability() -> None:
    made, found = explained("encoder-decoder", prompt="a red")
    assert made["generated_text"].startswith("a red")
    words = made["generated_text"].split()
    assert [token.text for token in found.tokens] == words[2:]


@pytest.mark.parametrize("name", ["encoder-decoder", "git", "qwen"])
def test_the_calls_of_one_job_share_batches_and_change_nothing(name: str) -> None:
    context = PlainDesk()
    batcher = Batcher(16, 2**24)
    try:
        handler = captioner(name, batcher)
        with batcher.job(Going()):
            beside = handler.perform(asked(context), context)["explanation"]
    finally:
        batcher.close()
    _, alone = explained(name)
    assert [token.text for token in beside.tokens] == [token.text for token in alone.tokens]
    for one, other in zip(beside.tokens, alone.tokens, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
    for ours, theirs in zip(beside.maps, alone.maps, strict=True):
        assert np.abs(values(ours) - values(theirs)).max() < 1e-4


def values(found: Any) -> Any:
    return found.min + (found.max - found.min) * np.asarray(found.map.pil(), np.float64) / 65535
