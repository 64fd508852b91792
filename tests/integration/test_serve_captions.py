"""Captioners of every family from folders, through catalogue, Redis and a worker: the words of upstream."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.job import Job
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    BlipForConditionalGeneration,
    Florence2ForConditionalGeneration,
    GitForCausalLM,
    VisionEncoderDecoderModel,
)

from tests.drawn import drawn
from tests.every_model import CAPTIONERS
from tests.serving import Serving, requests_for

SEARCH: dict[str, Any] = {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 8}
DRAWN: dict[str, Any] = {"do_sample": True, "seed": 5, "num_return_sequences": 3, "max_new_tokens": 8}
# How the jobs decode: half of them alike, so that they share runs; draws with seeds of their own.
WAYS: tuple[dict[str, Any], ...] = (
    {"num_beams": 1, "max_new_tokens": 8},
    SEARCH,
    DRAWN,
    {**DRAWN, "seed": 6, "temperature": 0.7, "top_p": 0.9},
    {"num_beams": 1, "max_new_tokens": 8},
    SEARCH,
    {**DRAWN, "seed": 7},
    {**DRAWN, "seed": 8},
)
PROMPTS = {"blip": "a photo", "florence": "<OD>", "smolvlm": "is this a dog", "qwen": "is this a dog"}
ENDS = (2,)
# Text and mean log-probability of each candidate.
Found = list[tuple[str, float]]


def asked(model: str, index: int) -> dict[str, Any]:
    """The parameters of the job of that number, all but the picture."""
    prompt = {"prompt": PROMPTS[model]} if model in PROMPTS and index in (3, 4) else {}
    return {**WAYS[index], **prompt}


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "captions"


def written(
    network: Any, inputs: Mapping[str, Any], parameters: Mapping[str, Any], speaker: Any = None
) -> tuple[Any, list[float]]:
    """Sequences of `generate`, and the mean of what `compute_transition_scores` says of their tokens."""
    options = {name: value for name, value in parameters.items() if name not in ("prompt", "seed")}
    torch.manual_seed(parameters.get("seed", 0))
    options = {"do_sample": False, **options, "output_scores": True, "return_dict_in_generate": True}
    with torch.no_grad():
        found = network.generate(**inputs, **options)
    beams = found.get("beam_indices")
    noted = (speaker or network).compute_transition_scores(
        found.sequences, found.scores, beams, normalize_logits=beams is None
    )
    added = found.sequences[:, -noted.shape[1] :].tolist()
    lengths = [next((at for at, token in enumerate(row, 1) if token in ENDS), len(row)) for row in added]
    return found.sequences, [float(row[:length].mean()) for row, length in zip(noted, lengths, strict=True)]


def read(reader: Any, tokens: Any, scores: list[float]) -> Found:
    """The words of each sequence beside its score."""
    texts = reader.batch_decode(tokens, skip_special_tokens=True)
    return [(text.strip(), score) for text, score in zip(texts, scores, strict=True)]


def blip(folder: Path) -> Callable[[Image.Image, Mapping[str, Any]], Found]:
    network: Any = BlipForConditionalGeneration.from_pretrained(folder)
    processor: Any = AutoProcessor.from_pretrained(folder)

    def captions(picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
        inputs = processor(images=picture, text=parameters.get("prompt"), return_tensors="pt")
        inputs.pop("token_type_ids", None)
        tokens, scores = written(network, inputs, parameters, network.text_decoder)
        return read(processor, tokens, scores)

    return captions


def git(folder: Path) -> Callable[[Image.Image, Mapping[str, Any]], Found]:
    network: Any = GitForCausalLM.from_pretrained(folder)
    processor: Any = AutoProcessor.from_pretrained(folder)

    def captions(picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
        pixels = processor(images=picture, return_tensors="pt").pixel_values
        tokens, scores = written(network, {"pixel_values": pixels}, parameters)
        return read(processor, tokens, scores)

    return captions


def florence(folder: Path) -> Callable[[Image.Image, Mapping[str, Any]], Found]:
    network: Any = Florence2ForConditionalGeneration.from_pretrained(folder)
    processor: Any = AutoProcessor.from_pretrained(folder)

    def captions(picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
        task = parameters.get("prompt", "<CAPTION>")
        inputs = processor(text=task, images=picture, return_tensors="pt")
        tokens, scores = written(network, inputs, parameters)
        made = []
        for text, score in zip(processor.batch_decode(tokens), scores, strict=True):
            plain = text.replace("<pad>", "")
            answers = processor.post_process_generation(text=plain, task=task, image_size=picture.size)
            answer = answers[task]
            made.append((answer if isinstance(answer, str) else json.dumps(answer), score))
        return made

    return captions


def chat(folder: Path) -> Callable[[Image.Image, Mapping[str, Any]], Found]:
    network: Any = AutoModelForImageTextToText.from_pretrained(folder)
    processor: Any = AutoProcessor.from_pretrained(folder)

    def captions(picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
        words = parameters.get("prompt", "Describe this image in one sentence.")
        said = [{"type": "image", "image": picture}, {"type": "text", "text": words}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": said}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        tokens, scores = written(network, inputs, parameters)
        return read(processor, tokens[:, inputs["input_ids"].shape[1] :], scores)

    return captions


def encoder_decoder(folder: Path) -> Callable[[Image.Image, Mapping[str, Any]], Found]:
    network: Any = VisionEncoderDecoderModel.from_pretrained(folder)
    processor: Any = AutoImageProcessor.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    start = tokenizer.convert_tokens_to_ids("<|en|>")

    def captions(picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
        inputs = {**processor(picture, return_tensors="pt"), "decoder_start_token_id": start}
        tokens, scores = written(network, inputs, parameters)
        return read(tokenizer, tokens, scores)

    return captions


UPSTREAM = {
    "blip": blip,
    "git": git,
    "florence": florence,
    "smolvlm": chat,
    "qwen": chat,
    "vit-gpt2": encoder_decoder,
}


def compare(job: Job, expected: Found, is_drawn: bool) -> None:
    found = [(candidate.text, candidate.score) for candidate in job.result.candidates]
    # Of what is drawn the most probable comes first.
    wanted = sorted(expected, key=lambda each: -each[1]) if is_drawn else expected
    assert [text for text, _ in found] == [text for text, _ in wanted]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=1e-3)
    assert job.result.generated_text == wanted[0][0]


@pytest.mark.parametrize("model", CAPTIONERS)
def test_alone_and_eight_at_once_equal_upstream(model: str, served: Serving, folder: Path) -> None:
    pictures = [drawn(seed) for seed in range(8)]
    stock = UPSTREAM[model](folder / model)
    expected = [stock(picture, asked(model, index)) for index, picture in enumerate(pictures)]
    requests = requests_for("image-to-text", model, pictures, asked)
    alone = served.one(**requests[3])
    compare(alone, expected[3], is_drawn=True)
    for index, (job, found) in enumerate(zip(served.all(requests), expected, strict=True)):
        compare(job, found, is_drawn="seed" in WAYS[index])
    assert len({text for found in expected for text, _ in found}) > 4, "these pictures show nothing"
