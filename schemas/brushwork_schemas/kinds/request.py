"""What the requests of all kinds have in common.

Names and meanings of fields are those of diffusers and transformers. `admission.admit` fills in fields that
are None from the model's defaults before the job is written, so a stored request is complete.
"""

from functools import cache
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


def is_unset(value: object) -> bool:
    """Return whether a field is left out: workers of older versions refuse fields that they do not know."""
    return value is None


Text = Annotated[str, AfterValidator(_storable)]
Side = Annotated[int, Field(ge=16, le=4096, multiple_of=8)]
OutputFormat = Literal["png", "jpeg", "webp", "avif"]
Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]


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
        "gives the same pixels, and the same bytes but for a signature. Batches change results by rounding, "
        "a few millionths of the range.",
    )

    @classmethod
    @cache
    def model_parameters(cls) -> frozenset[str]:
        """Return the optional fields that become arguments of the model. A pipeline may lack any of them.

        The seed is not one of them: a job whose pipeline takes no generator is seeded by the worker. Nor is
        the choice of an explanation, which the worker makes.
        """
        own = cls.model_fields.keys() - NewPictureRequest.model_fields.keys() - {"seed", "explain"}
        return frozenset(name for name in own if not cls.model_fields[name].is_required())

    @property
    def summary(self) -> str:
        """What decides the cost of the request, in a few words, without private text."""
        return ""

    @property
    def cost(self) -> float:
        """Cost for budgets: megapixels x denoising steps; 1 for a request that only reads a picture."""
        return 1.0


class LabelledRequest(Request):
    """Fields of requests whose results are new pictures or videos: what these say about themselves."""

    LABEL_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"embed_parameters", "visible_label", "visible_label_text", "visible_label_corner"}
    )
    # Fields that concern the files alone, not what they show.
    FILE_FIELDS: ClassVar[frozenset[str]] = LABEL_FIELDS
    ADVANCED = Request.ADVANCED | LABEL_FIELDS

    embed_parameters: bool | None = Field(
        None,
        exclude_if=is_unset,
        title="Parameters in the file",
        description="Write prompt, seed and the other parameters into the files, where everyone who has them "
        "can read them. By default as the operator has set.",
    )
    visible_label: bool | None = Field(
        None,
        exclude_if=is_unset,
        title="Visible label",
        description="Draw a label into a corner that says that AI has made the picture. By default as the "
        "operator has set.",
    )
    visible_label_text: Annotated[Text, AfterValidator(not_blank)] | None = Field(
        None,
        exclude_if=is_unset,
        max_length=60,
        title="Text of the label",
        description="Text of the visible label; by default as the operator has set.",
    )
    visible_label_corner: Corner | None = Field(
        None,
        exclude_if=is_unset,
        title="Corner of the label",
        description="Corner of the visible label; bottom-right by default.",
    )


class _PictureFileRequest(Request):
    """Fields of requests whose results are picture files: their format."""

    output_format: OutputFormat | None = Field(
        None,
        exclude_if=is_unset,
        title="File format",
        description="Format of the files of the result; PNG by default.",
    )
    output_quality: int | None = Field(
        None,
        exclude_if=is_unset,
        ge=1,
        le=100,
        title="File quality",
        description="Quality of a JPEG, WebP or AVIF, 1 to 100; 90 by default, 80 for AVIF.",
    )


# The bases are listed backwards, since pydantic collects the fields of the last base first.
class NewPictureRequest(LabelledRequest, _PictureFileRequest):
    """Fields of requests whose results are new pictures: their files, and what these say about themselves."""

    FILE_FIELDS: ClassVar[frozenset[str]] = LabelledRequest.LABEL_FIELDS | {"output_format", "output_quality"}
    ADVANCED = Request.ADVANCED | FILE_FIELDS


CHINESE = {
    "field.model.label": "模型",
    "field.model.hint": "",
    "field.version.label": "版本",
    "field.version.hint": "请求格式的版本。",
    "field.deterministic.label": "逐字节一致",
    "field.deterministic.hint": "不与其他任务共用批次，使同样的请求得到同样的像素；除签名外字节也相同。",
    "field.image.label": "图片",
    "field.image.hint": "PNG、JPEG、WebP、AVIF、HEIC、BMP、TIFF 或 GIF。",
    "field.seed.label": "随机种子",
    "field.seed.hint": "同样的种子得到同样的图片。不填则随机。",
    "field.output_format.label": "文件格式",
    "field.output_format.hint": "结果文件的格式；默认为 PNG。",
    "field.output_quality.label": "文件质量",
    "field.output_quality.hint": "JPEG、WebP 或 AVIF 的质量，1 到 100；默认 90，AVIF 为 80。",
    "field.embed_parameters.label": "在文件中写入参数",
    "field.embed_parameters.hint": "把提示词、种子等参数写入文件，拿到文件的人都能读到。",
    "field.visible_label.label": "可见标识",
    "field.visible_label.hint": "在图片一角写明由 AI 生成。",
    "field.visible_label_text.label": "标识文字",
    "field.visible_label_text.hint": "可见标识的文字；默认由管理员设定。",
    "field.visible_label_corner.label": "标识位置",
    "field.visible_label_corner.hint": "可见标识所在的角；默认为右下角。",
    "choice.top-left": "左上角",
    "choice.top-right": "右上角",
    "choice.bottom-left": "左下角",
    "choice.bottom-right": "右下角",
    "choice.png": "PNG",
    "choice.jpeg": "JPEG",
    "choice.webp": "WebP",
    "choice.avif": "AVIF",
}
"""Chinese labels and hints of fields that several kinds have."""
