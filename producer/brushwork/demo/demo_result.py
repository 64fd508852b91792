"""The results of the four models for one prompt, and whether they agree with it."""

from dataclasses import dataclass
from typing import Any, TypeVar

from brushwork_schemas.job import Job
from brushwork_schemas.kinds.generation.text_to_image import TextToImageResult
from brushwork_schemas.kinds.image_classification import ImageClassificationResult
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult
from brushwork_schemas.kinds.image_to_text import ImageToTextResult
from brushwork_schemas.kinds.result import Result

from brushwork.demo.prompts import DemoPrompt

SHOWN_AREA = 0.005
BACKGROUND = "background"
AnyResult = TypeVar("AnyResult", bound=Result)


@dataclass(frozen=True)
class DemoResult:
    """A prompt with the results of the four models."""

    prompt: DemoPrompt
    made: TextToImageResult
    caption: ImageToTextResult
    classes: ImageClassificationResult
    segments: ImageSegmentationResult

    @property
    def png(self) -> bytes:
        """The picture that was made, as PNG."""
        return self.made.images[0].bytes()

    @property
    def overlay_png(self) -> bytes:
        """The picture with the segmented classes drawn over it, as PNG."""
        return (self.segments.overlay or self.segments.mask).bytes()

    @property
    def caption_text(self) -> str:
        """The caption."""
        return self.caption.generated_text

    @property
    def class_text(self) -> str:
        """The most probable class and its score. The classifier knows only pictures of one object."""
        best = self.classes.predictions[0]
        return f"{best.label} {best.score:.0%}" if len(self.prompt.shapes) == 1 else "two objects"

    @property
    def areas(self) -> dict[str, float]:
        """Share of the picture by shape, 0 to 1, largest first. Background and tiny areas are left out."""
        found = self.segments.areas.items()
        shown = {name: share for name, share in found if name != BACKGROUND and share >= SHOWN_AREA}
        return dict(sorted(shown.items(), key=lambda area: -area[1]))

    @property
    def areas_text(self) -> str:
        """The shapes that were found, with their shares of the picture."""
        return ", ".join(f"{name} {share:.0%}" for name, share in self.areas.items()) or "nothing"

    @property
    def running_s(self) -> float:
        """Seconds that the four models ran."""
        results: tuple[Result, ...] = (self.made, self.caption, self.classes, self.segments)
        return sum(result.provenance.timings.running_s for result in results)

    @property
    def caption_agrees(self) -> bool:
        """Whether the caption contains all phrases of the prompt."""
        return all(phrase in self.caption_text for phrase in self.prompt.phrases)

    @property
    def class_agrees(self) -> bool:
        """Whether the class is the object of the prompt. True if the prompt has two objects."""
        return len(self.prompt.shapes) > 1 or self.classes.predictions[0].label in self.prompt.shapes

    @property
    def areas_agree(self) -> bool:
        """Whether the mask shows exactly the shapes of the prompt."""
        return set(self.areas) == set(self.prompt.shapes)


def result_of(job: Job, result_type: type[AnyResult]) -> AnyResult:
    """Return the result of a job, which must have this type.

    Raises:
        JobFailed: The job ended without a result.
        TypeError: The result has another type.
    """
    result = job.raise_for_state().result
    if not isinstance(result, result_type):
        raise TypeError(f"job {job.id} has a {type(result).__name__}, not a {result_type.__name__}")
    return result


def reading_requests(prompt: DemoPrompt, picture: Job) -> list[dict[str, Any]]:
    """Return the requests to describe, classify and segment the picture of a finished job."""
    image = result_of(picture, TextToImageResult).images[0]
    return [
        {"kind": "image-to-text", "image": image, "language": prompt.language},
        {"kind": "image-classification", "image": image, "top_k": 3},
        {"kind": "image-segmentation", "image": image},
    ]


def demo_result(prompt: DemoPrompt, picture: Job, readings: list[Job]) -> DemoResult:
    """Return the results of a prompt whose jobs have all ended, `readings` in the order of the requests."""
    caption, classes, segments = readings
    return DemoResult(
        prompt,
        result_of(picture, TextToImageResult),
        result_of(caption, ImageToTextResult),
        result_of(classes, ImageClassificationResult),
        result_of(segments, ImageSegmentationResult),
    )
