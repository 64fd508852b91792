"""What the page of a job shows of its request and result, whatever its kind."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact.video import Video
from brushwork_schemas.catalogue import TRAINED
from brushwork_schemas.errors import FileNotFound
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.kinds.file_places import field_of, pattern_of
from brushwork_schemas.kinds.kind import PICTURE, Kind
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.kinds.result import Provenance, Result
from brushwork_schemas.kinds.view import Cell, PictureNotes, Text
from brushwork_schemas.warnings import warning_text

from brushwork.inputs import explain_choice, short_forms
from brushwork.page.views.blocks import BlockView, block_views
from brushwork.page.views.explained import ShownExplanation

# Side of the frame for a picture that is not there yet, if the request does not name a size.
DEFAULT_SIDE = 512
# Smaller pictures are enlarged without smoothing.
SMOOTH_FROM = 200
MOST_FRAMES = 16


@dataclass(frozen=True)
class JobDetails:
    """A job, prepared for its page.

    Args:
        job: The job.
        shown: The job as its kind presents it.
        blocks: The blocks of the page.
        inputs: Files of the request that are still stored, by field, the main input first.
    """

    job: Job
    shown: Presentation
    blocks: Sequence[BlockView]
    inputs: Mapping[str, Artifact]

    @classmethod
    def of(cls, job: Job, store: ArtifactStore, files: TenantFiles) -> "JobDetails":
        """Prepare a job for its page."""
        shown = Presentation(job)
        return cls(job, shown, block_views(shown.blocks, store), _inputs(shown, files))

    @property
    def kind(self) -> Kind | None:
        """The kind of the job; None if it is not installed."""
        return self.shown.kind

    @property
    def title(self) -> str:
        """Heading of the page; empty if the job has neither a headline nor a prompt."""
        return self.shown.headline

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """Label and value of what the result says, for kinds that bring no blocks."""
        return () if self.shown.blocks else self.shown.facts

    @property
    def pictures(self) -> Sequence[Artifact]:
        """The pictures to show large. A kind that trains models shows its charts instead."""
        return () if self.trains else self.shown.pictures

    @property
    def notes(self) -> Sequence[Sequence[Cell]]:
        """The notes under each picture."""
        found = [block.notes for block in self.shown.blocks if isinstance(block, PictureNotes)]
        notes = list(found[0]) if found else []
        return [*notes, *[()] * (len(self.pictures) - len(notes))]

    @property
    def caption(self) -> str | None:
        """A sentence that is laid over the given picture."""
        texts = [block.text for block in self.shown.blocks if isinstance(block, Text)]
        return texts[0] if texts and self.given is not None and not self.makes_pictures else None

    @property
    def side_blocks(self) -> Sequence[BlockView]:
        """The blocks beside the pictures."""
        is_caption = self.caption is not None
        return [
            each for each in self.blocks if not each.is_wide and not (is_caption and each.macro == "text")
        ]

    @property
    def charts(self) -> Sequence[BlockView]:
        """The charts, and the folded tables with their numbers."""
        return [each for each in self.blocks if each.is_wide and each.macro != "matrix"]

    @property
    def matrices(self) -> Sequence[BlockView]:
        """The confusion matrices."""
        return [each for each in self.blocks if each.macro == "matrix"]

    @property
    def has_lines(self) -> bool:
        """Whether a chart has something to show yet."""
        return any(each.block.lines for each in self.blocks if each.macro == "chart")

    @property
    def given(self) -> Artifact | None:
        """The picture that the job is about; None if there is none, or if it was removed."""
        main_input = self.kind.main_input if self.kind else None
        if self.kind is None or main_input not in self.kind.pictures:
            return None
        return self.inputs.get(main_input) or self.inputs.get(f"{main_input}.0")

    @property
    def main_places(self) -> Sequence[str]:
        """Places of the request whose picture is labelled as the input; none if there are several."""
        main_input = self.kind.main_input if self.kind else None
        return () if f"{main_input}.1" in self.inputs else (str(main_input), f"{main_input}.0")

    @property
    def given_pictures(self) -> Mapping[str, Artifact]:
        """The pictures of the request by place, such as `image` or `images.0`."""
        patterns = self.kind.file_patterns if self.kind else {}
        return {
            place: file for place, file in self.inputs.items() if patterns.get(pattern_of(place)) == PICTURE
        }

    @property
    def given_files(self) -> Mapping[str, Artifact]:
        """The files of the request that are not pictures, by place."""
        return {name: file for name, file in self.inputs.items() if name not in self.given_pictures}

    def video_of(self, poster: Artifact) -> Video | None:
        """Return the video that a picture of the result stands for; None for a picture of its own."""
        return self.shown.video_of(poster)

    def main_file(self, picture: Artifact) -> Artifact:
        """Return a picture of the result, or the video that it stands for."""
        video = self.video_of(picture)
        return picture if video is None else video.file

    def other_files(self, language: str) -> Sequence[tuple[str, Artifact]]:
        """Label and file of each file of the result that is not shown as a picture."""
        shown = {each.sha256 for each in self.pictures}
        fields = [(name, file) for name, file in self.shown.result_fields if file.sha256 not in shown]
        return [
            (self.kind.result_label(name, language) if self.kind else name, file) for name, file in fields
        ]

    @property
    def explanations(self) -> Sequence[ShownExplanation]:
        """The explanations of the result."""
        given = [self.given] if self.given is not None else []
        candidates = [*self.shown.pictures, *given] if self.makes_pictures else given
        return [ShownExplanation.of(block, candidates) for block in self.shown.explanations]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures. Known in advance, so that nothing on the page moves later."""
        shown = self.pictures[0] if self.pictures else self.given
        if shown is not None:
            return shown.width, shown.height
        width, height = self.shown.request.get("width"), self.shown.request.get("height")
        if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            return width, height
        return DEFAULT_SIDE, DEFAULT_SIDE

    @property
    def is_small(self) -> bool:
        """Whether the pictures are shown pixel by pixel."""
        return max(self.size) < SMOOTH_FROM

    @property
    def num_frames(self) -> int:
        """Number of pictures that there are or will be."""
        request = self.shown.request
        number = request.get("num_images_per_prompt", request.get("num_videos_per_prompt", 1))
        return len(self.pictures) or (number if isinstance(number, int) and 0 < number <= MOST_FRAMES else 1)

    @property
    def num_steps(self) -> int:
        """Number of steps: as the worker reports it, else as the request has it."""
        requested = self.shown.request.get("num_inference_steps")
        return self.job.progress.total or (requested if isinstance(requested, int) else 1)

    @property
    def is_several(self) -> bool:
        """Whether pictures stand side by side."""
        return self.makes_pictures and self.num_frames > 1 and bool(self.pictures or not self.job.is_finished)

    @property
    def makes_pictures(self) -> bool:
        """Whether the results of the kind are new pictures."""
        return self.kind is not None and self.kind.makes_pictures

    @property
    def trains(self) -> bool:
        """Whether the job trains a model."""
        return self.kind is not None and self.kind.trains is not None

    @property
    def trained_model(self) -> tuple[str, str] | None:
        """Kind and name of the model that the job trained."""
        if self.kind is None or self.kind.trains is None or self.shown.result is None:
            return None
        return self.kind.trains.kind, f"{TRAINED}{self.job.id}"

    @property
    def has_seed(self) -> bool:
        """Whether another seed gives another result."""
        return self.shown.request.get("seed") is not None

    @property
    def provenance(self) -> Provenance | None:
        """How the result was made."""
        return self.job.result.provenance if isinstance(self.job.result, Result) else None

    @property
    def pictures_to_pass_on(self) -> Sequence[str]:
        """SHA-256 of the pictures that other kinds can take: those that were made, else the given one."""
        if self.makes_pictures:
            return [picture.sha256 for picture in self.pictures]
        return [self.given.sha256] if self.given else []

    def warnings(self, language: str) -> Sequence[tuple[str, str]]:
        """Return code and message of each warning of the result."""
        words = self.kind.words.get(language) if self.kind else None
        return [(each.code, warning_text(each, language, words)) for each in self.shown.warnings]

    def read(self, error: JobError, language: str) -> JobError:
        """Return an error of the job in a language, with the labels of the fields."""
        fields = self.kind.request_type.model_fields if self.kind else {}
        return error.for_reader().in_language(
            language, {name: self.field_label(name, language) for name in fields}
        )

    def field_label(self, name: str, language: str) -> str:
        """Return the label of a field of the request; for a file in a list, with its numbers."""
        numbers = [str(int(part) + 1) for part in name.split(".") if part.isdecimal()]
        label = self.kind.field_label(field_of(name), language) if self.kind else name
        return " ".join([label, ".".join(numbers)]).strip()

    def result_label(self, file: Artifact, language: str) -> str:
        """Return the label of the result field that holds a file."""
        names = [name for name, each in self.shown.result_fields if each.sha256 == file.sha256]
        return self.kind.result_label(names[0], language) if self.kind and names else ""

    def request_rows(self, language: str) -> list[tuple[str, str]]:
        """Return label and value of each field of the request that is set, without files."""
        left_out = {"version", *({**self.kind.files, **self.kind.file_lists} if self.kind else ())}
        return [
            (self.field_label(name, language), self._value(name, value, language))
            for name, value in self.shown.request.items()
            if name not in left_out and value not in (None, "", False, [], ())
        ]

    def _value(self, name: str, value: Any, language: str) -> str:
        if value is True:
            return "✓"
        if name == explain_choice.EXPLAIN:
            return explain_choice.written(value)
        if name in short_forms.FORMS:
            return short_forms.written(name, value) or str(value)
        known = self.kind.request_type.model_fields.get(name) if self.kind else None
        if self.kind and known is not None and _has_choices(known.annotation):
            return self.kind.field_words.choice(value, language)
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _has_choices(annotation: Any) -> bool:
    return get_origin(annotation) is Literal or any(map(_has_choices, get_args(annotation)))


def _inputs(shown: Presentation, files: TenantFiles) -> dict[str, Artifact]:
    found: dict[str, Artifact] = {}
    for place, given in (shown.kind.files_in(shown.request) if shown.kind else {}).items():
        # A caller who may see the job may see its inputs, whichever tenant uploaded them.
        with suppress(FileNotFound):
            found[place] = files.get(given, None)
    return found
