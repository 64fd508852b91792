"""Parameters of all kinds that come with brushwork, for type checkers."""

# Generated from the kinds by `python -m tests.typed_clients --write`. Do not edit.

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Required, TypeAlias, TypedDict

from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.generation.add_ons import IpAdapterChoice, LoraChoice
from brushwork_schemas.kinds.image_segmentation import Box, Point
from brushwork_schemas.options import Priority

from brushwork.typed.arguments import DatasetFile, PictureFile

KindName: TypeAlias = Literal[
    "text-to-image",
    "image-to-image",
    "image-editing",
    "inpainting",
    "image-upscaling",
    "text-to-video",
    "image-to-video",
    "image-to-text",
    "image-classification",
    "image-segmentation",
    "image-preprocessing",
    "image-classification-training",
]


class OptionParameters(TypedDict, total=False):
    """Options that all kinds have. `JobOptions` describes them."""

    priority: Priority | Literal["low", "normal", "high", "urgent"] | None
    tenant: str | None
    deadline_s: float | None
    idempotency_key: str | None
    webhook_url: str | None
    webhook_events: Sequence[Literal["started", "succeeded", "failed", "canceled", "expired"]] | None
    group: str | None
    retention_s: float | None
    first_frame: bool | None
    traceparent: str | None


class LoraChoiceItem(TypedDict, total=False):
    """A `LoraChoice` as a mapping."""

    name: Required[str]
    weight: float


class IpAdapterChoiceItem(TypedDict, total=False):
    """A `IpAdapterChoice` as a mapping."""

    name: Required[str]
    images: Required[PictureFile | Sequence[PictureFile]]
    weight: float


class ExplainItem(TypedDict, total=False):
    """A `Explain` as a mapping."""

    method: Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"] | None
    target: str | None
    words: list[str] | tuple[str, ...] | None
    patch_size: int | None
    stride: int | None
    fill: Literal["mean", "blur", "black", "gray", "white"] | None
    num_samples: int | None
    faithfulness: bool


class PointItem(TypedDict, total=False):
    """A `Point` as a mapping."""

    x: Required[float]
    y: Required[float]
    is_on: bool
    object: int


class BoxItem(TypedDict, total=False):
    """A `Box` as a mapping."""

    x_min: Required[float]
    y_min: Required[float]
    x_max: Required[float]
    y_max: Required[float]


class TextToImageFields(OptionParameters, total=False):
    """Optional parameters of text-to-image."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    negative_prompt: str
    width: int | None
    height: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    seed: int | None
    num_images_per_prompt: int
    scheduler: str | None
    clip_skip: int | None
    loras: Sequence[LoraChoice | LoraChoiceItem]
    controlnet: str | None
    control_image: PictureFile | None
    controlnet_conditioning_scale: float | None
    acceleration: float
    ip_adapters: Sequence[IpAdapterChoice | IpAdapterChoiceItem]
    prompt_weighting: bool | None
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    output_format: Literal["png", "jpeg", "webp", "avif"] | None
    output_quality: int | None
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None


class TextToImageParameters(TextToImageFields):
    """Parameters of text-to-image. `TextToImageRequest` describes them."""

    prompt: str


class TextToImageChanges(TextToImageFields, total=False):
    """Changes for a repeated job of text-to-image."""

    prompt: str


class ImageToImageFields(OptionParameters, total=False):
    """Optional parameters of image-to-image."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    negative_prompt: str
    width: int | None
    height: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    seed: int | None
    num_images_per_prompt: int
    scheduler: str | None
    clip_skip: int | None
    loras: Sequence[LoraChoice | LoraChoiceItem]
    controlnet: str | None
    control_image: PictureFile | None
    controlnet_conditioning_scale: float | None
    acceleration: float
    ip_adapters: Sequence[IpAdapterChoice | IpAdapterChoiceItem]
    prompt_weighting: bool | None
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    output_format: Literal["png", "jpeg", "webp", "avif"] | None
    output_quality: int | None
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None
    strength: float | None


class ImageToImageParameters(ImageToImageFields):
    """Parameters of image-to-image. `ImageToImageRequest` describes them."""

    prompt: str
    image: PictureFile


class ImageToImageChanges(ImageToImageFields, total=False):
    """Changes for a repeated job of image-to-image."""

    prompt: str
    image: PictureFile


