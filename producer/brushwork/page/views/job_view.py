"""What a job's page shows of its request and result, whatever its kind."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.errors import FileNotFound
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.generation import GenerationRequest, GenerationResult
from brushwork_schemas.kinds.image_classification import ImageClassificationResult, Prediction
from brushwork_schemas.kinds.image_classification_training import Epoch, ImageClassificationTrainingResult
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult, Segment
from brushwork_schemas.kinds.image_to_text import Caption, ImageToTextResult
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingRequest
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.result import Provenance, Result

from brushwork.inputs import short_forms
from brushwork.page.forms.typed_form import asked
from brushwork.page.views.curve_chart import Chart, charts
from brushwork.page.views.legend import LegendEntry, legend
from brushwork.page.views.thumbnail import pictures_within, title_of

# A frame for a picture that is still to come, where the request says nothing of its size.
SOME_SIDE = 512
# Of these sizes on, a picture is enlarged smoothly; smaller ones are shown with their pixels as they are.
SMOOTH_FROM = 200
# Of long tables, the rest is in the JSON.
MOST_SEGMENTS, MOST_CONFUSED = 50, 30


@dataclass(frozen=True)
class JobDetails:
    """A job, taken apart for its page.

    Args:
        asked: Its request, by field.
        pictures: What it made; of a segmentation the overlay, then the mask.
        seeds: Of each picture that has one.
        inputs: The files that it was given and that are still there, by field, the main picture first.
    """

    job: Job
    title: str
    asked: Mapping[str, Any]
    pictures: Sequence[Artifact]
    seeds: Sequence[int]
    inputs: Mapping[str, Artifact]
    legend: Sequence[LegendEntry]

    @classmethod
    def of(cls, job: Job, store: ArtifactStore, files: TenantFiles) -> "JobDetails":
        """The job's exhibit."""
        result, request = job.result, asked(job)
        segmented = isinstance(result, ImageSegmentationResult)
        return cls(
            job=job,
            title=title_of(job),
            asked=request,
            # Of a segmentation the mask is first, and the overlay is what people want to see.
            pictures=pictures_within(result)[:: -1 if segmented else 1],
            seeds=result.seeds if isinstance(result, GenerationResult) else (),
            inputs=_inputs(job, request, files),
            legend=legend(result, store) if isinstance(result, ImageSegmentationResult) else (),
        )

    @property
    def given(self) -> Artifact | None:
        """The picture that it looked at or began with; None where there is none, or that is gone."""
        return self.inputs.get("image")

    @property
    def dataset(self) -> Artifact | None:
        """The archive that it trained on."""
        return self.inputs.get("dataset")

    @property
    def files(self) -> Sequence[tuple[str, Artifact]]:
        """All files that it made, each with the name of its field."""
        result = self.job.result
        fields = type(result).model_fields if isinstance(result, Result) else ()
        return [(name, each) for name in fields for each in artifacts_within(getattr(result, name))]

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
        """Whether pictures are what it makes, and not what it looks at."""
        kind = all_kinds().get(self.job.kind)
        makers = (GenerationRequest, ImageUpscalingRequest)
        return kind is None or issubclass(kind.request_type, makers)

    @property
    def takes_picture(self) -> bool:
        """Whether it is about a picture that it is given."""
        kind = all_kinds().get(self.job.kind)
        return kind is not None and kind.takes_image

    @property
    def trains(self) -> bool:
        """Whether it makes a model."""
        return self.job.kind == "image-classification-training"

    @property
    def told(self) -> Mapping[str, Any]:
        """What is worth showing of the request: no files, and lists as people write them."""
        kind = all_kinds().get(self.job.kind)
        left_out = {"version", *(kind.files if kind else ())}
        return {
            name: short_forms.written(name, value) or value if name in short_forms.FORMS else value
            for name, value in self.asked.items()
            if name not in left_out and value not in (None, "", False, [], ())
        }

    @property
    def has_seed(self) -> bool:
        """Whether another seed gives another result."""
        return self.asked.get("seed") is not None

    @property
    def caption(self) -> str | None:
        """The caption, of a job that makes one."""
        return self.job.result.generated_text if isinstance(self.job.result, ImageToTextResult) else None

    @property
    def candidates(self) -> Sequence[Caption]:
        """Several captions, of a job that was asked for them."""
        found = self.job.result.candidates if isinstance(self.job.result, ImageToTextResult) else ()
        return found if len(found) > 1 else ()

    @property
    def hidden(self) -> Sequence[bool]:
        """Of each picture whether a safety checker blacked it out."""
        result = self.job.result
        found = result.nsfw_content_detected if isinstance(result, GenerationResult) else None
        return found or (False,) * len(self.pictures)

    @property
    def segments(self) -> Sequence[Segment]:
        """Objects, largest first, of a job that tells them apart."""
        found = self.job.result.segments if isinstance(self.job.result, ImageSegmentationResult) else ()
        return found[:MOST_SEGMENTS]

    @property
    def trained(self) -> ImageClassificationTrainingResult | None:
        """The model, of a job that made one."""
        result = self.job.result
        return result if isinstance(result, ImageClassificationTrainingResult) else None

    @property
    def curve(self) -> Sequence[Epoch]:
        """Of a training, its epochs so far."""
        return self.job.curve or (self.trained.curve if self.trained else ())

    @property
    def charts(self) -> Sequence[Chart]:
        """Of a training, how it went so far."""
        epochs = self.asked.get("num_train_epochs")
        return charts(self.curve, epochs if isinstance(epochs, int) else 0)

    @property
    def confusion(self) -> Sequence[tuple[str, Sequence[int]]]:
        """Of a trained model, for each true class how often it said which."""
        if self.trained is None or len(self.trained.labels) > MOST_CONFUSED:
            return ()
        return list(zip(self.trained.labels, self.trained.confusion_matrix, strict=False))

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
        if self.trains:
            return []
        if self.makes_pictures:
            return [picture.sha256 for picture in self.pictures]
        return [self.given.sha256] if self.given else []


def _inputs(job: Job, request: Mapping[str, Any], files: TenantFiles) -> dict[str, Artifact]:
    kind = all_kinds().get(job.kind)
    found: dict[str, Artifact] = {}
    for name in kind.files if kind else ():
        given = request.get(name)
        # Who may see the job may see what it was given, whoever brought that.
        with suppress(FileNotFound):
            found |= {name: files.get(given, None)} if isinstance(given, str) else {}
    return found
