"""The door: what is refused, with which words, and what a complete request looks like."""

from typing import Any

import pytest
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import AddOn, Catalogue, Limits, Model, Source
from brushwork_schemas.errors import BrushworkError, InvalidRequest, UnknownKind, UnknownModel
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.request import NewPictureRequest

SHA256 = "a" * 64
SMALLEST: dict[str, dict[str, Any]] = {
    "text-to-image": {"prompt": "a red circle"},
    "image-to-image": {"prompt": "a red circle", "image": SHA256},
    "image-editing": {"prompt": "make it blue", "images": [SHA256]},
    "inpainting": {"prompt": "a red circle", "image": SHA256, "mask_image": SHA256},
    "image-upscaling": {"image": SHA256},
    "image-to-text": {"image": SHA256},
    "image-classification": {"image": SHA256},
    "image-segmentation": {"image": SHA256},
    "image-preprocessing": {"image": SHA256},
    "image-classification-training": {"dataset": SHA256},
}


# What stays unsaid where the caller says nothing: it means "without", or the model does not know it.
OPTIONAL_GENERATION = {
    "scheduler",
    "clip_skip",
    "controlnet",
    "control_image",
    "controlnet_conditioning_scale",
}
OPTIONAL: dict[str, set[str]] = {
    "text-to-image": OPTIONAL_GENERATION,
    # The picture's own size.
    "image-to-image": OPTIONAL_GENERATION | {"width", "height"},
    "image-editing": OPTIONAL_GENERATION | {"width", "height", "image_guidance_scale"},
    "inpainting": OPTIONAL_GENERATION | {"width", "height"},
    "image-upscaling": {"num_inference_steps", "guidance_scale", "noise_level", "seed"},
    "image-to-text": {"num_beams", "temperature", "top_p", "seed"},
    "image-classification": {"candidate_labels", "hypothesis_template"},
    "image-segmentation": {"task", "threshold"},
    "image-preprocessing": set(),
    "image-classification-training": {"early_stopping_patience"},
}
FAMILY = {
    "text-to-image": "stable-diffusion",
    "image-to-text": "vision-encoder-decoder",
    "image-classification": "torchvision-classifier",
    "image-segmentation": "torchvision-segmenter",
}


def model(name: str, kind: str, **more: Any) -> Model:
    return Model(name=name, family=FAMILY[kind], kinds=(kind,), source=Source(packaged=name), **more)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def refused(kind: Any, parameters: dict[str, Any], catalogue: Catalogue) -> BrushworkError:
    with pytest.raises(BrushworkError) as raised:
        admit(kind, parameters, catalogue)
    assert raised.value.fault == "caller"
    return raised.value


@pytest.mark.parametrize("kind", all_kinds())
def test_the_least_that_can_be_said_becomes_a_complete_request(kind: str, catalogue: Catalogue) -> None:
    admitted = admit(kind, SMALLEST[kind], catalogue)
    assert admitted.kind.name == kind
    assert admitted.request.model == admitted.model.name
    stored = admitted.request.model_dump(mode="json")
    assert {name for name, value in stored.items() if value is None} <= OPTIONAL[kind]
    again = admit(kind, admitted.request.model_dump(), catalogue)
    assert again.request == admitted.request


def test_what_the_caller_said_outranks_the_model_and_the_model_outranks_the_kind() -> None:
    own = Catalogue({"m": model("m", "image-classification", defaults={"top_k": 3})})
    assert admit("image-classification", {"image": SHA256}, own).request.top_k == 3  # type: ignore[attr-defined]
    said = admit("image-classification", {"image": SHA256, "top_k": 5}, own).request
    assert said.top_k == 5  # type: ignore[attr-defined]


def test_a_seed_is_drawn_anew_each_time(catalogue: Catalogue) -> None:
    requests = [admit("text-to-image", {"prompt": "x"}, catalogue).request for _ in range(5)]
    seeds = {request.seed for request in requests if isinstance(request, TextToImageRequest)}
    assert len(seeds) == 5
    assert all(seed is not None and 0 <= seed < 2**32 for seed in seeds)


def test_none_counts_as_left_out(catalogue: Catalogue) -> None:
    request = admit("text-to-image", {"prompt": "x", "width": None, "model": None}, catalogue).request
    assert isinstance(request, TextToImageRequest)
    assert (request.width, request.model) == (64, "pocket-diffusion")


