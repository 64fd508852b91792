"""Every error that a caller can meet has a Chinese text."""

import ast
import inspect
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork_schemas import errors
from brushwork_schemas.errors import BrushworkError, InvalidRequest, store
from brushwork_schemas.job import JobError
from brushwork_schemas.wording.phrase import Phrase, either, parameters_of, restored, said, template_of
from brushwork_schemas.wording.translation import chosen_language, texts, translated
from pydantic_core._pydantic_core import list_all_errors

ROOT = Path(__file__).parents[2]
LAYERS = (
    "schemas/brushwork_schemas",
    "core/brushwork_core",
    "producer/brushwork",
    "workers/brushwork_workers",
)
RAISED = {
    name
    for module in (errors, store)
    for name, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, BrushworkError)
} | {"ValueError", "refused", "_refused", "_unreadable", "_invalid", "_misconfigured", "_Fault"}
TEXTS = ("message", "hint", "reason")
# Errors of programmers and of plug-ins, which no caller of a service meets.
NOT_FOR_CALLERS = ("producer/brushwork/testing", "schemas/brushwork_schemas/plugins.py")


def _constants(argument: ast.expr) -> Iterator[ast.expr]:
    if isinstance(argument, ast.IfExp):
        yield from _constants(argument.body)
        yield from _constants(argument.orelse)
    else:
        yield argument


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _arguments(tree: ast.AST) -> Iterator[tuple[bool, ast.expr]]:
    """Return the texts of errors: whether `said` takes it, and the text."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = _called(call)
        if name == "said" and call.args:
            yield from ((True, each) for each in _constants(call.args[0]))
        elif name == "private":
            # What callers read in place of the value.
            yield from ((True, each) for each in call.args[1:2])
        elif name in RAISED:
            named = [keyword.value for keyword in call.keywords if keyword.arg in TEXTS]
            for argument in (*call.args[:2], *named):
                yield from ((False, each) for each in _constants(argument))


def _found() -> Iterator[tuple[str, bool, ast.expr]]:
    for layer in LAYERS:
        for file in sorted((ROOT / layer).rglob("*.py")):
            place = file.relative_to(ROOT).as_posix()
            if not place.startswith(NOT_FOR_CALLERS):
                for is_said, text in _arguments(ast.parse(file.read_text("utf-8"))):
                    yield f"{place}:{text.lineno}", is_said, text


def _is_sentence(text: str) -> bool:
    return " " in text.strip()


def test_every_text_of_an_error_has_a_chinese_text() -> None:
    known = texts("zh")
    missing = [
        f"{place} {text.value!r}"
        for place, is_said, text in _found()
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and text.value not in known
        if is_said or _is_sentence(text.value)
    ]
    assert missing == []


def test_no_text_of_an_error_is_an_f_string_which_could_not_be_translated() -> None:
    found = [
        place
        for place, _, text in _found()
        if isinstance(text, ast.JoinedStr)
        and any(isinstance(part, ast.FormattedValue) for part in text.values)
    ]
    assert found == []


def test_a_chinese_text_has_only_parameters_of_its_template() -> None:
    def names(template: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name}

    wrong = [
        template
        for template, text in texts("zh").items()
        if not template.startswith("pydantic.") and not names(text) <= names(template)
    ]
    assert wrong == []


def test_a_chinese_text_uses_full_width_punctuation() -> None:
    marks = ("，", "。", "：", "；", "？")
    narrow = [text for text in texts("zh").values() if any(f"{mark} " in text for mark in marks)]
    assert narrow == []


def test_every_type_of_pydantic_is_translated() -> None:
    known = {str(each["type"]) for each in list_all_errors()}
    assert {f"pydantic.{name}" for name in known} - texts("zh").keys() == set()
    for each in list_all_errors():
        context = {name: str(value) for name, value in (each.get("example_context") or {}).items()}
        text = Phrase("english", f"pydantic.{each['type']}", context)
        assert translated(text, "zh") != "english", each["type"]


def test_a_phrase_is_the_english_text_and_can_be_said_in_chinese() -> None:
    text = said("{field}: {model} requires {fields}.", field="points", model="sam", fields=either(["a", "b"]))
    assert text == "points: sam requires a or b."
    assert translated(text, "en") == text
    assert translated(text, "zh") == "points：模型 sam 必须有 a 或 b。"
    assert translated(text, "zh", {"points": "点"}) == "点：模型 sam 必须有 a 或 b。"


def test_a_phrase_survives_storage() -> None:
    inner = said("must have at most {longest_url} characters", longest_url=9)
    text = said("{field}: {reason}.", field="width", reason=inner)
    error = InvalidRequest(text, field="width", hint=said("Choose one of: {names}.", names=["a", "b"]))
    stored = JobError.model_validate_json(JobError.of(error).model_dump_json())
    assert stored.message == "width: must have at most 9 characters."
    read = stored.in_language("zh")
    assert (read.message, read.hint) == ("width：最多 9 个字符。", "可以选择：a、b。")
    assert [each.message for each in read.errors] == ["width：最多 9 个字符。"]
    assert restored(str(text), template_of(text), parameters_of(text)) == text


def test_an_error_of_an_older_version_stays_readable() -> None:
    old = JobError.model_validate(
        {"code": "invalid_request", "message": "width: it was 65.", "fault": "caller"}
    )
    assert old.in_language("zh").message == "width: it was 65."


def test_a_translation_that_does_not_fit_leaves_the_text_as_it_was() -> None:
    assert translated(Phrase("English.", "{field}: {reason}.", {"field": "width"}), "zh") == "English."


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,zh-TW;q=0.5", "zh"),
        ("zh;q=0,en;q=0.1", "en"),
        ("fr", "en"),
        ("zh;q=x, en", "en"),
        ("*", "en"),
    ],
)
def test_the_language_of_a_reader(accepted: str, language: str) -> None:
    assert chosen_language(accepted) == language
