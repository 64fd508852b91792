"""Writes the pictures and videos of one job: what is known of them, and what the request says about files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.facts import InputPicture, PictureFacts
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter, WrittenPicture
from brushwork_core.provenance.video_writer import VideoWriter, WrittenVideo
from brushwork_schemas.artifact import DigitalSource
from brushwork_schemas.kinds.file_places import pattern_of
from brushwork_schemas.kinds.kind import PICTURE, Kind
from brushwork_schemas.kinds.request import NewPictureRequest, Request
from PIL import Image

from brushwork_workers.models.revision import versions

StatedSource = DigitalSource | Literal["kind"] | None


@dataclass(frozen=True)
class PictureOrigin:
    """What the pictures of one job come from.

    Args:
        kind: Kind of the job.
        request: Its request.
        model: Name of the model.
        model_revision: Revision of the model's files.
    """

    kind: Kind
    request: Request
    model: str
    model_revision: str

    def source(self, stated: StatedSource) -> DigitalSource | None:
        """Return how a picture came to be, as the handler or the kind states it."""
        return self.kind.source_of(self.request) if stated == "kind" else stated

    def facts(self, source: DigitalSource, parameters: dict[str, Any] | None) -> PictureFacts:
        """Return what is known of a picture.

        Args:
            source: How it came to be.
            parameters: What its file tells of the request.
        """
        files, patterns = self.kind.files_in(self.request), self.kind.file_patterns
        named = {place: name for place, name in files.items() if patterns[pattern_of(place)] == PICTURE}
        return PictureFacts(
            source=source,
            kind=self.kind.name,
            model=self.model,
            model_revision=self.model_revision,
            software_version=versions().get("brushwork", ""),
            inputs=tuple(InputPicture(sha256, place) for place, sha256 in named.items()),
            parameters=parameters,
        )

    def parameters(self, seed: int | None, changed: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the parameters that make one picture again, without what concerns its file alone.

        Args:
            seed: Seed of this picture; None if the job has one seed, or none.
            changed: Fields of the request that were different for this picture.
        """
        left_out = {*NewPictureRequest.FILE_FIELDS, "explain"}
        given = self.request.model_dump(mode="json", exclude=left_out) | dict(changed or {})
        if seed is not None:
            number = {"num_images_per_prompt", "num_videos_per_prompt"} & given.keys()
            given |= {"seed": seed, **dict.fromkeys(number, 1)}
        return {name: value for name, value in given.items() if value is not None}


class NewPictures:
    """Writes the files of the pictures of one job.

    Args:
        writer: Encodes, labels and signs; None for one that has the default settings.
        origin: What the pictures come from; None if nothing is known, and they have no labels.
    """

    def __init__(self, writer: PictureWriter | None = None, origin: PictureOrigin | None = None) -> None:
        self._writer = writer or PictureWriter()
        self._origin = origin
        self._choices = OutputChoices.of(origin and origin.request)

    def check(self) -> None:
        """Refuse what cannot be done here, before any model call: choices of the request, and signatures.

        Raises:
            InvalidRequest: A field cannot be fulfilled.
            SigningFailed: The pictures of the job could not be signed.
        """
        self._writer.check(self._choices)
        if self._origin is not None and self._origin.source("kind") is not None:
            self._writer.check_signature()

    def written(
        self,
        picture: Image.Image,
        stated: StatedSource,
        seed: int | None,
        inputs: Callable[[PictureFacts], Mapping[str, Ingredient]],
        changed: Mapping[str, Any] | None = None,
    ) -> WrittenPicture:
        """Return the file of a picture.

        Args:
            picture: The picture.
            stated: How it came to be; "kind" for what its kind states.
            seed: Seed of this picture, if the job has several.
            inputs: Returns what a signature needs to know of the pictures that it was made from.
            changed: Fields of the request that were different for this picture.

        Raises:
            SigningFailed: The file cannot be signed.
        """
        facts = self._facts(stated, seed, changed)
        return self._writer.write(picture, facts, self._choices, self._inputs(facts, inputs))

    def written_video(
        self,
        frames: Sequence[Image.Image],
        fps: int,
        stated: StatedSource,
        seed: int | None,
        inputs: Callable[[PictureFacts], Mapping[str, Ingredient]],
    ) -> WrittenVideo:
        """Return the files of a video.

        Args:
            frames: The frames.
            fps: Frames per second.
            stated: As for `written`.
            seed: As for `written`.
            inputs: As for `written`.

        Raises:
            SigningFailed: A file cannot be signed.
            InvalidRequest: The file is too large to be stored.
        """
        facts = self._facts(stated, seed)
        writer = VideoWriter(self._writer)
        return writer.write(frames, fps, facts, self._choices, self._inputs(facts, inputs))

    def _facts(
        self, stated: StatedSource, seed: int | None, changed: Mapping[str, Any] | None = None
    ) -> PictureFacts | None:
        origin = self._origin
        if origin is None or (source := origin.source(stated)) is None:
            return None
        tells = self._writer.embeds(self._choices)
        return origin.facts(source, origin.parameters(seed, changed) if tells else None)

    def _inputs(
        self, facts: PictureFacts | None, inputs: Callable[[PictureFacts], Mapping[str, Ingredient]]
    ) -> Mapping[str, Ingredient]:
        return {} if facts is None or not self._writer.signs else inputs(facts)