class ImageEditingFields(OptionParameters, total=False):
    """Optional parameters of image-editing."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    negative_prompt: str
    width: int | None
    height: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    seed: int | None
    num_images_per_prompt: int
    scheduler: str | None
    clip_skip: int | None
    loras: Sequence[LoraChoice | LoraChoiceItem]
    controlnet: str | None
    control_image: PictureFile | None
    controlnet_conditioning_scale: float | None
    acceleration: float
    ip_adapters: Sequence[IpAdapterChoice | IpAdapterChoiceItem]
    prompt_weighting: bool | None
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    output_format: Literal["png", "jpeg", "webp", "avif"] | None
    output_quality: int | None
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None
    image_guidance_scale: float | None


class ImageEditingParameters(ImageEditingFields):
    """Parameters of image-editing. `ImageEditingRequest` describes them."""

    prompt: str
    images: PictureFile | Sequence[PictureFile]


class ImageEditingChanges(ImageEditingFields, total=False):
    """Changes for a repeated job of image-editing."""

    prompt: str
    images: PictureFile | Sequence[PictureFile]


class InpaintingFields(OptionParameters, total=False):
    """Optional parameters of inpainting."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    negative_prompt: str
    width: int | None
    height: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    seed: int | None
    num_images_per_prompt: int
    scheduler: str | None
    clip_skip: int | None
    loras: Sequence[LoraChoice | LoraChoiceItem]
    controlnet: str | None
    control_image: PictureFile | None
    controlnet_conditioning_scale: float | None
    acceleration: float
    ip_adapters: Sequence[IpAdapterChoice | IpAdapterChoiceItem]
    prompt_weighting: bool | None
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    output_format: Literal["png", "jpeg", "webp", "avif"] | None
    output_quality: int | None
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None
    strength: float | None


class InpaintingParameters(InpaintingFields):
    """Parameters of inpainting. `InpaintingRequest` describes them."""

    prompt: str
    image: PictureFile
    mask_image: PictureFile


class InpaintingChanges(InpaintingFields, total=False):
    """Changes for a repeated job of inpainting."""

    prompt: str
    image: PictureFile
    mask_image: PictureFile


class ImageUpscalingFields(OptionParameters, total=False):
    """Optional parameters of image-upscaling."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    output_format: Literal["png", "jpeg", "webp", "avif"] | None
    output_quality: int | None
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None
    prompt: str
    negative_prompt: str
    num_inference_steps: int | None
    guidance_scale: float | None
    noise_level: int | None
    seed: int | None
    acceleration: float


class ImageUpscalingParameters(ImageUpscalingFields):
    """Parameters of image-upscaling. `ImageUpscalingRequest` describes them."""

    image: PictureFile


class ImageUpscalingChanges(ImageUpscalingFields, total=False):
    """Changes for a repeated job of image-upscaling."""

    image: PictureFile


class TextToVideoFields(OptionParameters, total=False):
    """Optional parameters of text-to-video."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None
    negative_prompt: str
    width: int | None
    height: int | None
    num_frames: int | None
    fps: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    seed: int | None
    num_videos_per_prompt: int
    scheduler: str | None
    loras: Sequence[LoraChoice | LoraChoiceItem]


class TextToVideoParameters(TextToVideoFields):
    """Parameters of text-to-video. `TextToVideoRequest` describes them."""

    prompt: str


class TextToVideoChanges(TextToVideoFields, total=False):
    """Changes for a repeated job of text-to-video."""

    prompt: str


class ImageToVideoFields(OptionParameters, total=False):
    """Optional parameters of image-to-video."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None
    prompt: str
    negative_prompt: str
    width: int | None
    height: int | None
    num_frames: int | None
    fps: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    seed: int | None
    num_videos_per_prompt: int
    scheduler: str | None
    loras: Sequence[LoraChoice | LoraChoiceItem]


class ImageToVideoParameters(ImageToVideoFields):
    """Parameters of image-to-video. `ImageToVideoRequest` describes them."""

    image: PictureFile


class ImageToVideoChanges(ImageToVideoFields, total=False):
    """Changes for a repeated job of image-to-video."""

    image: PictureFile


class ImageToTextFields(OptionParameters, total=False):
    """Optional parameters of image-to-text."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    language: Literal["en", "zh"]
    prompt: str
    max_new_tokens: int | None
    num_beams: int | None
    num_return_sequences: int
    do_sample: bool
    temperature: float | None
    top_p: float | None
    seed: int | None


class ImageToTextParameters(ImageToTextFields):
    """Parameters of image-to-text. `ImageToTextRequest` describes them."""

    image: PictureFile


class ImageToTextChanges(ImageToTextFields, total=False):
    """Changes for a repeated job of image-to-text."""

    image: PictureFile


