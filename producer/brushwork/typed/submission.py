"""`submit`, `run` and `retry` of Client, with the types of each kind."""

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


class TypedSubmission(ABC):
    """`submit`, `run` and `retry`. A type checker knows the parameters and the result of each kind."""

    @abstractmethod
    def _submitted(self, kind: str, parameters: Mapping[str, Any]) -> Job: ...

    @abstractmethod
    def _repeated(self, job: Job | str, changes: Mapping[str, Any]) -> Job: ...

    @abstractmethod
    def wait(
        self,
        job: Job | str,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
    ) -> Job:
        """Wait until the job has ended."""

    @overload
    def submit(
        self, kind: Literal["text-to-image"], /, **parameters: Unpack[of.TextToImageParameters]
    ) -> Job[TextToImageResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["image-to-image"], /, **parameters: Unpack[of.ImageToImageParameters]
    ) -> Job[ImageToImageResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["image-editing"], /, **parameters: Unpack[of.ImageEditingParameters]
    ) -> Job[ImageEditingResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["inpainting"], /, **parameters: Unpack[of.InpaintingParameters]
    ) -> Job[InpaintingResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["image-upscaling"], /, **parameters: Unpack[of.ImageUpscalingParameters]
    ) -> Job[ImageUpscalingResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["image-to-text"], /, **parameters: Unpack[of.ImageToTextParameters]
    ) -> Job[ImageToTextResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["image-classification"], /, **parameters: Unpack[of.ImageClassificationParameters]
    ) -> Job[ImageClassificationResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["image-segmentation"], /, **parameters: Unpack[of.ImageSegmentationParameters]
    ) -> Job[ImageSegmentationResult | None]: ...

    @overload
    def submit(
        self, kind: Literal["image-preprocessing"], /, **parameters: Unpack[of.ImagePreprocessingParameters]
    ) -> Job[ImagePreprocessingResult | None]: ...

    @overload
    def submit(
        self,
        kind: Literal["image-classification-training"],
        /,
        **parameters: Unpack[of.ImageClassificationTrainingParameters],
    ) -> Job[ImageClassificationTrainingResult | None]: ...

    @overload
    def submit(self, kind: UntypedKind, /, **parameters: Any) -> Job: ...

    def submit(self, kind: str, /, **parameters: Any) -> Job:
        """Submit one job. When this returns, the job is stored, even if Redis does not answer.

        Args:
            kind: The kind of job, such as `text-to-image`; `kinds` lists them. Type checkers refuse a kind
                that they do not know, such as one of a plug-in: write `UntypedKind("my-kind")` for it.
            **parameters: The fields of the kind's request, and those of `JobOptions`: `priority`, `tenant`,
                `deadline_s`, `idempotency_key`, `webhook_url` and others. A picture (`image`, `mask_image`,
                `control_image`, each of `images`) may be a path, bytes, an open file, a PIL image, a NumPy
                array, an artifact of another job, or a URL. A `dataset` may be the path of an archive or
                folder, bytes, an open file, or an artifact.

        Raises:
            UnknownKind, UnknownModel, InvalidRequest, InvalidImage, InvalidDataset: The request is wrong; the
                error names the field. Nothing was stored.
            IdempotencyConflict: The idempotency key was used for another request.
            ServiceUnreachable: The gateway, the database or the store does not answer. Nothing was accepted,
                unless the connection was lost after the job was written and before it was read back.
        """
        return self._submitted(kind, parameters)

    @overload
    def run(
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
    def run(
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
    def run(
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
    def run(
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
    def run(
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
    def run(
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
    def run(
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
    def run(
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
    def run(
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
    def run(
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
    def run(
        self,
        kind: UntypedKind,
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Any,
    ) -> Job: ...

    def run(
        self,
        kind: str,
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Any,
    ) -> Job:
        """Submit one job, wait for it, and return it with its result.

        Args:
            kind: As for `submit`.
            timeout_s: Seconds after which to stop waiting; by default there is no limit.
            on_progress: Called with state and progress whenever they have changed.
            on_preview: Called with each new preview.
            **parameters: As for `submit`.

        Raises:
            JobFailed: The job failed, was canceled or expired. `job_id` of the error names it.
            WaitTimeout: The job has not ended in time. It continues. `job_id` of the error names it.
            RequestError, ServiceUnreachable: As for `submit`.
        """
        job = self._submitted(kind, parameters)
        ended = self.wait(job, timeout_s=timeout_s, on_progress=on_progress, on_preview=on_preview)
        return ended.raise_for_state()

    @overload
    def retry(self, job: Job[UntypedResult], /, **changes: Any) -> Job: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[TextToImageResult | None], /, **changes: Unpack[of.TextToImageChanges]
    ) -> Job[TextToImageResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageToImageResult | None], /, **changes: Unpack[of.ImageToImageChanges]
    ) -> Job[ImageToImageResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageEditingResult | None], /, **changes: Unpack[of.ImageEditingChanges]
    ) -> Job[ImageEditingResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[InpaintingResult | None], /, **changes: Unpack[of.InpaintingChanges]
    ) -> Job[InpaintingResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageUpscalingResult | None], /, **changes: Unpack[of.ImageUpscalingChanges]
    ) -> Job[ImageUpscalingResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageToTextResult | None], /, **changes: Unpack[of.ImageToTextChanges]
    ) -> Job[ImageToTextResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageClassificationResult | None], /, **changes: Unpack[of.ImageClassificationChanges]
    ) -> Job[ImageClassificationResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImageSegmentationResult | None], /, **changes: Unpack[of.ImageSegmentationChanges]
    ) -> Job[ImageSegmentationResult | None]: ...

    @overload
    def retry(  # type: ignore[overload-overlap]
        self, job: Job[ImagePreprocessingResult | None], /, **changes: Unpack[of.ImagePreprocessingChanges]
    ) -> Job[ImagePreprocessingResult | None]: ...

    @overload
    def retry(
        self,
        job: Job[ImageClassificationTrainingResult | None],
        /,
        **changes: Unpack[of.ImageClassificationTrainingChanges],
    ) -> Job[ImageClassificationTrainingResult | None]: ...

    @overload
    def retry(self, job: str, /, **changes: Unpack[of.AnyChanges]) -> Job: ...

    def retry(self, job: Job | str, /, **changes: Any) -> Job:
        """Submit the request of a job that has ended again. The new job's `retry_of` is the old id.

        All parameters stay the same, the seed too, so a job that succeeded gives the same result.

        Args:
            job: The job that has ended, or its id.
            **changes: Parameters and options that replace the old ones, such as `seed=8`.

        Raises:
            JobNotFound: No job has this id.
            JobNotEnded: The job has not ended yet.
            RequestError: The changed request is wrong, as for `submit`.
        """
        return self._repeated(job, changes)
