"""Everything that is wrong with a request is reported at once, and unknown names lead to known ones."""

from pathlib import Path
from typing import Any

import pytest
from brushwork import Client
from brushwork.cli.parameters import parsed
from brushwork.gateway.problems import answer_to
from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.intake import SubmissionIntake
from brushwork.page.forms.form_errors import FormErrors
from brushwork.page.forms.kind_form import form_fields
from brushwork.page.words import Words
from brushwork.testing import FakeClient
from brushwork.transports.flow import HttpResponse
from brushwork.transports.problem import error_of
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import BrushworkError, InvalidRequest, RequestError, UnknownKind, UnknownModel
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from brushwork_schemas.wording.nearest_name import SYNONYMS, nearest_name
from brushwork_schemas.wording.translation import read_in

from tests.clients import png

CATALOGUE = Catalogue.load()


def refused(kind: str, **parameters: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        admit(kind, parameters, CATALOGUE)
    return caught.value


def drafted(*requests: dict[str, Any]) -> RequestError:
    files = FileInputs(ArtifactStore("memory:///"), max_dataset_bytes=2**20)
    with pytest.raises(RequestError) as caught:
        SubmissionIntake(CATALOGUE, files).draft(requests)
    return caught.value


def fields_of(error: RequestError) -> list[str | None]:
    return [each.field for each in error.errors]


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"prompt": "", "width": 65, "seed": -1}, ["prompt", "width", "seed"]),
        ({"prompt": "x", "steps": 3, "cfg": 7, "width": "wide"}, ["steps", "cfg", "width"]),
        # Limits of the model are reported with wrong types and missing fields.
        ({"width": 264, "num_inference_steps": 101}, ["prompt", "width", "num_inference_steps"]),
        ({"prompt": "x", "width": 264, "height": 264, "scheduler": "PNDM"}, ["width", "height", "scheduler"]),
        ({"prompt": 5, "model": "nobody", "seed": "x"}, ["prompt", "seed", "model"]),
        ({"prompt": "x", "width": 8, "controlnet": "edges"}, ["width", "controlnet"]),
    ],
)
def test_all_wrong_fields_come_at_once(parameters: dict[str, Any], fields: list[str]) -> None:
    error = refused("text-to-image", **parameters)
    assert sorted(map(str, fields_of(error))) == sorted(fields)
    assert (error.field, error.errors[0].field) == (fields_of(error)[0],) * 2
    assert all(each.message and each.code for each in error.errors)


def test_one_wrong_field_is_the_error_itself() -> None:
    error = refused("text-to-image", prompt="x", width=65)
    (only,) = error.errors
    assert (only.field, only.message, only.code) == ("width", error.message, "multiple_of")
    assert only.parameters["reason"]["parameters"] == {"multiple_of": 8}


def test_options_files_and_fields_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no picture")
    wrong = {
        "kind": "image-to-image",
        "prompt": "",
        "image": str(tmp_path / "no.png"),
        "priority": "soon",
        "tenant": "租户一",
        "strength": 7.0,
    }
    assert set(fields_of(drafted(wrong))) == {"prompt", "image", "priority", "tenant", "strength"}


def test_two_wrong_pictures_are_both_named(tmp_path: Path) -> None:
    request = {"kind": "inpainting", "prompt": "x", "image": b"no", "mask_image": b"neither"}
    files = FileInputs(ArtifactStore("memory:///"), max_dataset_bytes=2**20)
    intake = SubmissionIntake(CATALOGUE, files)
    with pytest.raises(RequestError) as caught:
        intake.prepare(intake.draft([request]))
    assert fields_of(caught.value) == ["image", "mask_image"]


def test_each_request_of_a_batch_is_named_by_its_index() -> None:
    good = {"kind": "text-to-image", "prompt": "x"}
    error = drafted(good, {**good, "width": 65, "height": 1}, {**good, "sed": 1})
    assert [(each.index, each.field) for each in error.errors] == [(1, "width"), (1, "height"), (2, "sed")]
    assert error.index == 1
    assert error.message.startswith("requests[1]: width: ")


