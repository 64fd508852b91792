"""`submit`, `run` and `retry` of AsyncClient, with the types of each kind."""

# Generated from the kinds by `python -m tests.typed_clients --write`. Do not edit.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from brushwork_schemas.job import Job
    from brushwork_schemas.kinds.generation.image_editing import ImageEditingResult
    from brushwork_schemas.kinds.generation.image_to_image import ImageToImageResult
    from brushwork_schemas.kinds.generation.inpainting import InpaintingResult
    from brushwork_schemas.kinds.generation.text_to_image import TextToImageResult
    from brushwork_schemas.kinds.image_classification import ImageClassificationResult
    from brushwork_schemas.kinds.image_classification_training import ImageClassificationTrainingResult
    from brushwork_schemas.kinds.image_preprocessing import ImagePreprocessingResult
    from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult
    from brushwork_schemas.kinds.image_to_text import ImageToTextResult
    from brushwork_schemas.kinds.image_upscaling import ImageUpscalingResult
    from typing_extensions import Unpack

    from brushwork.typed import parameters as of
    from brushwork.typed.arguments import OnPreview, OnProgress, UntypedKind, UntypedResult


class AsyncTypedSubmission(ABC):
    """`submit`, `run` and `retry`. A type checker knows the parameters and the result of each kind."""

    @abstractmethod
    async def _submitted(self, kind: str, parameters: Mapping[str, Any]) -> Job: ...

    @abstractmethod
    async def _repeated(self, job: Job | str, changes: Mapping[str, Any]) -> Job: ...

    @abstractmethod
    async def wait(
        self,
        job: Job | str,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
    ) -> Job:
        """Wait until the job has ended."""

    @overload
    async def submit(
        self, kind: Literal["text-to-image"], /, **parameters: Unpack[of.TextToImageParameters]
    ) -> Job[TextToImageResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["image-to-image"], /, **parameters: Unpack[of.ImageToImageParameters]
    ) -> Job[ImageToImageResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["image-editing"], /, **parameters: Unpack[of.ImageEditingParameters]
    ) -> Job[ImageEditingResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["inpainting"], /, **parameters: Unpack[of.InpaintingParameters]
    ) -> Job[InpaintingResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["image-upscaling"], /, **parameters: Unpack[of.ImageUpscalingParameters]
    ) -> Job[ImageUpscalingResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["image-to-text"], /, **parameters: Unpack[of.ImageToTextParameters]
    ) -> Job[ImageToTextResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["image-classification"], /, **parameters: Unpack[of.ImageClassificationParameters]
    ) -> Job[ImageClassificationResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["image-segmentation"], /, **parameters: Unpack[of.ImageSegmentationParameters]
    ) -> Job[ImageSegmentationResult | None]: ...

    @overload
    async def submit(
        self, kind: Literal["image-preprocessing"], /, **parameters: Unpack[of.ImagePreprocessingParameters]
    ) -> Job[ImagePreprocessingResult | None]: ...

    @overload
    async def submit(
        self,
        kind: Literal["image-classification-training"],
        /,
        **parameters: Unpack[of.ImageClassificationTrainingParameters],
    ) -> Job[ImageClassificationTrainingResult | None]: ...

    @overload
    async def submit(self, kind: UntypedKind, /, **parameters: Any) -> Job: ...

    async def submit(self, kind: str, /, **parameters: Any) -> Job:
        """Submit one job. See `Client.submit`."""
        return await self._submitted(kind, parameters)

    @overload
    async def run(
        self,
        kind: Literal["text-to-image"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.TextToImageParameters],
    ) -> Job[TextToImageResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-to-image"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImageToImageParameters],
    ) -> Job[ImageToImageResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-editing"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImageEditingParameters],
    ) -> Job[ImageEditingResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["inpainting"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.InpaintingParameters],
    ) -> Job[InpaintingResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-upscaling"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImageUpscalingParameters],
    ) -> Job[ImageUpscalingResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-to-text"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImageToTextParameters],
    ) -> Job[ImageToTextResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-classification"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImageClassificationParameters],
    ) -> Job[ImageClassificationResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-segmentation"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImageSegmentationParameters],
    ) -> Job[ImageSegmentationResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-preprocessing"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImagePreprocessingParameters],
    ) -> Job[ImagePreprocessingResult]: ...

    @overload
    async def run(
        self,
        kind: Literal["image-classification-training"],
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Unpack[of.ImageClassificationTrainingParameters],
    ) -> Job[ImageClassificationTrainingResult]: ...

    @overload
    async def run(
        self,
        kind: UntypedKind,
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Any,
    ) -> Job: ...

    async def run(
        self,
        kind: str,
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Any,
    ) -> Job:
        """Submit one job, wait for it, and return it with its result. See `Client.run`."""
        job = await self._submitted(kind, parameters)
        ended = await self.wait(job, timeout_s=timeout_s, on_progress=on_progress, on_preview=on_preview)
        return ended.raise_for_state()

    @overload
    async def retry(self, job: Job[UntypedResult], /, **changes: Any) -> Job: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[TextToImageResult | None], /, **changes: Unpack[of.TextToImageChanges]
    ) -> Job[TextToImageResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageToImageResult | None], /, **changes: Unpack[of.ImageToImageChanges]
    ) -> Job[ImageToImageResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageEditingResult | None], /, **changes: Unpack[of.ImageEditingChanges]
    ) -> Job[ImageEditingResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[InpaintingResult | None], /, **changes: Unpack[of.InpaintingChanges]
    ) -> Job[InpaintingResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageUpscalingResult | None], /, **changes: Unpack[of.ImageUpscalingChanges]
    ) -> Job[ImageUpscalingResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageToTextResult | None], /, **changes: Unpack[of.ImageToTextChanges]
    ) -> Job[ImageToTextResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageClassificationResult | None], /, **changes: Unpack[of.ImageClassificationChanges]
    ) -> Job[ImageClassificationResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageSegmentationResult | None], /, **changes: Unpack[of.ImageSegmentationChanges]
    ) -> Job[ImageSegmentationResult | None]: ...

    @overload
    async def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImagePreprocessingResult | None], /, **changes: Unpack[of.ImagePreprocessingChanges]
    ) -> Job[ImagePreprocessingResult | None]: ...

    @overload
    async def retry(
        self,
        job: Job[ImageClassificationTrainingResult | None],
        /,
        **changes: Unpack[of.ImageClassificationTrainingChanges],
    ) -> Job[ImageClassificationTrainingResult | None]: ...

    @overload
    async def retry(self, job: str, /, **changes: Unpack[of.AnyChanges]) -> Job: ...

    async def retry(self, job: Job | str, /, **changes: Any) -> Job:
        """Submit the request of a job that has ended again. See `Client.retry`."""
        return await self._repeated(job, changes)
