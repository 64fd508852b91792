"""The built-in type `words`: words and patterns that requests, or the texts of results, must not contain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from brushwork_schemas.wording.phrase import said
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from brushwork_core.policies import Action, Decision, Policy, PolicyRequest, PolicyResult, PolicyType
from brushwork_core.policies.text_matching import TextMatcher, compiled, normalized

MOST_WORDS = 50_000
LONGEST_WORD = 200
LONGEST_PATTERN = 1000
REASON = "The text contains something that this service does not allow."


def _word(text: str) -> str:
    if not normalized(text):
        raise ValueError("must not be blank")
    return text


def _pattern(text: str) -> str:
    compiled(text)
    return text


Word = Annotated[str, Field(max_length=LONGEST_WORD), AfterValidator(_word)]
Pattern = Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN), AfterValidator(_pattern)]


class WordSettings(BaseModel):
    """Fields of a table of the type `words`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action = Action.REFUSE
    words: tuple[Word, ...] = Field((), max_length=MOST_WORDS)
    patterns: tuple[Pattern, ...] = Field((), max_length=500)
    words_file: Path | None = Field(None, description="Words, one a line; # begins a comment.")
    fields: tuple[str, ...] | None = Field(
        None, description="Fields of the request to read; by default all but the model and negative prompts."
    )
    results: bool = Field(False, description="Whether the texts of results are read, too, such as captions.")

    @model_validator(mode="after")
    def _has_something_to_find(self) -> Self:
        if not (self.words or self.patterns or self.words_file):
            raise ValueError("has none of words, patterns and words_file")
        if self.words_file is not None:
            _words_of(self.words_file)
        return self


class WordPolicy(Policy):
    """Decides by a list of words and patterns.

    Args:
        settings: The table of the policy.
    """

    def __init__(self, settings: WordSettings) -> None:
        self._settings = settings
        words = [*settings.words, *(_words_of(settings.words_file) if settings.words_file else ())]
        self._matcher = TextMatcher(words, settings.patterns)

    @property
    def reads_results(self) -> bool:
        """Whether the operator wants that."""
        return self._settings.results

    def check_request(self, request: PolicyRequest) -> Decision | None:
        """Read the texts of the request."""
        return self._decided(request.texts(self._settings.fields), is_request=True)

    def check_result(self, result: PolicyResult) -> Decision | None:
        """Read the texts of the result, if the operator wants that."""
        return self._decided(result.texts(), is_request=False) if self._settings.results else None

    def _decided(self, texts: Iterator[tuple[str, str]], *, is_request: bool) -> Decision | None:
        found = next((name for name, text in texts if self._matcher.finds(text)), None)
        if found is None:
            return None
        return Decision(self._settings.action, said(REASON), field=found if is_request else None)


def _words_of(file: Path) -> list[str]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(said("words_file {file} cannot be read: {error}", file=file, error=error)) from None
    words = [text for line in lines if normalized(text := line.partition("#")[0])]
    if not words:
        raise ValueError(said("words_file {file} has no words", file=file))
    if len(words) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in words):
        raise ValueError(
            said(
                "words_file {file} has more than {most} words, or one of more than {longest} characters",
                file=file,
                most=MOST_WORDS,
                longest=LONGEST_WORD,
            )
        )
    return words


WORDS = PolicyType(name="words", settings=WordSettings, build=WordPolicy, is_quick=True)
