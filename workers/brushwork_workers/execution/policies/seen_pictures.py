"""What policies see of the files of a result: its pictures, and some frames of its videos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.warnings import result_warning
from PIL import Image

from brushwork_workers.execution.job_context import AttemptContext
from brushwork_workers.execution.policies.blurring import blurred

# Of each video: evenly spread, the first and the last among them.
MOST_FRAMES = 8


@dataclass(frozen=True)
class SeenPicture:
    """A picture that policies judge.

    Args:
        artifact: The file that it belongs to: a picture or a video.
        image: Its pixels.
    """

    artifact: Artifact
    image: Image.Image


def seen_by_policies(files: Iterable[Artifact], context: AttemptContext) -> list[SeenPicture]:
    """Return the pictures that policies judge. A video stands for its poster, which is its first frame.

    Args:
        files: The files of a result, in order.
        context: Context of the attempt, which has the pixels.
    """
    found: list[SeenPicture] = []
    # A pair of an explanation has a picture of the result again.
    for file in {each.sha256: each for each in files}.values():
        if (made := context.made.get(file.sha256)) is not None:
            found.append(SeenPicture(file, made.picture))
        elif (video := context.made_videos.get(file.sha256)) is not None:
            found += [SeenPicture(file, frame) for frame in spread(video.frames)]
    return found


def without_explanation(result: Result) -> tuple[Result, frozenset[str]]:
    """Return a result without its explanation, which shows a picture that nobody may see.

    Args:
        result: The result.

    Returns:
        The result with a warning, and the SHA-256 of the files that only the explanation has.
    """
    of_explanation = {each.sha256 for each in artifacts_within(result.explanation)}
    warnings = (*result.warnings, result_warning("explanation_removed", "explain"))
    changed = result.model_copy(update={"explanation": None, "warnings": warnings})
    return changed, frozenset(of_explanation - {each.sha256 for each in artifacts_within(changed)})


def spread(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Return at most `MOST_FRAMES` frames, evenly spread over a video."""
    number = min(MOST_FRAMES, len(frames))
    last = len(frames) - 1
    return [frames[round(index * last / max(1, number - 1))] for index in range(number)]


def blurred_files(name: str, context: AttemptContext) -> dict[str, Artifact]:
    """Store a picture, or a video with its poster, so that nobody can see what it showed.

    Args:
        name: SHA-256 of the picture or video.
        context: Context of the attempt, which has the pixels.

    Returns:
        The new files by the SHA-256 of those that they replace.
    """
    if (made := context.made.get(name)) is not None:
        picture = blurred(made.picture)
        new = context.save_picture(picture, source=made.source, seed=made.seed, changed=made.changed)
        return {name: new}
    video = context.made_videos[name]
    frames = [blurred(frame) for frame in video.frames]
    shown = context.save_video(frames, video.video.fps, source=video.source, seed=video.seed)
    return {name: shown.file, video.video.poster.sha256: shown.poster}
