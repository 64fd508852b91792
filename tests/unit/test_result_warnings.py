"""Warnings of results: their words, and every place where a reader or a program sees them."""

from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from brushwork.cli.terminal import DATA
from brushwork.cli.views.job import print_job
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork.testing import FakeClient
from brushwork_core.database.database import Database
from brushwork_schemas.kinds.registry import all_kinds, typed_result
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.warnings import WARNINGS, ResultWarning, result_warning, warning_text
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.interface import JobContext

from tests.clients import png
from tests.gateways import gateway, settings_at
from tests.jobs import result_of
from tests.pages import ended, submitted
from tests.stations import Make, TestStation

CUT = result_warning("prompt_cut", "negative_prompt", encoder="CLIP <L>", used=75, left_out=30)


@pytest.fixture
def make(sqlite_url: str, tmp_path: Path) -> Iterator[Make]:
    database = Database(sqlite_url)
    yield lambda act: TestStation(database, tmp_path, act)
    database.close()


class TestWords:
    def test_a_message_is_built_from_code_and_parameters(self) -> None:
        assert CUT.message == (
            "The CLIP <L> used the first 75 tokens of negative_prompt and left out the other 30."
        )
        assert CUT.parameters == {"encoder": "CLIP <L>", "used": 75, "left_out": 30}
        assert warning_text(CUT, "en") == CUT.message
        assert "75" in warning_text(CUT, "zh")
        assert warning_text(CUT, "zh") != CUT.message

    @pytest.mark.parametrize("code", WARNINGS)
    def test_every_language_fills_in_the_same_values(self, code: str) -> None:
        def places(text: str) -> set[str]:
            return {name for _, name, _, _ in Formatter().parse(text) if name}

        assert WARNINGS[code].keys() == {"en", "zh"}
        assert places(WARNINGS[code]["en"]) == places(WARNINGS[code]["zh"])

    def test_long_foreign_text_is_cut(self) -> None:
        cut = result_warning("prompt_cut", "prompt", encoder="x" * 10_000, used=1, left_out=2)
        assert len(cut.message) < 250

    def test_a_missing_value_is_a_bug_of_the_family(self) -> None:
        with pytest.raises(KeyError):
            result_warning("prompt_cut", "prompt", used=1)

    def test_a_plug_in_translates_its_own(self) -> None:
        own = ResultWarning(code="too_dark", message="It is dark.", parameters={"share": 3})
        assert warning_text(own, "zh", {"warning.too_dark": "太暗：{share}"}) == "太暗：3"
        assert warning_text(own, "zh") == "It is dark."

    @pytest.mark.parametrize("misfit", ["{other}", "{", "{share.real.x}", "{0}", "{share:%Y}"])
    def test_words_that_do_not_fit_break_no_page(self, misfit: str) -> None:
        own = ResultWarning(code="too_dark", message="It is dark.", parameters={"share": 3})
        assert warning_text(own, "zh", {"warning.too_dark": misfit}) == "It is dark."


class TestStored:
    def test_a_result_without_the_field_has_none(self) -> None:
        assert typed_result("text-to-image", result_of(1)).warnings == ()

    def test_fields_of_a_newer_version_are_skipped(self) -> None:
        newer = {**CUT.model_dump(mode="json"), "severity": 3}
        read = typed_result("text-to-image", {**result_of(1), "warnings": [newer], "also": 1})
        assert read.warnings == (CUT,)

    @pytest.mark.parametrize("kind", all_kinds())
    def test_every_kind_has_them(self, kind: str) -> None:
        assert issubclass(all_kinds()[kind].result_type, Result)
        assert "warnings" in all_kinds()[kind].result_type.model_json_schema()["properties"]


def test_a_handler_adds_each_warning_once(make: Make) -> None:
    def act(request: Any, context: JobContext) -> None:
        context.warn(CUT)
        context.warn(result_warning("prompt_cut", "prompt", encoder="T5", used=512, left_out=1))
        context.warn(CUT)

    station = make(act)
    assert station.execute(station.adopted()) is Outcome.SUCCEEDED
    result = station.job().result
    assert result is not None
    assert [each.field for each in result.warnings] == ["negative_prompt", "prompt"]
    assert result.warnings[0] == CUT


def test_the_next_job_has_none_of_them(make: Make) -> None:
    warnings = [CUT]

    def act(request: Any, context: JobContext) -> None:
        for warning in warnings:
            context.warn(warning)

    station = make(act)
    assert station.execute(station.adopted()) is Outcome.SUCCEEDED
    warnings.clear()
    other = station.adopted("other")
    assert station.execute(other) is Outcome.SUCCEEDED
    result = station.job("other").result
    assert result is not None
    assert result.warnings == ()


def test_the_terminal_prints_them() -> None:
    client = FakeClient(auto=True)
    client.answer("text-to-image", {"warnings": [CUT]})
    job = client.submit("text-to-image", prompt="x")
    with DATA.capture() as printed:
        print_job(client, job)
    assert CUT.message in " ".join(printed.get().split())


def test_the_fakes_take_them_as_objects_and_as_json() -> None:
    client = FakeClient(auto=True)
    client.answer("image-to-text", {"warnings": [CUT]}, {"warnings": [CUT.model_dump(mode="json")]})
    found = [client.submit("image-to-text", image=png()).result for _ in range(2)]
    assert [each.warnings for each in found] == [(CUT,), (CUT,)]


@pytest.mark.parametrize(("language", "text"), [("en", "left out the other 30"), ("zh", "其余 30 个未使用")])
def test_the_page_and_the_answer_have_them(sqlite_url: str, tmp_path: Path, language: str, text: str) -> None:
    settings = settings_at(sqlite_url, tmp_path)
    with gateway(settings) as client:
        job = submitted(settings)
        ended(settings, job, {"warnings": [CUT.model_dump(mode="json")]})
        page = client.get(f"/jobs/{job.id}", headers={"Accept-Language": language}).text
        assert text in page
        assert "CLIP &lt;L&gt;" in page
        answered = client.get(f"/v1/jobs/{job.id}").json()["result"]["warnings"]
    assert [ResultWarning.model_validate(each) for each in answered] == [CUT]


def test_the_contract_describes_them(sqlite_url: str, tmp_path: Path) -> None:
    schemas = create_app(settings_at(sqlite_url, tmp_path), PAGE).openapi()["components"]["schemas"]
    assert {"code", "message"} <= set(schemas["ResultWarning"]["required"])
    listed = schemas["TextToImageResult"]["properties"]["warnings"]
    assert listed["items"] == {"$ref": "#/components/schemas/ResultWarning"}
