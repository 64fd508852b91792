"""What a job's page shows of its request and result, whatever its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.errors import FileNotFound
from brushwork_schemas.job import Job
from brushwork_schemas.kinds import KINDS
from brushwork_schemas.results import (
    ImageClassificationResult,
    ImageSegmentationResult,
    ImageToTextResult,
    Prediction,
    Provenance,
    Result,
    TextToImageResult,
)
from brushwork_schemas.tenant_files import TenantFiles

from brushwork.gateway.page.legend import LegendEntry, legend
from brushwork.gateway.page.portrait import title_of
from brushwork.gateway.page.typed_form import asked

# A frame for a picture that is still to come, where the request says nothing of its size.
SOME_SIDE = 512
# Of these sizes on, a picture is enlarged smoothly; smaller ones are shown with their pixels as they are.
SMOOTH_FROM = 200


@dataclass(frozen=True)
class Exhibit:
    """A job, taken apart for its page.

    Args:
        asked: Its request, by field.
        pictures: What it made; of a segmentation the overlay, then the mask.
        seeds: Of each picture that has one.
        given: The picture that it looked at; None where it looks at none, or that is gone.
    """

    job: Job
    title: str
    asked: Mapping[str, Any]
    pictures: Sequence[Artifact]
    seeds: Sequence[int]
    given: Artifact | None
    legend: Sequence[LegendEntry]

    @classmethod
    def of(cls, job: Job, store: ArtifactStore, files: TenantFiles) -> "Exhibit":
        """The job's exhibit."""
        result, request = job.result, asked(job)
        segmented = isinstance(result, ImageSegmentationResult)
        return cls(
            job=job,
            title=title_of(job),
            asked=request,
            # Of a segmentation the mask is first, and the overlay is what people want to see.
            pictures=artifacts_within(result)[:: -1 if segmented else 1],
            seeds=result.seeds if isinstance(result, TextToImageResult) else (),
            given=_given(request.get("image"), files),
            legend=legend(result, store) if isinstance(result, ImageSegmentationResult) else (),
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, known before there are any, so that nothing moves later."""
        shown = self.pictures[0] if self.pictures else self.given
        if shown is not None:
            return shown.width, shown.height
        width, height = self.asked.get("width"), self.asked.get("height")
        if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            return width, height
        return SOME_SIDE, SOME_SIDE

    @property
    def is_small(self) -> bool:
        """Whether the pictures are shown pixel by pixel."""
        return max(self.size) < SMOOTH_FROM

    @property
    def num_frames(self) -> int:
        """How many pictures there are or will be."""
        number = self.asked.get("num_images_per_prompt", 1)
        return len(self.pictures) or (number if isinstance(number, int) and 0 < number <= 16 else 1)

    @property
    def num_steps(self) -> int:
        """How many steps it takes: as its worker says, else as its request does."""
        asked_for = self.asked.get("num_inference_steps")
        return self.job.progress.total or (asked_for if isinstance(asked_for, int) else 1)

    @property
    def is_several(self) -> bool:
        """Whether pictures stand side by side."""
        return self.makes_pictures and self.num_frames > 1 and bool(self.pictures or not self.job.is_finished)

    @property
    def makes_pictures(self) -> bool:
        """Whether it makes pictures from nothing but words."""
        kind = KINDS.get(self.job.kind)
        return kind is None or not kind.takes_image

    @property
    def has_seed(self) -> bool:
        """Whether another seed gives another result."""
        return "seed" in self.asked

    @property
    def caption(self) -> str | None:
        """The caption, of a job that makes one."""
        return self.job.result.generated_text if isinstance(self.job.result, ImageToTextResult) else None

    @property
    def predictions(self) -> Sequence[Prediction]:
        """Classes and their probabilities, of a job that finds them."""
        return self.job.result.predictions if isinstance(self.job.result, ImageClassificationResult) else ()

    @property
    def provenance(self) -> Provenance | None:
        """How the result was made."""
        return self.job.result.provenance if isinstance(self.job.result, Result) else None

    @property
    def to_look_at(self) -> Sequence[str]:
        """The pictures that other kinds can look at: what it made, or what it was given."""
        if self.makes_pictures:
            return [picture.sha256 for picture in self.pictures]
        return [self.given.sha256] if self.given else []


def _given(image: Any, files: TenantFiles) -> Artifact | None:
    try:
        # Who may see the job may see what it was given, whoever brought that.
        return files.get(image, None) if isinstance(image, str) else None
    except FileNotFound:
        return None
