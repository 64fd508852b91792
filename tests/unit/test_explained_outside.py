"""What people see of an explanation: fakes, command line, forms, names of files, and the page."""

import json
from pathlib import Path
from typing import Any

import pytest
from brushwork.cli.parameters import parsed
from brushwork.cli.views.explanation import explanation_facts
from brushwork.cli.views.job import save_files
from brushwork.gateway.bodies.form_fields import _of_fields
from brushwork.gateway.openapi.kind_schemas import KindSchemas
from brushwork.inputs import explain_choice
from brushwork.page.views.explained import ShownExplanation
from brushwork.page.views.thumbnail import Thumbnail
from brushwork.testing import FakeClient
from brushwork.typed.arguments import UntypedKind
from brushwork_schemas.artifact import artifacts_within
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.explanations.file_names import explanation_files
from brushwork_schemas.kinds.explanations.meaning import MEANING, METHOD_NAMES
from brushwork_schemas.kinds.explanations.request import PARAMETERS
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.kinds.registry import kind_named
from PIL import Image

PICTURE = Image.new("RGB", (48, 32), "red")
CLASSES = kind_named("image-classification")


def explained(kind: str = "image-classification", **parameters: Any) -> Job:
    given = (
        {"prompt": "a red circle above a blue square", "seed": 7}
        if kind == "text-to-image"
        else {"image": PICTURE}
    )
    with FakeClient(auto=True) as client:
        return client.submit(UntypedKind(kind), **{**given, "explain": True, **parameters})


@pytest.mark.parametrize("method", PARAMETERS)
def test_each_method_has_a_sentence_a_name_and_an_explanation_of_the_fakes(method: str) -> None:
    assert {*MEANING[method]} == {*METHOD_NAMES[method]} == {"en", "zh"}  # type: ignore[index]
    kind = {"confidence": "image-segmentation", "tokens": "image-to-text", "words": "text-to-image"}
    job = explained(kind.get(method, "image-classification"), explain=method)
    found = job.result.explanation
    assert found.method == method
    assert found.num_calls > 0 or method == "confidence"
    size = (64, 64) if method == "words" else PICTURE.size
    for each in found.maps:
        assert each.map.pil().mode == "I;16"
        assert each.map.pil().size == each.overlay.pil().size == size
    assert found.maps


@pytest.mark.parametrize("kind", ["image-classification", "image-segmentation", "text-to-image"])
def test_the_files_of_an_explanation_come_last_and_are_no_main_pictures(kind: str) -> None:
    job, plain = explained(kind), explained(kind, explain=False)
    assert plain.result.explanation is None
    assert "explanation" not in plain.result.model_dump(mode="json")
    own = [each.sha256 for each in artifacts_within(plain.result)]
    assert [each.sha256 for each in artifacts_within(job.result)][: len(own)] == own
    assert len(artifacts_within(job.result)) > len(own)
    shown, without = Presentation(job), Presentation(plain)
    assert [each.sha256 for each in shown.pictures] == [each.sha256 for each in without.pictures]
    assert [name for name, _ in shown.result_fields] == [name for name, _ in without.result_fields]
    assert Thumbnail.of(job).sha256 == Thumbnail.of(plain).sha256


def test_saved_files_have_names_that_say_what_they_are(tmp_path: Path) -> None:
    job = explained("text-to-image", explain={"words": ["red", "blue"]})
    names = {file.name.removeprefix(f"{job.id}-") for file in save_files(job, tmp_path)}
    files = {f"{what}-{word}.png" for what in ("map", "overlay", "changed") for word in ("red", "blue")}
    # The pictures as they are are the picture of the result.
    assert names == {"0.png", *files}


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["a/b", "a b"], ["a-b", "a-b-2"]),
        (["Red", "red", "red-2"], ["Red", "red-2", "red-2-3"]),
        (["红色", "圆形"], ["红色", "圆形"]),
        (["../../etc", "..."], ["etc", "2"]),
        (["x" * 300, "x" * 299], ["x" * 40, f"{'x' * 40}-2"]),
        (["tabby, tabby cat"], ["tabby-tabby-cat"]),
    ],
)
def test_every_label_makes_a_file_name_of_its_own(labels: list[str], names: list[str]) -> None:
    found = explained().result.explanation
    maps = [found.maps[0].model_copy(update={"label": label}) for label in labels]
    files = explanation_files(found.model_copy(update={"maps": tuple(maps)}))
    assert [name for name in files if name.startswith("map-")] == [f"map-{name}" for name in names]


