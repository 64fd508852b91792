"""One prompt's way through the four models, and what came of it."""

from dataclasses import dataclass
from typing import Any, TypeVar

from brushwork_schemas.job import Job
from brushwork_schemas.kinds.image_classification import ImageClassificationResult
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult
from brushwork_schemas.kinds.image_to_text import ImageToTextResult
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.text_to_image import TextToImageResult

from brushwork.demo.prompts import DemoPrompt

SHOWN_AREA = 0.005
BACKGROUND = "background"
AnyResult = TypeVar("AnyResult", bound=Result)


@dataclass(frozen=True)
class Showing:
    """A prompt with the four results that came of it."""

    prompt: DemoPrompt
    made: TextToImageResult
    caption: ImageToTextResult
    classes: ImageClassificationResult
    segments: ImageSegmentationResult

    @property
    def png(self) -> bytes:
        """The picture that was made."""
        return self.made.images[0].bytes()

    @property
    def overlay_png(self) -> bytes:
        """The picture with its classes laid over it."""
        return (self.segments.overlay or self.segments.mask).bytes()

    @property
    def caption_text(self) -> str:
        """What the captioner saw."""
        return self.caption.generated_text

    @property
    def class_text(self) -> str:
        """What the classifier saw, and how sure it was; it knows pictures of one object only."""
        best = self.classes.predictions[0]
        return f"{best.label} {best.score:.0%}" if len(self.prompt.shapes) == 1 else "two objects"

    @property
    def areas(self) -> dict[str, float]:
        """Shares of the picture by shape, largest first, without the background and specks."""
        found = self.segments.areas.items()
        shown = {name: share for name, share in found if name != BACKGROUND and share >= SHOWN_AREA}
        return dict(sorted(shown.items(), key=lambda area: -area[1]))

    @property
    def areas_text(self) -> str:
        """The shapes that were found, and how much of the picture each takes."""
        return ", ".join(f"{name} {share:.0%}" for name, share in self.areas.items()) or "nothing"

    @property
    def running_s(self) -> float:
        """Seconds that the models ran for it."""
        results: tuple[Result, ...] = (self.made, self.caption, self.classes, self.segments)
        return sum(result.provenance.timings.running_s for result in results)

    @property
    def caption_agrees(self) -> bool:
        """Whether the caption says what was asked for."""
        return all(phrase in self.caption_text for phrase in self.prompt.phrases)

    @property
    def class_agrees(self) -> bool:
        """Whether the class is that of the one object that was asked for; of two there is nothing to say."""
        return len(self.prompt.shapes) > 1 or self.classes.predictions[0].label in self.prompt.shapes

    @property
    def areas_agree(self) -> bool:
        """Whether the mask shows just the shapes that were asked for."""
        return set(self.areas) == set(self.prompt.shapes)


def result_of(job: Job, result_type: type[AnyResult]) -> AnyResult:
    """The result of a job that has one of that type.

    Raises:
        JobFailed: It ended without a result.
    """
    result = job.raise_for_state().result
    if not isinstance(result, result_type):
        raise TypeError(f"job {job.id} has a {type(result).__name__}, not a {result_type.__name__}")
    return result


def reading_requests(prompt: DemoPrompt, picture: Job) -> list[dict[str, Any]]:
    """What the three models that read pictures are asked about a made one."""
    image = result_of(picture, TextToImageResult).images[0]
    return [
        {"kind": "image-to-text", "image": image, "language": prompt.language},
        {"kind": "image-classification", "image": image, "top_k": 3},
        {"kind": "image-segmentation", "image": image},
    ]


def showing(prompt: DemoPrompt, picture: Job, readings: list[Job]) -> Showing:
    """The showing of a prompt whose jobs have all ended, the readings in the order they were asked."""
    caption, classes, segments = readings
    return Showing(
        prompt,
        result_of(picture, TextToImageResult),
        result_of(caption, ImageToTextResult),
        result_of(classes, ImageClassificationResult),
        result_of(segments, ImageSegmentationResult),
    )
