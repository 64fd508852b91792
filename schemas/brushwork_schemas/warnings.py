"""Warnings of results, and the words of those that the built-in families add."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

# Foreign text in a warning is cut: the names of a LoRA's keys or of a prompt's words may be of any length.
LONGEST_TEXT, MOST_NAMES = 100, 5
_SEPARATORS = {"en": ", ", "zh": "、"}

# By code and language. The names in braces are those of `ResultWarning.parameters`.
WARNINGS: Mapping[str, Mapping[str, str]] = {
    "model_on_no_worker": {
        "en": "No ready worker has the model {model}. The job waits for a worker of its kind, and fails if "
        "that worker does not have the model.",
        "zh": "目前没有就绪的工作进程拥有模型 {model}。任务会等待同类别的工作进程；"
        "如果接手的工作进程没有这个模型，任务会失败。",
    },
    "not_signed": {
        "en": "The picture has no Content Credentials, because it could not be signed: {reason}.",
        "zh": "图片没有内容凭证，因为无法签名：{reason}。",
    },
    "prompt_cut": {
        "en": "The {encoder} used the first {used} tokens of {field} and left out the other {left_out}.",
        "zh": "{encoder} 只使用了 {field} 的前 {used} 个词元，其余 {left_out} 个未使用。",
    },
    "filenames_decoded": {
        "en": "The archive does not state the encoding of its file names. Read as {encoding}, the "
        "classes are {labels}.",
        "zh": "压缩包没有标明文件名的编码，已按 {encoding} 读取，类别为：{labels}。",
    },
    "test_folder_used": {
        "en": "There is no validation folder in {field}, so the pictures of the test folder were used for "
        "validation.",
        "zh": "{field} 中没有 validation 文件夹，已用 test 文件夹中的图片做验证。",
    },
    "test_folder_unused": {
        "en": "The {number} pictures of the test folder in {field} were not used.",
        "zh": "{field} 的 test 文件夹中的 {number} 张图片未使用。",
    },
    "unknown_words": {
        "en": "The model does not know these words of {field}: {words}.",
        "zh": "模型不认识 {field} 中的这些词：{words}。",
    },
    "words_not_written": {
        "en": "The caption does not have these words of {field}: {words}. It has: {known}.",
        "zh": "描述中没有 {field} 里的这些词：{words}。描述中有：{known}。",
    },
    "vae_float32": {
        "en": "The VAE overflowed in {dtype} and ran again in float32.",
        "zh": "VAE 在 {dtype} 精度下溢出，已改用 float32 重新计算。",
    },
    "picture_constant": {
        "en": "All pixels of these pictures have the same colour: {pictures}.",
        "zh": "以下图片的所有像素颜色相同：{pictures}。",
    },
    "lora_keys_unused": {
        "en": "{unused} of the {total} keys of the adapter {adapter} fit no layer of the model and had no "
        "effect, for example {keys}.",
        "zh": "适配器 {adapter} 的 {total} 个键中有 {unused} 个与模型的任何层都不匹配，没有生效，"
        "例如：{keys}。",
    },
    "lora_off": {
        "en": "The adapter {adapter} has the weight 0 and had no effect.",
        "zh": "适配器 {adapter} 的权重为 0，没有生效。",
    },
    "ip_adapter_off": {
        "en": "The IP-Adapter {adapter} has the weight 0 and had no effect.",
        "zh": "IP-Adapter {adapter} 的权重为 0，没有生效。",
    },
    "weights_plain": {
        "en": "{field} seems to have weights such as (word:1.3), or BREAK. They were read as plain text; set "
        "prompt_weighting to true to use them.",
        "zh": "{field} 中似乎有 (词:1.3) 这样的权重或 BREAK，它们被当作普通文字；要使用权重，请将 "
        "prompt_weighting 设为 true。",
    },
    "parameter_ignored": {
        "en": "{field} had no effect: {reason}.",
        "zh": "{field} 没有生效：{reason}。",
    },
    "size_rounded": {
        "en": "The result has {used} pixels, because the picture has {given} and the sides must be multiples "
        "of {multiple}.",
        "zh": "图片为 {given} 像素，而边长必须是 {multiple} 的倍数，因此结果为 {used} 像素。",
    },
    "size_reduced": {
        "en": "The picture of {given} pixels was reduced to {used}, the size that the model was trained for.",
        "zh": "图片已从 {given} 像素缩小到 {used} 像素，即模型训练时的尺寸。",
    },
    "frames_rounded": {
        "en": "The video has {used} frames, not {given}: the model makes videos of certain lengths only.",
        "zh": "视频有 {used} 帧，而不是 {given} 帧：该模型只能生成特定帧数的视频。",
    },
    "image_stretched": {
        "en": "{field} of {given} pixels was stretched to {used}, so its proportions changed.",
        "zh": "{field} 已从 {given} 像素拉伸到 {used} 像素，宽高比发生了变化。",
    },
    "max_new_tokens_reduced": {
        "en": "{field} was reduced from {given} to {used}: the model has no room for more after the prompt.",
        "zh": "{field} 已从 {given} 降为 {used}：提示词之后模型只能再生成这么多。",
    },
    "visible_label_cut": {
        "en": "A picture of {width} x {height} pixels has no room for the whole text of the visible label.",
        "zh": "{width} × {height} 像素的图片放不下可见标识的全部文字。",
    },
    "parameters_not_embedded": {
        "en": "The parameters are too long for a JPEG, so the file does not hold them.",
        "zh": "参数太长，JPEG 文件放不下，因此没有写入文件。",
    },
    "words_not_explained": {
        "en": "These words have no map: {words}. The reason: {reason}.",
        "zh": "以下词语没有解释图：{words}。原因：{reason}。",
    },
    "explanation_removed": {
        "en": "The explanation was left out, because a policy blurred a picture that it shows.",
        "zh": "由于策略模糊了解释中出现的图片，解释已被移除。",
    },
    "policy_blurred": {
        "en": "Blurred by the policy {policy}: {reason}",
        "zh": "策略 {policy} 已模糊处理：{reason}",
    },
    "policy_flagged": {
        "en": "Flagged by the policy {policy}: {reason}",
        "zh": "策略 {policy} 已标记：{reason}",
    },
    "top_k_reduced": {
        "en": "{field} is {given}, but the model has only {used} classes.",
        "zh": "{field} 为 {given}，但模型只有 {used} 个类别。",
    },
}
# Why a parameter had no effect, by language; the value `reason` of `parameter_ignored`.
REASONS: Mapping[str, Mapping[str, str]] = {
    "no_guidance": {
        "en": "guidance is off, because guidance_scale is 1 or less",
        "zh": "guidance_scale 不大于 1，引导已关闭",
    },
    "distilled": {
        "en": "the model is distilled and runs without it",
        "zh": "该模型经过蒸馏，不使用此参数",
    },
    "too_few_steps": {
        "en": "the first two steps and the last one are always computed, and no other is left to skip",
        "zh": "前两步和最后一步总要计算，没有其他可以跳过的步",
    },
    "no_controlnet": {"en": "the request names no controlnet", "zh": "请求中没有 controlnet"},
    "safety_checker": {
        "en": "the safety checker of the model replaced a picture",
        "zh": "模型的安全检查器替换了图片",
    },
    "word_not_finite": {
        "en": "the values of the picture without the word are not finite",
        "zh": "更换该词后图片的数值不是有限数",
    },
    "operator": {
        "en": "the operator requires the visible label with its own text",
        "zh": "管理员要求使用其设定的可见标识",
    },
    "no_visible_label": {"en": "the request has no visible_label", "zh": "请求没有要求可见标识"},
    "lossless": {"en": "a PNG keeps all pixels and has no quality", "zh": "PNG 是无损格式，没有质量参数"},
    "semantic": {
        "en": "the semantic task gives each pixel its best class",
        "zh": "语义分割任务总是取每个像素得分最高的类别",
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
    if (reason := REASONS.get(str(shown.get("reason")))) is not None:
        shown["reason"] = reason.get(language, reason["en"])
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