@pytest.mark.parametrize(
    ("kind", "written", "meant"),
    [
        ("text-to-image", "steps", "num_inference_steps"),
        ("text-to-image", "cfg", "guidance_scale"),
        ("text-to-image", "cfg_scale", "guidance_scale"),
        ("text-to-image", "sampler", "scheduler"),
        ("text-to-image", "sampler_name", "scheduler"),
        ("text-to-image", "n", "num_images_per_prompt"),
        ("text-to-image", "batch_size", "num_images_per_prompt"),
        ("text-to-image", "negative", "negative_prompt"),
        ("text-to-image", "num-inference-steps", "num_inference_steps"),
        ("text-to-image", "guidanceScale", "guidance_scale"),
        ("text-to-image", "步数", "num_inference_steps"),
        ("text-to-image", "迭代步数", "num_inference_steps"),
        ("text-to-image", "宽", "width"),
        ("text-to-image", "种子", "seed"),
        ("text-to-image", "timeout", "deadline_s"),
        ("image-to-image", "init_image", "image"),
        ("image-to-image", "denoise", "strength"),
        ("image-to-image", "denoising_strength", "strength"),
        ("image-to-image", "重绘幅度", "strength"),
        ("inpainting", "mask", "mask_image"),
        ("image-to-text", "max_tokens", "max_new_tokens"),
        ("image-classification", "labels", "candidate_labels"),
        ("image-classification-training", "epochs", "num_train_epochs"),
        ("image-classification-training", "lr", "learning_rate"),
        ("image-classification-training", "batch_size", "per_device_train_batch_size"),
    ],
)
def test_an_unknown_field_leads_to_the_nearest_one(kind: str, written: str, meant: str) -> None:
    error = refused(kind, **{written: 1})
    (found,) = [each for each in error.errors if each.field == written]
    assert found.hint == f"Did you mean {meant!r}?"
    # The field that was meant is not reported as missing too.
    assert meant not in fields_of(error)


def test_every_synonym_stands_for_a_field_that_exists() -> None:
    known = {name for kind in all_kinds().values() for name in kind.request_type.model_fields}
    known |= {"priority", "tenant", "deadline_s", "webhook_url", "retention_s", "idempotency_key", "group"}
    assert {name: meant for name, meant in SYNONYMS.items() if not known & set(meant)} == {}


def test_a_name_that_is_near_to_nothing_leads_nowhere() -> None:
    assert nearest_name("zzz", ["prompt", "seed"]) is None
    assert refused("text-to-image", prompt="x", zzz=1).hint.startswith("Parameters are ")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "meant"),
    [("text-to-imagge", "text-to-image"), ("txt2img", "text-to-image"), ("文生图", "text-to-image")],
)
def test_an_unknown_kind_leads_to_the_nearest_one(kind: str, meant: str) -> None:
    with pytest.raises(UnknownKind) as caught:
        kind_named(kind)
    assert str(caught.value.hint).startswith(f"Did you mean {meant!r}?")


def test_an_unknown_model_leads_to_the_nearest_one() -> None:
    error = refused("text-to-image", prompt="x", model="sdxl-base")
    assert isinstance(error, UnknownModel)
    assert str(error.hint).startswith("Did you mean 'sdxl'?")


def test_a_field_inside_of_a_list_leads_to_the_nearest_one() -> None:
    error = refused("text-to-image", prompt="x", loras=[{"name": "ink", "wieght": 1.0}])
    assert error.hint == "Did you mean 'weight'?"


@pytest.mark.parametrize("word", ["步数=3", "步数＝3", "cfg-scale=7", "num-inference-steps=3", "宽=64"])
def test_a_name_on_the_command_line_is_never_a_prompt(word: str) -> None:
    given = parsed(kind_named("text-to-image"), ["a red circle", word])
    assert given.pop("prompt") == "a red circle"
    error = refused("text-to-image", prompt="x", **given)
    assert str(error.hint).startswith("Did you mean ")


@pytest.mark.parametrize("option", ["tenant", "group", "idempotency_key"])
def test_a_pattern_is_said_in_words(option: str) -> None:
    error = drafted({"kind": "text-to-image", "prompt": "x", option: "租户一"})
    assert (
        error.message
        == f"{option}: must consist of letters, digits and punctuation of ASCII, without spaces."
    )


