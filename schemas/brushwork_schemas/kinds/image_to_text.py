"""Kind `image-to-text`: a caption of a picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import DigitalSource, Picture
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.explanations.request import EXPLAIN_CHINESE, ExplainableRequest
from brushwork_schemas.kinds.kind import Kind, ReadPicture
from brushwork_schemas.kinds.request import CHINESE, Text
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Table
from brushwork_schemas.kinds.view import Text as TextBlock
from brushwork_schemas.wording.phrase import said

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Catalogue, Model
    from brushwork_schemas.job import Job

_SAMPLE_CAPTIONS = {"en": "a red circle", "zh": "一个红色的圆"}


class ImageToTextRequest(ExplainableRequest):
    """Describe a picture in a sentence."""

    SPECIAL = frozenset(
        {"prompt", "num_beams", "num_return_sequences", "do_sample", "temperature", "top_p", "seed"}
    )

    ADVANCED = ExplainableRequest.ADVANCED | {
        *("prompt", "max_new_tokens", "num_beams", "num_return_sequences"),
        *("do_sample", "temperature", "top_p"),
    }

    image: Picture = Field(title="Picture", description="The picture to describe.")
    language: Literal["en", "zh"] = Field(
        "en", title="Language", description="Language of the caption, for models that offer a choice."
    )
    prompt: Text = Field(
        "",
        max_length=2000,
        title="Text prompt",
        description="Start of the caption, a task token, or a question, depending on the model.",
    )
    max_new_tokens: int | None = Field(
        None, ge=1, le=1024, title="Maximum length", description="Maximum length of the caption in tokens."
    )
    num_beams: int | None = Field(
        None, ge=1, le=16, title="Beams", description="Number of beams of the search; 1 is greedy search."
    )
    num_return_sequences: int = Field(
        1,
        ge=1,
        le=16,
        title="Captions",
        description="Number of captions to return, best first. Beam search returns at most `num_beams`.",
    )
    do_sample: bool = Field(
        False, title="Sample", description="Sample the tokens at random instead of searching for the best."
    )
    temperature: float | None = Field(
        None,
        gt=0.0,
        le=10.0,
        allow_inf_nan=False,
        title="Temperature",
        description="Temperature of sampling; values above 1 give more varied captions.",
    )
    top_p: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        title="Top p",
        description="Sample from the most probable tokens whose probabilities add up to this share.",
    )
    seed: int | None = Field(
        None, ge=0, le=2**63 - 1, title="Seed", description="Seed of sampling. Random by default."
    )


class Caption(BaseModel):
    """A caption with its score."""

    model_config = ConfigDict(frozen=True)

    text: str
    score: float | None = Field(
        None, description="Mean log-probability of its tokens; None if the model gives none."
    )


class ImageToTextResult(Result):
    """The best caption, and all captions with their scores, best first."""

    generated_text: str
    candidates: tuple[Caption, ...] = ()
    digital_source_type: str = Field(
        DigitalSource.GENERATED.uri,
        description="How the text came to be, as IPTC's address for it: a model has generated it.",
    )


def _check_decoding(request: ImageToTextRequest, model: "Model", catalogue: "Catalogue") -> None:
    beams, wrong = request.num_beams or 1, Refusals()
    if request.do_sample and beams > 1:
        raise InvalidRequest(
            said("num_beams ({beams}) cannot be combined with do_sample.", beams=beams),
            field="num_beams",
            hint="Leave out num_beams or do_sample.",
        )
    if not request.do_sample and request.num_return_sequences > beams:
        raise InvalidRequest(
            said(
                "num_return_sequences ({num_return_sequences}) exceeds num_beams ({beams}).",
                num_return_sequences=request.num_return_sequences,
                beams=beams,
            ),
            field="num_return_sequences",
            hint="Leave out num_beams, or set do_sample=True.",
        )
    for name in () if request.do_sample else ("temperature", "top_p"):
        if getattr(request, name) is not None:
            message = said("{field}: has an effect only with do_sample=True.", field=name)
            with wrong.noted():
                raise InvalidRequest(message, field=name, hint="Set do_sample=True.")
    wrong.raise_any()


def _complete(asked: ImageToTextRequest, complete: Mapping[str, Any], model: "Model") -> Mapping[str, Any]:
    """Choose as many beams as captions are asked for, and one beam for sampling."""
    if asked.num_beams is not None:
        return complete
    default = complete.get("num_beams")
    if asked.do_sample:
        return {**complete, "num_beams": 1}
    if default is None and asked.num_return_sequences == 1:
        return complete
    return {**complete, "num_beams": max(default or 1, asked.num_return_sequences)}


def _draws_seed(asked: ImageToTextRequest, model: "Model") -> bool:
    return asked.do_sample


def _facts(result: ImageToTextResult) -> Iterable[tuple[str, str]]:
    yield "caption", result.generated_text
    for number, candidate in enumerate(_several(result), 1):
        score = "" if candidate.score is None else f"{candidate.score:.3f}  "
        yield f"candidate {number}", f"{score}{candidate.text}"


def _several(result: ImageToTextResult) -> Sequence[Caption]:
    return result.candidates if len(result.candidates) > 1 else ()


def _view(job: "Job") -> Sequence[Block]:
    result = job.result
    if not isinstance(result, ImageToTextResult):
        return ()
    rows = [(each.text, "" if each.score is None else f"{each.score:.3f}") for each in _several(result)]
    captions = Table(
        title={"en": "Captions, best first", "zh": "图片描述，从好到差"},
        columns=({"en": "Caption", "zh": "描述"}, {"en": "Score", "zh": "得分"}),
        rows=rows,
        note={
            "en": "The score is the mean log-probability of the tokens.",
            "zh": "得分是各词元对数概率的平均值。",
        },
        name="candidates",
    )
    return (TextBlock(result.generated_text), *((captions,) if rows else ()))


def _headline(result: ImageToTextResult) -> str:
    return result.generated_text


def _sample(job: "Job", picture: ReadPicture) -> Mapping[str, Any]:
    request = job.request
    text = f"{request.prompt}{_SAMPLE_CAPTIONS[request.language]}"
    number = request.num_return_sequences
    texts = [text, *(f"{text} ({place})" for place in range(2, number + 1))]
    scored = [{"text": each, "score": -0.5 * place} for place, each in enumerate(texts, 1)]
    return {"generated_text": text, "candidates": scored if number > 1 else ()}


def _from_short(written: Any) -> Mapping[str, Any] | None:
    return {"generated_text": written} if isinstance(written, str) else None


KIND = Kind(
    name="image-to-text",
    request_type=ImageToTextRequest,
    result_type=ImageToTextResult,
    title={"en": "Caption", "zh": "图片描述"},
    action={"en": "Describe a picture", "zh": "用一句话描述图片"},
    example={"image": RED_PICTURE},
    sample=_sample,
    facts=_facts,
    view=_view,
    headline=_headline,
    checks=(_check_decoding,),
    complete=_complete,
    draws_seed=_draws_seed,
    from_short=_from_short,
    explains=("tokens",),
    follow_up={"en": "Describe it", "zh": "描述它"},
    words={
        "zh": {
            **CHINESE,
            **EXPLAIN_CHINESE,
            "field.language.label": "语言",
            "field.language.hint": "适用于可选语言的模型。",
            "field.prompt.label": "开头的文字",
            "field.prompt.hint": "描述的开头、任务标记或问题，取决于模型。",
            "field.max_new_tokens.label": "描述的最大长度",
            "field.max_new_tokens.hint": "以词元计。",
            "field.num_beams.label": "束搜索宽度",
            "field.num_beams.hint": "1 为贪心搜索。",
            "field.num_return_sequences.label": "描述数量",
            "field.num_return_sequences.hint": "从好到差；不采样时不超过束搜索宽度。",
            "field.do_sample.label": "随机采样",
            "field.do_sample.hint": "随机抽取词元，而不是寻找最优。",
            "field.temperature.label": "温度",
            "field.temperature.hint": "用于采样：大于 1 时描述更多样。",
            "field.top_p.label": "Top p",
            "field.top_p.hint": "只从累计概率达到此值的词元中抽取。",
            "choice.en": "英文",
            "choice.zh": "中文",
        },
        "en": {"choice.en": "English", "choice.zh": "Chinese"},
    },
    order=50,
)
