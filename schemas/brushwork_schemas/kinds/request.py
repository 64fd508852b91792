"""What the requests of all kinds have in common.

Names and meanings of fields are those of diffusers and transformers. `admission.admit` fills in fields that
are None from the model's defaults before the job is written, so a stored request is complete.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _storable(text: str) -> str:
    # PostgreSQL cannot store U+0000, and no tokenizer uses it.
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    # Half of a UTF-16 surrogate pair can neither be stored nor tokenized.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain unpaired UTF-16 surrogates")
    return text


def not_blank(text: str) -> str:
    """Return `text`; raise ValueError if it is blank."""
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Side = Annotated[int, Field(ge=16, le=4096, multiple_of=8)]


class Request(BaseModel):
    """Fields of every request.

    Fields that are added later must have a default, so that old messages stay readable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # Fields that only some models accept. A request that sets one is refused for other models.
    SPECIAL: ClassVar[frozenset[str]] = frozenset()
    # Optional fields that a form shows only under "More settings".
    ADVANCED: ClassVar[frozenset[str]] = frozenset({"deterministic"})

    version: Literal[1] = Field(1, title="Version", description="Version of the request schema.")
    model: str | None = Field(
        None,
        max_length=200,
        title="Model",
        description="Name of a model in the catalogue; by default the first model of the kind.",
    )
    deterministic: bool = Field(
        False,
        title="Deterministic",
        description="Run this job without sharing a batch, so that the same request on the same machine "
        "gives the same bytes. Batches change results by rounding, a few millionths of the range.",
    )

    @property
    def summary(self) -> str:
        """What decides the cost of the request, in a few words, without private text."""
        return ""

    @property
    def cost(self) -> float:
        """Cost for budgets: megapixels x denoising steps; 1 for a request that only reads a picture."""
        return 1.0


CHINESE = {
    "field.model.label": "模型",
    "field.model.hint": "",
    "field.version.label": "版本",
    "field.version.hint": "请求格式的版本。",
    "field.deterministic.label": "逐字节一致",
    "field.deterministic.hint": "不与其他任务共用批次，使同样的请求得到同样的字节。",
    "field.image.label": "图片",
    "field.image.hint": "PNG、JPEG、WebP、AVIF、HEIC、BMP、TIFF 或 GIF。",
    "field.seed.label": "随机种子",
    "field.seed.hint": "同样的种子得到同样的图片。不填则随机。",
}
"""Chinese labels and hints of fields that several kinds have."""
