"""Forms made from schemas, and what is read from them; the lines that make a job again."""

import asyncio
import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from brushwork.page.forms.form_field import FormField
from brushwork.page.forms.kind_form import form_fields
from brushwork.page.forms.typed_form import TypedForm
from brushwork.page.session import own_path
from brushwork.page.views import repeat_commands
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.explanations.request import PARAMETERS
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.request import NewPictureRequest
from brushwork_schemas.options import JobOptions
from brushwork_schemas.states import JobState
from starlette.datastructures import FormData

from tests.every_family import ADD_ONS, of_kind


def fields(kind: str, *, tenants: bool = True) -> dict[str, FormField]:
    made = form_fields(all_kinds()[kind], of_kind(kind), tenants=tenants, add_ons=ADD_ONS)
    return {field.name: field for field in made}


@pytest.mark.parametrize("kind", all_kinds())
def test_every_parameter_and_option_has_a_field(kind: str) -> None:
    programs_only = {"version", "idempotency_key", "traceparent"}
    if not all_kinds()[kind].pictures:
        programs_only.add("first_frame")
    wanted = all_kinds()[kind].request_type.model_fields.keys() | JobOptions.model_fields.keys()
    # The models of these kinds here have no description, so they accept no special field.
    if kind.endswith("-to-video"):
        programs_only |= all_kinds()[kind].request_type.SPECIAL
    of_explanation = {name for name in fields(kind) if name.startswith("explain.")}
    assert fields(kind).keys() - of_explanation == wanted - programs_only
    read = {setting for method in all_kinds()[kind].explains for setting in PARAMETERS[method]}
    assert of_explanation == {f"explain.{setting}" for setting in read}
    assert "tenant" not in fields(kind, tenants=False)


def test_a_field_that_no_model_knows_is_left_out_and_others_say_who_knows_them() -> None:
    pocket = Catalogue.load().of_kind("text-to-image")[:1]
    made = {field.name: field for field in form_fields(all_kinds()["text-to-image"], pocket, tenants=True)}
    # There is nothing that could be added to it.
    assert not {"loras", "controlnet", "control_image", "controlnet_conditioning_scale"} & made.keys()
    assert made["negative_prompt"].known_by is None
    every = fields("text-to-image")
    assert set(every["clip_skip"].known_by or ()) < set(every["model"].choices)
    assert "flux" not in (every["negative_prompt"].known_by or ())
    assert every["control_image"].known_by == every["controlnet"].known_by
    assert every["width"].known_by is every["prompt"].known_by is None
    assert fields("image-classification")["candidate_labels"].known_by == ("clip", "siglip")


def test_a_field_has_the_limits_of_its_parameter_and_shows_the_models_default() -> None:
    width = fields("text-to-image")["width"]
    assert (width.shape, width.minimum, width.maximum, width.step, width.placeholder) == (
        "number", 16, 4096, 8, "512",
    )  # fmt: skip
    prompt = fields("text-to-image")["prompt"]
    assert (prompt.shape, prompt.required, prompt.folded, prompt.max_length) == ("area", True, False, 2000)


def test_each_sort_of_parameter_has_its_shape() -> None:
    shapes = {name: field.shape for name, field in fields("text-to-image").items()}
    shapes |= {name: field.shape for name, field in fields("image-to-text").items()}
    assert shapes["image"] == "file"
    assert shapes["language"] == shapes["priority"] == shapes["model"] == "select"
    assert shapes["deterministic"] == "checkbox"
    assert shapes["webhook_events"] == "checks"
    assert shapes["guidance_scale"] == shapes["deadline_s"] == "number"
    assert shapes["scheduler"] == "suggest"
    assert "DDIMScheduler" in fields("text-to-image")["scheduler"].choices
    assert shapes["loras"] == fields("image-segmentation")["points"].shape == "lines"
    assert shapes["control_image"] == fields("inpainting")["mask_image"].shape == "file"
    assert "zip" in fields("image-classification-training")["dataset"].accept
    assert "lora-flux" in fields("text-to-image")["loras"].choices
    task = fields("image-segmentation")["task"]
    assert (task.shape, task.may_be_empty, task.choices) == (
        "select", True, ("semantic", "instance", "panoptic"),
    )  # fmt: skip
    assert not fields("image-to-text")["language"].may_be_empty


