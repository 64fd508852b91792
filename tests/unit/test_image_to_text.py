"""image-to-text on a tiny captioner of the real classes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.captions.encoder_decoder import load
from brushwork_workers.interface import Handler, LoadSpec
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

from tests.desks import PlainDesk
from tests.tiny_models import save_captioner

PICTURE = Image.effect_noise((48, 40), 90).convert("RGB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_captioner(tmp_path_factory.mktemp("tiny-captioner"))


@pytest.fixture(scope="module")
def handler(folder: Path) -> Handler:
    model = Model(name="tiny", family="vision-encoder-decoder", source=Source(folder=folder))
    return loaded(model, folder)


def loaded(model: Model, folder: Path) -> Handler:
    place = LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor())
    return load(place).handlers["image-to-text"]


def caption(handler: Handler, **fields: object) -> str:
    context = PlainDesk()
    request = ImageToTextRequest.model_validate(
        {"image": context.give(PICTURE), "max_new_tokens": 8, **fields}
    )
    text: str = handler.perform(request, context)["generated_text"]
    return text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_equals_transformers(folder: Path, handler: Handler, language: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    pixels = AutoImageProcessor.from_pretrained(folder)(PICTURE, return_tensors="pt").pixel_values
    stock = VisionEncoderDecoderModel.from_pretrained(folder).eval()
    start = tokenizer.convert_tokens_to_ids(f"<|{language}|>")
    written = stock.generate(pixels, decoder_start_token_id=start, max_new_tokens=8, do_sample=False)
    assert (
        caption(handler, language=language) == tokenizer.decode(written[0], skip_special_tokens=True).strip()
    )


def test_a_prompt_begins_the_caption(handler: Handler) -> None:
    assert caption(handler, prompt="a red").startswith("a red")


def test_max_new_tokens_bounds_the_caption(handler: Handler) -> None:
    assert len(caption(handler, prompt="a", max_new_tokens=1).split()) <= 2


def test_a_caption_is_never_longer_than_the_model_can_count(handler: Handler) -> None:
    assert len(caption(handler, max_new_tokens=500).split()) <= 32


def test_a_prompt_without_room_for_a_caption_is_refused(handler: Handler) -> None:
    with pytest.raises(InvalidRequest, match="too long for this model"):
        caption(handler, prompt="red " * 40)


def test_a_language_without_its_token_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = save_captioner(tmp_path / "english-only")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (copy / name).read_text().replace("<|zh|>", "<|xx|>")
        (copy / name).write_text(text)
    model = Model(name="tiny", family="vision-encoder-decoder", source=Source(folder=copy))
    handler = loaded(model, copy)
    with pytest.raises(InvalidRequest, match="does not write 'zh'"):
        caption(handler, language="zh")