class ImageClassificationFields(OptionParameters, total=False):
    """Optional parameters of image-classification."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    top_k: int
    candidate_labels: list[str] | tuple[str, ...] | None
    hypothesis_template: str | None


class ImageClassificationParameters(ImageClassificationFields):
    """Parameters of image-classification. `ImageClassificationRequest` describes them."""

    image: PictureFile


class ImageClassificationChanges(ImageClassificationFields, total=False):
    """Changes for a repeated job of image-classification."""

    image: PictureFile


class ImageSegmentationFields(OptionParameters, total=False):
    """Optional parameters of image-segmentation."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    overlay: bool
    task: Literal["semantic", "instance", "panoptic"] | None
    threshold: float | None
    points: Sequence[Point | PointItem]
    boxes: Sequence[Box | BoxItem]


class ImageSegmentationParameters(ImageSegmentationFields):
    """Parameters of image-segmentation. `ImageSegmentationRequest` describes them."""

    image: PictureFile


class ImageSegmentationChanges(ImageSegmentationFields, total=False):
    """Changes for a repeated job of image-segmentation."""

    image: PictureFile


class ImagePreprocessingFields(OptionParameters, total=False):
    """Optional parameters of image-preprocessing."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    low_threshold: int | None
    high_threshold: int | None
    boxes: Sequence[Box | BoxItem]


class ImagePreprocessingParameters(ImagePreprocessingFields):
    """Parameters of image-preprocessing. `ImagePreprocessingRequest` describes them."""

    image: PictureFile


class ImagePreprocessingChanges(ImagePreprocessingFields, total=False):
    """Changes for a repeated job of image-preprocessing."""

    image: PictureFile


class ImageClassificationTrainingFields(OptionParameters, total=False):
    """Optional parameters of image-classification-training."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    image_size: int | None
    num_train_epochs: int
    per_device_train_batch_size: int
    learning_rate: float
    weight_decay: float
    optimizer: Literal["adam", "adamw"]
    augmentation: Literal["none", "light", "strong"]
    validation_split: float
    early_stopping_patience: int | None
    freeze_backbone: bool
    seed: int | None


class ImageClassificationTrainingParameters(ImageClassificationTrainingFields):
    """Parameters of image-classification-training. `ImageClassificationTrainingRequest` describes them."""

    dataset: DatasetFile


class ImageClassificationTrainingChanges(ImageClassificationTrainingFields, total=False):
    """Changes for a repeated job of image-classification-training."""

    dataset: DatasetFile


class AnyChanges(OptionParameters, total=False):
    """Changes of a job whose kind is not known, because only its id is: the fields of all kinds."""

    version: Literal[1]
    model: str | None
    deterministic: bool
    prompt: str
    negative_prompt: str
    width: int | None
    height: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    seed: int | None
    num_images_per_prompt: int
    scheduler: str | None
    clip_skip: int | None
    loras: Sequence[LoraChoice | LoraChoiceItem]
    controlnet: str | None
    control_image: PictureFile | None
    controlnet_conditioning_scale: float | None
    acceleration: float
    ip_adapters: Sequence[IpAdapterChoice | IpAdapterChoiceItem]
    prompt_weighting: bool | None
    explain: (
        bool
        | Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
        | Explain
        | ExplainItem
        | None
    )
    output_format: Literal["png", "jpeg", "webp", "avif"] | None
    output_quality: int | None
    embed_parameters: bool | None
    visible_label: bool | None
    visible_label_text: str | None
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None
    image: PictureFile
    strength: float | None
    images: PictureFile | Sequence[PictureFile]
    image_guidance_scale: float | None
    mask_image: PictureFile
    noise_level: int | None
    num_frames: int | None
    fps: int | None
    num_videos_per_prompt: int
    language: Literal["en", "zh"]
    max_new_tokens: int | None
    num_beams: int | None
    num_return_sequences: int
    do_sample: bool
    temperature: float | None
    top_p: float | None
    top_k: int
    candidate_labels: list[str] | tuple[str, ...] | None
    hypothesis_template: str | None
    overlay: bool
    task: Literal["semantic", "instance", "panoptic"] | None
    threshold: float | None
    points: Sequence[Point | PointItem]
    boxes: Sequence[Box | BoxItem]
    low_threshold: int | None
    high_threshold: int | None
    dataset: DatasetFile
    image_size: int | None
    num_train_epochs: int
    per_device_train_batch_size: int
    learning_rate: float
    weight_decay: float
    optimizer: Literal["adam", "adamw"]
    augmentation: Literal["none", "light", "strong"]
    validation_split: float
    early_stopping_patience: int | None
    freeze_backbone: bool