def test_the_label_says_what_it_costs_and_not_what_it_shows(catalogue: Catalogue) -> None:
    parameters = {"prompt": "secret", "negative_prompt": "hidden", "num_images_per_prompt": 2}
    label = admit("text-to-image", parameters, catalogue).label
    assert label == "pocket-diffusion 64x64 x2 12 steps"


ACCEPTED: list[tuple[str, str, list[Any]]] = [
    ("text-to-image", "prompt", ["x", "x" * 2000, "\N{ARTIST PALETTE}", "一个红色的圆"]),
    ("text-to-image", "negative_prompt", ["", "x" * 2000]),
    ("text-to-image", "width", [16, 256]),
    ("text-to-image", "height", [16, 256]),
    ("text-to-image", "num_inference_steps", [1, 100]),
    ("text-to-image", "guidance_scale", [0, 0.0, 50.0]),
    ("text-to-image", "acceleration", [0, 0.0, -0.0, 0.25, 1, 1.0]),
    ("text-to-image", "seed", [0, 2**63 - 1]),
    ("text-to-image", "num_images_per_prompt", [1, 16]),
    ("text-to-image", "scheduler", ["DDIMScheduler"]),
    ("text-to-image", "version", [1]),
    ("text-to-image", "model", ["pocket-diffusion"]),
    ("image-to-text", "language", ["en", "zh"]),
    ("image-to-text", "prompt", ["", "x" * 2000]),
    ("image-to-text", "max_new_tokens", [1, 1024]),
    ("image-classification", "top_k", [1, 1000]),
    ("image-segmentation", "overlay", [True, False]),
]
REFUSED: list[tuple[str, str, list[Any]]] = [
    ("text-to-image", "prompt", ["", " \n", "x" * 2001, "a\0b", "half \ud800", b"x", 5, None, ["x"]]),
    ("text-to-image", "negative_prompt", ["x" * 2001, "a\0b", "\udfff", 5, None]),
    ("text-to-image", "width", [0, -8, 8, 65, 264, 4104, 64.5, "64", True, 10**400, float("nan")]),
    ("text-to-image", "height", [0, 17, 264, 4104, "64", False, [64]]),
    ("text-to-image", "num_inference_steps", [0, -1, 101, 201, 2.5, "20", True, 10**5000]),
    ("text-to-image", "guidance_scale", [-0.1, 50.1, float("nan"), float("inf"), "2", True, 10**400]),
    ("text-to-image", "acceleration", [-0.01, 1.01, 2, float("nan"), float("inf"), "1", True, None, [0.5]]),
    ("text-to-image", "seed", [-1, 2**63, 10**5000, 1.5, "7", True]),
    ("text-to-image", "num_images_per_prompt", [0, 17, 1.5, True, "1", None]),
    ("text-to-image", "scheduler", ["NoSuchScheduler", "", "x" * 101, 5]),
    ("text-to-image", "version", [0, 2, "1", None]),
    ("text-to-image", "model", ["nobody", "pocket-captioner", "", "x" * 201, 5, [], "\ud800"]),
    ("image-to-text", "image", ["", "A" * 64, "a" * 63, "a" * 64 + "\n", 5, None]),
    ("image-to-text", "language", ["de", "EN", "", 5, None]),
    ("image-to-text", "prompt", ["x" * 2001, "a\0", None]),
    ("image-to-text", "max_new_tokens", [0, 1025, 1.5, True]),
    ("image-classification", "top_k", [0, 1001, True, "5", None]),
    ("image-segmentation", "overlay", [0, 1, "true", None]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [(kind, field, value) for kind, field, values in ACCEPTED for value in values],
    ids=lambda value: str(value)[:30],
)
def test_the_ends_of_each_range_are_in_it(kind: str, field: str, value: Any, catalogue: Catalogue) -> None:
    assert getattr(admit(kind, SMALLEST[kind] | {field: value}, catalogue).request, field) == value


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [(kind, field, value) for kind, field, values in REFUSED for value in values],
    ids=lambda value: "huge" if isinstance(value, int) and value > 2**63 else ascii(value)[:30],
)
def test_what_lies_beyond_is_refused_and_the_field_named(
    kind: str, field: str, value: Any, catalogue: Catalogue
) -> None:
    error = refused(kind, SMALLEST[kind] | {field: value}, catalogue)
    assert isinstance(error, InvalidRequest | UnknownModel)
    assert error.field == field
    assert field in error.message or field.title() in error.message
    assert len(str(error)) < 400
    # It can be sent and stored as it is.
    str(error).encode()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"width": 65}, ["width", "multiple of 8", "65"]),
        ({"width": 264}, ["width", "exceeds the limit of pocket-diffusion, 256", "264"]),
        ({"num_inference_steps": 0}, ["num_inference_steps", "greater than or equal to 1", "0"]),
        ({"prompt": ""}, ["prompt", "must not be blank"]),
        ({"prompt": "a\0b"}, ["prompt", "U+0000"]),
        ({"promt": "x"}, ["'promt'", "Did you mean 'prompt'?"]),
        ({"zzz": "x"}, ["'zzz'", "Parameters are version, model, deterministic, prompt"]),
        ({"model": "nobody"}, ["'nobody'", "not in the catalogue", "pocket-diffusion"]),
        ({"model": "pocket-captioner"}, ["serves image-to-text, not text-to-image", "pocket-diffusion"]),
        ({"scheduler": "PNDM"}, ["does not offer 'PNDM'", "DDIMScheduler"]),
        ({"width": 65, "height": 1}, ["width", "Also wrong: height."]),
    ],
)
def test_the_error_names_the_limit_and_the_fix(
    parameters: dict[str, Any], words: list[str], catalogue: Catalogue
) -> None:
    error = refused("text-to-image", {"prompt": "x"} | parameters, catalogue)
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize("field", ["candidate_labels", "hypothesis_template"])
def test_words_that_can_not_be_stored_are_refused(field: str, catalogue: Catalogue) -> None:
    given = {"image": SHA256, "model": "clip-vit-base-patch32", "candidate_labels": ["cat", "dog"]}
    half = ["cat", "half \ud83d"] if field == "candidate_labels" else "{} \ud83d"
    error = refused("image-classification", {**given, field: half}, catalogue)
    assert "surrogate" in str(error)
    str(error).encode()