def test_a_client_of_a_gateway_gets_all_of_them() -> None:
    error = refused("text-to-image", steps=3, width=65)
    answer = answer_to(error)
    back = error_of(HttpResponse(answer.status_code, dict(answer.headers), bytes(answer.body)), "http://x")
    assert isinstance(back, InvalidRequest)
    assert back.errors == error.errors
    assert str(back) == str(error)


def test_the_errors_of_a_problem_are_in_the_language_of_the_reader() -> None:
    with read_in("zh"):
        answer = answer_to(refused("text-to-image", prompt="x", steps=3, width=65))
    assert answer.headers["Content-Language"] == "zh"
    assert answer.headers["Vary"] == "Accept-Language"
    text = bytes(answer.body).decode()
    assert "text-to-image 没有参数 'steps'。另外还有错误：width。" in text
    assert "您是不是想写 'num_inference_steps'？" in text
    assert "width：必须是 8 的倍数。收到的值是 65。" in text
    assert "请求无效" in text


@pytest.mark.parametrize("kind", all_kinds())
def test_the_page_has_each_error_once_under_its_field_with_no_name_of_a_parameter(kind: str) -> None:
    wrong = {"seed": -1, "width": 17, "strength": 9.0, "top_k": 0, "max_new_tokens": 0, "learning_rate": -1.0}
    wrong = {
        name: value for name, value in wrong.items() if name in kind_named(kind).request_type.model_fields
    }
    models = CATALOGUE.of_kind(kind)
    # A field that no model of the kind has is not on the page.
    accepted = {name for name in wrong if any(model.accepts_field(kind, name) for model in models)}
    error = refused(kind, **{name: wrong[name] for name in accepted})
    fields = form_fields(kind_named(kind), models, tenants=False, language="zh")
    shown = FormErrors.of(error, fields, Words("zh"))
    assert shown.by_field.keys() >= accepted
    for name, each in shown.by_field.items():
        assert name not in each.message
        assert any("\u4e00" <= character <= "\u9fff" for character in each.message)
    assert all(label != name for name, label in shown.labels.items())


def test_an_error_about_no_field_of_the_form_stands_above_it() -> None:
    fields = form_fields(kind_named("text-to-image"), CATALOGUE.of_kind("text-to-image"), tenants=False)
    shown = FormErrors.of(BrushworkError("It failed."), fields, Words("en"))
    assert (shown.by_field, [each.message for each in shown.others]) == ({}, ["It failed."])


def test_a_field_is_reported_once() -> None:
    wrong = Refusals()
    for message in ("first", "second"):
        with wrong.noted():
            raise InvalidRequest(message, field="width")
    with pytest.raises(InvalidRequest, match=r"^first$") as caught:
        wrong.raise_any()
    assert fields_of(caught.value) == ["width"]


def test_a_fake_client_reports_all_of_them(fake: Client) -> None:
    with pytest.raises(InvalidRequest) as caught:
        fake.submit("image-to-text", image=png("red"), langauge="zh", max_new_tokens=0)
    assert fields_of(caught.value) == ["langauge", "max_new_tokens"]


@pytest.fixture
def fake() -> Client:
    from brushwork.testing import FakeClient

    return FakeClient()


def test_other_fields_are_named_once_though_files_are_read_later() -> None:
    with pytest.raises(InvalidRequest) as raised:
        FakeClient().submit("image-classification", image="x", candidate_labels=["a", ""], model="m")
    assert raised.value.message.count("Also wrong") == 1
    assert raised.value.message.endswith("Also wrong: image, model.")


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("image-classification", {"candidate_labels": ["a", "b" * 201]}, "candidate_labels.1"),
        ("image-classification", {"candidate_labels": ["a"], "hypothesis_template": "{}" + "x" * 200},
         "hypothesis_template"),
    ],
)  # fmt: skip
def test_the_length_of_a_text_is_counted_in_characters(kind: str, given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest, match="must have at most 200 characters") as raised:
        FakeClient().submit(kind, image="x", **given)
    assert raised.value.field == field


def test_other_fields_of_a_request_in_a_batch_are_named_once() -> None:
    wrong = {"kind": "image-classification", "image": "x", "candidate_labels": ["a", ""], "model": "m"}
    with pytest.raises(RequestError) as raised:
        FakeClient().submit_many([wrong, wrong])
    assert raised.value.message.startswith("requests[0]: candidate_labels.1: must not be blank.")
    assert raised.value.message.count("Also wrong") == 1
