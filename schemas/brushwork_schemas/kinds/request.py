"""What a caller may ask, one frozen model for each kind of job.

Names and meanings are those of diffusers and transformers. A field that is None is filled in by
`admission.admit` from the model's defaults before the job is written, so a stored request is complete.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _storable(text: str) -> str:
    # PostgreSQL stores no U+0000, and no tokenizer has a use for it.
    if "\0" in text:
        raise ValueError("must not hold the character U+0000")
    # Half of a pair of UTF-16: neither stored nor read by a tokenizer.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be text, without halves of surrogate pairs")
    return text


def not_blank(text: str) -> str:
    """Return `text`; raise ValueError where it is blank."""
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Side = Annotated[int, Field(ge=16, le=4096, multiple_of=8)]


class Request(BaseModel):
    """What all kinds have in common. Later fields must have a default, so that old messages stay readable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # Fields that only some models know: a request that sets one is refused by a model that does not.
    SPECIAL: ClassVar[frozenset[str]] = frozenset()

    version: Literal[1] = Field(1, description="Version of this request's schema.")
    model: str | None = Field(
        None,
        max_length=200,
        description="A model's name in the catalogue; by default the first of the kind.",
    )
    deterministic: bool = Field(
        False,
        description="Share no run of the model with other jobs. Sums round otherwise in a batch, by a few "
        "millionths of the range; alone, the same request on the same machine gives the same bytes.",
    )

    @property
    def summary(self) -> str:
        """What sets the cost of this request, in a few words; nothing private."""
        return ""

    @property
    def cost(self) -> float:
        """What it takes from a budget: megapixels x denoising steps; 1 for a picture that is looked at."""
        return 1.0