def test_a_missing_parameter_says_what_it_is_for(catalogue: Catalogue) -> None:
    error = refused("text-to-image", {}, catalogue)
    assert str(error) == "text-to-image requires 'prompt'. What the picture should show."


@pytest.mark.parametrize(
    ("kind", "field", "entry", "wrong", "reason"),
    [
        ("image-segmentation", "boxes", {"x_min": 0.0, "y_min": 0.0, "x_max": 9.0}, "y_max", "is required"),
        ("image-segmentation", "points", {"x": 1.0}, "y", "is required"),
        ("text-to-image", "loras", {"weight": 0.5}, "name", "is required"),
        ("text-to-image", "loras", {"name": "ink", "wieght": 0.5}, "wieght", "is not a known field"),
    ],
)
def test_a_field_inside_of_a_list_is_named_with_its_place(
    kind: str, field: str, entry: dict[str, Any], wrong: str, reason: str, catalogue: Catalogue
) -> None:
    given = {"prompt": "x"} if kind == "text-to-image" else {"image": SHA256}
    error = refused(kind, {**given, field: [entry]}, catalogue)
    assert (error.field, error.message) == (f"{field}.0.{wrong}", f"{field}.0.{wrong}: {reason}.")
    assert error.hint


def test_a_misspelling_is_better_news_than_the_gap_it_leaves(catalogue: Catalogue) -> None:
    error = refused("text-to-image", {"promt": "x"}, catalogue)
    assert (error.field, error.hint) == ("promt", "Did you mean 'prompt'?")


def test_names_that_are_no_words_are_refused(catalogue: Catalogue) -> None:
    assert refused("text-to-image", {"prompt": "x", 5: 1}, catalogue).field == "5"  # type: ignore[dict-item]


@pytest.mark.parametrize("kind", ["", "text_to_image", "TEXT-TO-IMAGE", None, 5, [], {}, b"x", object()])
def test_an_unknown_kind_of_any_type_is_refused(kind: Any, catalogue: Catalogue) -> None:
    error = refused(kind, {"prompt": "x"}, catalogue)
    assert isinstance(error, UnknownKind)
    assert (error.field, error.code) == ("kind", "unknown_kind")
    assert "text-to-image" in str(error)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_value_that_cannot_be_shown_is_still_refused(catalogue: Catalogue) -> None:
    error = refused("text-to-image", {"prompt": Unshowable()}, catalogue)
    assert "Unshowable" in error.message


