"""Warnings of results, and the words of those that the built-in families add."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

# Foreign text in a warning is cut: the names of a LoRA's keys or of a prompt's words may be of any length.
LONGEST_TEXT, MOST_NAMES = 100, 5
_SEPARATORS = {"en": ", ", "zh": "、"}

# By code and language. The names in braces are those of `ResultWarning.parameters`.
WARNINGS: Mapping[str, Mapping[str, str]] = {
    "prompt_cut": {
        "en": "The {encoder} used the first {used} tokens of {field} and left out the other {left_out}.",
        "zh": "{encoder} 只使用了 {field} 的前 {used} 个词元，其余 {left_out} 个未使用。",
    },
    "unknown_words": {
        "en": "The model does not know these words of {field}: {words}.",
        "zh": "模型不认识 {field} 中的这些词：{words}。",
    },
}


class ResultWarning(BaseModel):
    """Something that was done in another way than the request says, or that the model left out."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="Stable word, such as `prompt_cut`. Programs can compare it.")
    message: str = Field(description="What was done, in one English sentence. It may change.")
    field: str | None = Field(None, description="The parameter that the warning is about, if any.")
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Values in the message, by name. With `code`, they give the message in other languages.",
    )


def result_warning(code: str, field: str | None = None, **parameters: Any) -> ResultWarning:
    """Return a warning of a built-in family.

    Args:
        code: A key of `WARNINGS`.
        field: The parameter of the request that the warning is about; it is also a value of the message.
        parameters: The other values of the message: numbers, texts, or lists of texts. Long ones are cut.

    Raises:
        KeyError: There is no such code, or a value of its message is missing.
    """
    values = {name: _bounded(value) for name, value in parameters.items()}
    message = _filled(WARNINGS[code]["en"], field, values, "en")
    return ResultWarning(code=code, message=message, field=field, parameters=values)


def warning_text(warning: ResultWarning, language: str, words: Mapping[str, str] | None = None) -> str:
    """Return the message of a warning in a language; in English if there is no translation.

    Args:
        warning: The warning.
        language: `en` or `zh`.
        words: The words of the job's kind in that language. A plug-in translates the messages of its own
            warnings under `warning.<code>`.
    """
    built_in = WARNINGS.get(warning.code, {}).get(language)
    template = (words or {}).get(f"warning.{warning.code}", built_in)
    if template is None:
        return warning.message
    try:
        return _filled(template, warning.field, warning.parameters, language)
    # A newer version has other parameters for this code, or the words of a plug-in do not fit its warning.
    except (LookupError, ValueError, TypeError, AttributeError):
        return warning.message


def _filled(template: str, field: str | None, values: Mapping[str, JsonValue], language: str) -> str:
    shown = {name: _shown(value, language) for name, value in values.items()}
    return template.format(**{"field": field, **shown})


def _shown(value: JsonValue, language: str) -> Any:
    return _SEPARATORS.get(language, ", ").join(map(str, value)) if isinstance(value, list) else value


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[: LONGEST_TEXT - 1]}…"
    if isinstance(value, list | tuple):
        more = ["…"] if len(value) > MOST_NAMES else []
        return [*map(_bounded, value[:MOST_NAMES]), *more]
    return value
