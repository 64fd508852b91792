"""Writes the file of a new video once, with the marks of pictures, and its poster."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from brushwork_schemas.artifact import MP4
from brushwork_schemas.artifact.video import MAX_VIDEO_BYTES
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.warnings import ResultWarning, result_warning
from brushwork_schemas.wording.phrase import said
from PIL import Image

from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.facts import PictureFacts
from brushwork_core.provenance.marks.encoding import FileForm
from brushwork_core.provenance.marks.mp4 import COMMENT, encoded_video
from brushwork_core.provenance.marks.parameters import parameters_text
from brushwork_core.provenance.marks.pixels import video_pixels_sha256
from brushwork_core.provenance.marks.xmp import AIGC, packet
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter, WrittenPicture
from brushwork_core.provenance.visible_label import VisibleLabel, with_label

# GB 45438-2025: the label of a video stands there for at least two seconds at its beginning.
LABEL_S = 2.0
_POSTER = FileForm("jpeg")
_NO_INPUTS: Mapping[str, Ingredient] = {}


@dataclass(frozen=True)
class WrittenVideo:
    """The files of a video.

    Args:
        video: The file of the video; `pixels_sha256` is that of all frames, with the visible label.
        poster: The file of its first frame.
        num_frames: Number of frames.
        fps: Frames per second.
    """

    video: WrittenPicture
    poster: WrittenPicture
    num_frames: int
    fps: int


class VideoWriter:
    """Writes the files of new videos as the operator and the request say.

    Args:
        pictures: Writes the posters, and knows the marks.
    """

    def __init__(self, pictures: PictureWriter) -> None:
        self._pictures = pictures

    def write(
        self,
        frames: Sequence[Image.Image],
        fps: int,
        facts: PictureFacts | None,
        choices: OutputChoices,
        inputs: Mapping[str, Ingredient] = _NO_INPUTS,
    ) -> WrittenVideo:
        """Return the files of a video.

        Args:
            frames: The frames as the model has made them, all of one size.
            fps: Frames per second.
            facts: What is known of the video; None for one without marks.
            choices: What the request says.
            inputs: The pictures of `facts.inputs`, by their SHA-256, for the signature.

        Raises:
            SigningFailed: A file cannot be signed.
            InvalidRequest: The file would have more than `MAX_VIDEO_BYTES`.
            MissingExtra: PyAV is not installed.
        """
        poster = self._pictures.write(frames[0], facts, replace(choices, form=_POSTER), inputs)
        video = _unmarked(frames, fps) if facts is None else self._marked(frames, fps, facts, choices, inputs)
        return WrittenVideo(video, poster, len(frames), fps)

    def _marked(
        self,
        frames: Sequence[Image.Image],
        fps: int,
        facts: PictureFacts,
        choices: OutputChoices,
        inputs: Mapping[str, Ingredient],
    ) -> WrittenPicture:
        warnings = self._pictures.overruled(choices)
        if (label := self._pictures.label(choices)) is not None:
            frames, cut = labelled(frames, fps, label)
            warnings += cut
        name = video_pixels_sha256(frames, fps)
        stated = self._pictures.stated(facts, name)
        # Tools of ffmpeg's world read this list, and no XMP.
        texts = {
            AIGC: stated.aigc,
            COMMENT: None if facts.parameters is None else parameters_text(facts, frames[0].size),
        }
        data = encoded_video(
            frames,
            fps,
            None if stated.is_empty else packet(stated),
            {key: text for key, text in texts.items() if text is not None},
        )
        _expect_room(data)
        unsigned = hashlib.sha256(data).hexdigest()
        signed = self._pictures.signed(data, MP4, facts, inputs)
        told = (*warnings, *signed.warnings)
        return WrittenPicture(signed.data, frames[0], MP4, name, unsigned, signed.signed_by, told)


def labelled(
    frames: Sequence[Image.Image], fps: int, label: VisibleLabel
) -> tuple[list[Image.Image], list[ResultWarning]]:
    """Return frames with a label in those of the first two seconds, and a warning if it has no room.

    Args:
        frames: The frames.
        fps: Frames per second.
        label: The label.
    """
    shown = min(len(frames), math.ceil(LABEL_S * fps))
    drawn = [with_label(frame, label) for frame in frames[:shown]]
    size = frames[0].size
    is_cut = not all(each.is_whole for each in drawn)
    warnings = [result_warning("visible_label_cut", width=size[0], height=size[1])] if is_cut else []
    return [*(each.picture for each in drawn), *frames[shown:]], warnings


def _unmarked(frames: Sequence[Image.Image], fps: int) -> WrittenPicture:
    data = encoded_video(frames, fps)
    _expect_room(data)
    name = video_pixels_sha256(frames, fps)
    return WrittenPicture(data, frames[0], MP4, name, hashlib.sha256(data).hexdigest())


def _expect_room(data: bytes) -> None:
    if len(data) > MAX_VIDEO_BYTES:
        raise InvalidRequest(
            said(
                "num_frames: the file of the video would have {size} bytes; at most {limit} are stored.",
                size=len(data),
                limit=MAX_VIDEO_BYTES,
            ),
            field="num_frames",
            hint="Use fewer or smaller frames, or submit several jobs.",
        )