def posted(kind: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    every = list(fields(kind).values())
    typed = asyncio.run(TypedForm.posted(FormData(list(pairs)), every))
    return typed.parameters(every)


def test_what_was_typed_becomes_parameters() -> None:
    assert posted(
        "text-to-image",
        [
            ("prompt", "two\r\nlines"), ("width", " 64 "), ("guidance_scale", "2.5"), ("seed", ""),
            ("deterministic", "on"), ("webhook_events", "started"), ("webhook_events", "failed"),
        ],
    ) == {
        "prompt": "two\nlines", "width": 64, "guidance_scale": 2.5, "deterministic": True,
        "webhook_events": ["started", "failed"], "first_frame": False,
    }  # fmt: skip


def test_lists_are_typed_in_lines() -> None:
    assert posted("image-classification", [("candidate_labels", "a cat\r\na dog\r\n")])[
        "candidate_labels"
    ] == ["a cat", "a dog"]
    assert "points" not in posted("image-segmentation", [("points", " ")])
    with pytest.raises(InvalidRequest, match="points"):
        posted("image-segmentation", [("points", "here")])


def test_a_box_without_a_tick_is_said_to_be_without() -> None:
    assert posted("image-segmentation", [])["overlay"] is False


def test_what_is_no_number_is_left_for_the_check_to_name() -> None:
    assert posted("text-to-image", [("width", "wide"), ("seed", "9" * 5000)])["width"] == "wide"


def job(request: Any, kind: str = "text-to-image") -> Job:
    return Job(
        id="1", kind=kind, model="m", label="m", state=JobState.SUCCEEDED, request=request,
        created_at=datetime.now(UTC), group="g",
    )  # fmt: skip


def test_a_form_is_filled_with_what_a_job_was_asked_for() -> None:
    every = list(fields("text-to-image").values())
    typed = TypedForm.of_job(job({"prompt": "a circle", "seed": 7, "unheard_of": 1}), every)
    assert typed.values["prompt"] == "a circle"
    assert typed.values["seed"] == 7
    assert typed.values["group"] == "g"
    assert "unheard_of" not in typed.values


def test_files_and_lists_of_a_job_are_shown_again() -> None:
    every = list(fields("inpainting").values())
    asked = {
        "prompt": "x",
        "image": "a" * 64,
        "mask_image": "b" * 64,
        "loras": [{"name": "ink", "weight": 0.5}],
    }
    typed = TypedForm.of_job(job(asked, "inpainting"), every)
    assert typed.stored == {"image": "a" * 64, "mask_image": "b" * 64}
    assert typed.values["loras"] == "ink:0.5"
    again = typed.parameters(every)
    assert {name: again[name] for name in asked} == asked


def test_the_line_for_a_shell_holds_the_whole_request() -> None:
    asked = {"version": 1, "prompt": 'it\'s a $HOME `circle`\n"红"', "seed": 7, "scheduler": None}
    line = repeat_commands.curl(job(asked), "http://127.0.0.1:8600", with_key=True)
    words = shlex.split(line)
    assert words[:2] == ["curl", "http://127.0.0.1:8600/v1/jobs"]
    assert "Authorization: Bearer $BRUSHWORK_API_KEY" in words
    assert json.loads(words[words.index("-d") + 1]) == {
        "kind": "text-to-image", "prompt": asked["prompt"], "seed": 7, "group": "g",
    }  # fmt: skip


def test_the_lines_for_python_are_python() -> None:
    lines = repeat_commands.python(
        job({"prompt": 'a "quoted" circle', "seed": 7, "__import__('os')": 1}), "http://a"
    )
    compile(lines, "recipe", "exec")
    assert "__import__" not in lines
    assert """prompt='a "quoted" circle'""" in lines


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nb: c", "evil", "/\t/evil"],
)
def test_nobody_is_led_elsewhere(path: str) -> None:
    assert own_path(path) == "/"


def test_own_paths_are_kept() -> None:
    assert own_path("/gallery?text=a%20b&state=failed") == "/gallery?text=a%20b&state=failed"


def test_a_choice_of_yes_or_no_may_be_left_to_the_operator() -> None:
    field = fields("text-to-image")["visible_label"]
    assert (field.shape, field.choices, field.folded) == ("yes-no", ("true", "false"), True)
    assert field.word_if_empty == "form.as_operator"
    for typed, expected in (("true", True), ("false", False), ("", None)):
        parameters = posted("text-to-image", [("prompt", "x"), ("visible_label", typed)])
        assert parameters.get("visible_label") is expected
    assert "visible_label" not in fields("image-segmentation")


def test_fields_of_the_file_come_last_of_a_kind_s_own() -> None:
    # Those of the explanation have a part of their own.
    own = [name for name, each in fields("inpainting").items() if not each.is_of_explanation]
    names = [name for name in own if name not in JobOptions.model_fields]
    assert set(names[-len(NewPictureRequest.FILE_FIELDS) :]) == NewPictureRequest.FILE_FIELDS


def test_a_choice_of_yes_or_no_is_shown_again() -> None:
    every = list(fields("text-to-image").values())
    typed = asyncio.run(TypedForm.posted(FormData([("prompt", "x"), ("embed_parameters", "false")]), every))
    assert typed.values["embed_parameters"] == "false"