WRITTEN: list[tuple[dict[str, str], Any]] = [
    ({"explain": "true"}, True),
    ({"explain": "FALSE"}, False),
    ({"explain": "grad-cam"}, "grad-cam"),
    ({"explain": '{"method": "occlusion", "stride": 4}'}, {"method": "occlusion", "stride": 4}),
    ({"explain": "occlusion", "explain.patch_size": "16"}, {"method": "occlusion", "patch_size": 16}),
    ({"explain.method": "occlusion", "explain.fill": "blur"}, {"method": "occlusion", "fill": "blur"}),
    ({"explain.faithfulness": "true"}, {"faithfulness": True}),
    ({"explain.words": "red, blue"}, {"words": ["red", "blue"]}),
    ({"explain.words": '["a, b"]'}, {"words": ["a, b"]}),
    ({"explain.words": "红色、圆形"}, {"words": ["红色", "圆形"]}),
    ({"explain.target": "7"}, {"target": "7"}),
    ({"explain.patch_size": "large"}, {"patch_size": "large"}),
]


@pytest.mark.parametrize(("fields", "choice"), WRITTEN)
def test_the_command_line_and_forms_of_http_read_the_same(fields: dict[str, str], choice: Any) -> None:
    assert parsed(CLASSES, [f"{name}={value}" for name, value in fields.items()]) == {"explain": choice}
    assert _of_fields(dict(fields), Refusals()) == {"explain": choice}


@pytest.mark.parametrize(
    "words",
    [
        ["explain=false", "explain.patch_size=16"],
        ["explain.method=occlusion", "explain=grad-cam"],
        ['explain={"stride": 4}', "explain.stride=5"],
        ["explain={"],
        ["explain.stride=4", "explain.stride=5"],
    ],
)
def test_contradictions_are_refused_at_the_field(words: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(CLASSES, words)
    assert (caught.value.field or "").startswith("explain")


def test_a_prompt_with_dots_is_still_a_prompt() -> None:
    assert parsed(kind_named("text-to-image"), ["v1.5=good"]) == {"prompt": "v1.5=good"}


def test_a_choice_is_written_in_one_line_and_spread_over_the_fields_of_a_form() -> None:
    choice = {"method": "words", "words": ["red", "blue"], "num_samples": 2, "faithfulness": False}
    assert explain_choice.written(choice) == "words, words red, blue, num_samples 2"
    spread = explain_choice.spread({"explain": choice})
    assert (spread["explain"], spread["explain.words"]) == ("words", "red, blue")


def test_the_command_line_says_what_a_map_means() -> None:
    facts = dict(explanation_facts(explained(explain={"faithfulness": True})))
    assert facts["explanation"].startswith("occlusion of circle")
    assert facts["map circle"] == "score 0.7, from 0 to 0.7"
    assert "not" in facts["meaning"]


def test_words_of_a_prompt_lead_to_their_maps() -> None:
    job = explained("text-to-image", prompt="a redder red, Red circle", explain={"words": ["red"]})
    shown = ShownExplanation.of(Presentation(job).explanations[0], ())
    assert [(each.text, each.number) for each in shown.words] == [
        ("a redder ", None), ("red", 1), (", ", None), ("Red", 1), (" circle", None),
    ]  # fmt: skip


def test_a_kind_offers_only_its_methods_and_each_only_its_settings() -> None:
    schema = KindSchemas(Catalogue.load()).submission(CLASSES)["properties"]["explain"]
    objects = {
        form["properties"]["method"]["const"]: form for form in schema["anyOf"] if "properties" in form
    }
    assert {*objects} == {*CLASSES.explains}
    for method, form in objects.items():
        assert {*form["properties"]} - {"method"} == PARAMETERS[method]
    assert "words" not in json.dumps([form.get("enum") for form in schema["anyOf"]])