def test_a_long_value_is_cut_short_in_the_error(catalogue: Catalogue) -> None:
    error = refused("text-to-image", {"prompt": "x" * 100_000}, catalogue)
    assert len(str(error)) < 200


def test_a_long_name_is_cut_short_in_the_error(catalogue: Catalogue) -> None:
    error = refused("text-to-image", {"prompt": "x", "y" * 100_000: 1}, catalogue)
    assert error.field == "y" * 100
    assert len(str(error)) < 600


def test_the_product_of_size_and_pictures_has_a_limit() -> None:
    limits = Limits(max_pixels_per_job=64 * 64 * 4)
    own = Catalogue({"m": model("m", "text-to-image", limits=limits)})
    asked = {"prompt": "x", "width": 64, "height": 64, "num_inference_steps": 1, "guidance_scale": 1.0}
    assert admit("text-to-image", asked | {"num_images_per_prompt": 4}, own)
    error = refused("text-to-image", asked | {"num_images_per_prompt": 5}, own)
    assert error.field == "num_images_per_prompt"
    assert "allows 16384 pixels" in error.message


def test_a_model_outranks_its_family() -> None:
    own = Catalogue({"m": model("m", "text-to-image", defaults={"guidance_scale": 3.0})})
    request = admit("text-to-image", {"prompt": "x"}, own).request
    assert isinstance(request, TextToImageRequest)
    assert (request.width, request.num_inference_steps, request.guidance_scale) == (512, 30, 3.0)


def test_a_kind_without_models_says_so() -> None:
    error = refused("text-to-image", {"prompt": "x"}, Catalogue({}))
    assert str(error) == "The catalogue has no model for text-to-image. Models for text-to-image: none."


def test_a_model_that_is_not_there_is_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownModel) as caught:
        Catalogue.load().named("01a1fe80", "image-classification")
    assert "trained:<job id>" in (caught.value.hint or "")


def test_an_adapter_that_no_entry_names_is_refused_with_the_command_that_adds_one() -> None:
    model = Catalogue.load().named("sdxl", "text-to-image")
    with pytest.raises(UnknownModel, match="catalogue has no lora 'pixel'") as caught:
        Catalogue.load().add_on("pixel", "lora", model, "loras.0.name")
    assert "models add NAME --type lora --family stable-diffusion-xl" in (caught.value.hint or "")


@pytest.mark.parametrize(("sort", "family"), [("lora", "flux"), ("controlnet", "stable-diffusion")])
def test_an_adapter_of_another_family_or_type_is_refused(sort: str, family: str) -> None:
    drawing = model("drawing", "text-to-image")
    add_on = AddOn.model_validate(
        {"name": "ink", "type": sort, "family": family, "source": {"packaged": "ink"}}
    )
    fitting = add_on.model_copy(update={"name": "pixel", "type": "lora", "family": drawing.family})
    catalogue = Catalogue({"drawing": drawing}, {"ink": add_on, "pixel": fitting})
    assert catalogue.add_on("pixel", "lora", drawing, "loras.0.name") == fitting
    error = refused("text-to-image", {"prompt": "x", "loras": [{"name": "ink"}]}, catalogue)
    assert isinstance(error, UnknownModel)
    assert (error.field, error.hint) == ("loras.0.name", "Choose one of: pixel.")


def test_fields_of_files_are_stored_only_where_they_are_set(catalogue: Catalogue) -> None:
    # Workers of older versions refuse fields that they do not know.
    stored = admit("text-to-image", {"prompt": "x"}, catalogue).request.model_dump(mode="json")
    assert not stored.keys() & NewPictureRequest.FILE_FIELDS
    assert stored.keys() >= {"width", "seed", "negative_prompt", "controlnet"}
    set_ones = {"output_format": "webp", "visible_label": False}
    stored = admit("text-to-image", {"prompt": "x", **set_ones}, catalogue).request.model_dump(mode="json")
    assert {name: stored[name] for name in stored.keys() & NewPictureRequest.FILE_FIELDS} == set_ones
