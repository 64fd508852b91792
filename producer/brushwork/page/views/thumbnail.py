"""A job as a contact sheet shows it: a picture, a line of words, a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.generation import GenerationResult
from brushwork_schemas.kinds.image_classification import ImageClassificationResult
from brushwork_schemas.kinds.image_classification_training import ImageClassificationTrainingResult
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult
from brushwork_schemas.kinds.image_to_text import ImageToTextResult

from brushwork.page.forms.typed_form import asked
from brushwork.page.views.sizes import percent

LONGEST_TITLE = 200
NAMED_CLASSES = 3


@dataclass(frozen=True)
class Thumbnail:
    """What a card needs to know of a job.

    Args:
        title: The prompt, caption or labels; empty where there are no words yet.
        sha256: The picture to show, if there is one.
    """

    job: Job
    title: str
    sha256: str | None
    num_pictures: int

    @classmethod
    def of(cls, job: Job) -> "Thumbnail":
        """The job's portrait."""
        pictures = pictures_within(job.result)
        num = len(pictures) if isinstance(job.result, GenerationResult) else min(1, len(pictures))
        return cls(job, title_of(job)[:LONGEST_TITLE], _face(job, pictures), num)

    @property
    def share(self) -> int:
        """How far it is, in percent."""
        return round(self.job.progress.fraction * 100)


def pictures_within(result: Any) -> list[Artifact]:
    """Those files of a result that are pictures."""
    return [each for each in artifacts_within(result) if each.media_type.startswith("image/")]


def title_of(job: Job) -> str:
    """What was asked for or found, in words."""
    match job.result:
        case ImageToTextResult(generated_text=text):
            return text
        case ImageClassificationResult(predictions=predictions) if predictions:
            return f"{predictions[0].label} {percent(predictions[0].score)}"
        case ImageSegmentationResult(areas=areas):
            largest = sorted(areas.items(), key=lambda pair: -pair[1])[:NAMED_CLASSES]
            return ", ".join(f"{label} {percent(share)}" for label, share in largest)
        case ImageClassificationTrainingResult(labels=labels) as trained:
            share = trained.validation_accuracy
            return ", ".join(labels) + (f": {percent(share)}" if share is not None else "")
        case _:
            prompt = asked(job).get("prompt")
            return prompt if isinstance(prompt, str) else ""


def _face(job: Job, pictures: Sequence[Artifact]) -> str | None:
    if isinstance(job.result, ImageSegmentationResult) and job.result.overlay:
        return job.result.overlay.sha256
    if pictures:
        return pictures[0].sha256
    image = asked(job).get("image")
    return image if isinstance(image, str) and len(image) == 64 else None
