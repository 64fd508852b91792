"""The context that a handler gets for one attempt: inputs, outputs, progress, previews and checkpoints."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_core.database.picture_prints import PicturePrint
from brushwork_core.ledger import Signal, WriteOutcome
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.media import pictures
from brushwork_core.media.decoders import known_pictures
from brushwork_core.media.decoders.current import current_decoder
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.appearance.picture_print import print_of
from brushwork_core.provenance.picture_writer import WrittenPicture
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact.video import Video
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.result import DenoiserCalls
from brushwork_schemas.preview import Preview
from brushwork_schemas.warnings import ResultWarning
from PIL import Image

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.attempt_files import AttemptFiles, Ingredients
from brushwork_workers.execution.new_pictures import NewPictures, StatedSource
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.interface import SavedCheckpoint

LOGGER = logging.getLogger(__name__)
PREVIEW_EVERY_S = 1.0
PREVIEW_SIDE = 256


@dataclass(frozen=True)
class MadePicture:
    """A picture of a result, as it was given to `save_picture`."""

    picture: Image.Image
    source: StatedSource
    seed: int | None
    changed: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class MadeVideo:
    """A video of a result, as it was given to `save_video`, and its files."""

    frames: Sequence[Image.Image]
    source: StatedSource
    seed: int | None
    video: Video


class AttemptContext:
    """The `JobContext` of one attempt.

    Args:
        attempt: The attempt. `ProgressSync` writes its progress and preview to the ledger.
        files: Reads inputs, and writes outputs and checkpoints.
        checkpoints: Records the last checkpoint of each job.
        patience: Repeats calls of the ledger.
        new_pictures: Writes the files of pictures; None to write them without labels.
        clock: Returns monotonic seconds.
        is_judged: Whether policies decide about the result. Then the pictures are kept in memory until they
            have, and nobody sees previews.
    """

    def __init__(
        self,
        attempt: Attempt,
        files: AttemptFiles,
        checkpoints: JobCheckpoints,
        patience: ServicePatience,
        new_pictures: NewPictures | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        is_judged: bool = False,
    ) -> None:
        self._is_judged = is_judged
        self._checkpoints = checkpoints
        self._attempt = attempt
        self._files = files
        self._patience = patience
        self._pictures = new_pictures or NewPictures()
        self._ingredients = Ingredients(attempt, files)
        self._clock = clock
        self._shown_at = -math.inf
        self.outputs: list[Artifact] = []
        self.prints: list[PicturePrint] = []
        self.made: dict[str, MadePicture] = {}
        self.made_videos: dict[str, MadeVideo] = {}
        self.warnings: list[ResultWarning] = []
        self.num_denoiser_calls: DenoiserCalls | None = None
        self.reading_s = 0.0

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self._attempt.claim.job_id

    def picture(self, sha256: str) -> Image.Image:
        """Read and decode an input picture."""
        return self._decoded(sha256, "white")

    def mask(self, sha256: str) -> Image.Image:
        """Read and decode a mask; what is transparent is black."""
        return self._decoded(sha256, "black").convert("L")

    def _decoded(self, sha256: str, background: pictures.Background) -> Image.Image:
        began = time.monotonic()
        # A picture of the store may be larger than one that callers send.
        reading = Reading(background=background, max_bytes=pictures.MAX_STORED_BYTES)
        data = self._files.get(sha256)
        picture = known_pictures.decoded(data, reading, current_decoder())
        self._ingredients.note(sha256, data)
        self.reading_s += time.monotonic() - began
        return picture

    def file(self, sha256: str) -> bytes:
        """Read an input file."""
        began = time.monotonic()
        data = self._files.get(sha256)
        self.reading_s += time.monotonic() - began
        return data

    def save_picture(
        self,
        picture: Image.Image,
        *,
        source: StatedSource = "kind",
        seed: int | None = None,
        changed: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """Store a picture as an output with its marks, or hold it until the store answers."""
        written = self._pictures.written(picture, source, seed, self._ingredients.of, changed)
        artifact = self._stored(written, is_finding=source is None)
        if self._is_judged:
            self.made[artifact.sha256] = MadePicture(picture, source, seed, changed)
        return artifact

    def save_video(
        self,
        frames: Sequence[Image.Image],
        fps: int,
        *,
        source: StatedSource = "kind",
        seed: int | None = None,
    ) -> Video:
        """Store a video and its poster as outputs with their marks, or hold them until the store answers."""
        written = self._pictures.written_video(frames, fps, source, seed, self._ingredients.of)
        # A picture of the first frame leads to the video.
        file, poster = self._stored(written.video), self._stored(written.poster)
        video = Video(file=file, poster=poster, num_frames=written.num_frames, fps=written.fps)
        if self._is_judged:
            self.made_videos[file.sha256] = MadeVideo(frames, source, seed, video)
        return video

    def _stored(self, written: WrittenPicture, *, is_finding: bool = False) -> Artifact:
        for warning in written.warnings:
            self.warn(warning)
        artifact = self._files.put_picture(written.data).model_copy(
            update={
                "pixels_sha256": written.pixels_sha256,
                "unsigned_sha256": written.unsigned_sha256,
                "signed_by": written.signed_by,
            }
        )
        self.outputs.append(artifact)
        # Nobody looks for a map that lies over a picture. It is almost that picture to the search.
        if kind_named(self._attempt.claim.kind).makes_pictures and not is_finding:
            # Copies show what the file shows, also its visible label.
            self.prints.append(print_of(written.picture, artifact))
        return artifact

    def discard(self, names: Iterable[str]) -> None:
        """Remove outputs that the result does not have after all."""
        self._files.discard(names)

    def save_file(self, data: bytes, media_type: str) -> Artifact:
        """Store any other file as an output, or hold it until the store answers."""
        artifact = self._files.put_file(data, media_type)
        self.outputs.append(artifact)
        return artifact

    def warn(self, warning: ResultWarning) -> None:
        """Add a warning to the result, unless it has the same one."""
        if warning not in self.warnings:
            self.warnings.append(warning)

    def denoiser_calls(self, computed: int, skipped: int) -> None:
        """Keep the counts for the provenance, those of the last run of the pipeline."""
        self.num_denoiser_calls = DenoiserCalls(computed=computed, skipped=skipped)

    def progress(self, step: int, total: int) -> None:
        """Report progress, and stop if the job must stop."""
        self._attempt.progress = Progress(step=step, total=total)
        self._attempt.check()

    def check_stop(self) -> None:
        """Stop if the job must stop."""
        self._attempt.check()

    def wants_preview(self) -> bool:
        """Whether a client watches and the last preview is old enough."""
        if self._is_judged:
            return False
        return self._attempt.is_watched and self._clock() - self._shown_at >= PREVIEW_EVERY_S

    def show_preview(self, picture: Image.Image) -> None:
        """Keep a small JPEG for the next progress report."""
        self._shown_at = self._clock()
        jpeg = pictures.encode_small_jpeg(picture, PREVIEW_SIDE)
        self._attempt.preview = Preview(jpeg=jpeg, **self._attempt.progress.model_dump())

    def checkpoint(self) -> SavedCheckpoint | None:
        """Read the last checkpoint of the job."""
        found = self._patience.read(self._attempt, lambda: self._checkpoints.get(self.job_id))
        if found is None or found.checkpoint is None:
            return None
        try:
            return SavedCheckpoint(self._files.get(found.checkpoint), found.summary)
        except ArtifactMissing as error:
            LOGGER.warning("Job %s starts from the beginning: %s", self.job_id, error)
            return None

    def save_checkpoint(self, data: bytes, summary: Any) -> None:
        """Save a checkpoint; if ledger or store cannot be reached, the previous one stays valid."""
        try:
            artifact = self._files.put_now(data, "application/octet-stream")
            unneeded = self._checkpoints.note(*self._attempt.key, summary, artifact)
        except (ServiceUnreachable, ArtifactMissing) as error:
            LOGGER.warning("Job %s goes on without a new checkpoint: %s", self.job_id, error)
            return
        if unneeded is WriteOutcome.LEASE_LOST:
            self._attempt.receive(Signal.LOST)
            self._attempt.check()
        else:
            self._files.discard(unneeded)
