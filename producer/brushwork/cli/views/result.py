"""What a terminal shows of a result, and the names of its files."""

import mimetypes
from collections.abc import Iterator, Sequence

from brushwork_core.media.archive_type import ENDINGS
from brushwork_schemas.artifact import MP4, Artifact
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.kinds.view import Block, Legend, Properties, Scores, Table, Text, localized

Facts = Iterator[tuple[str, str]]
_LANGUAGE = "en"
_ENDINGS = {
    **ENDINGS,
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
    MP4: "mp4",
    "application/json": "json",
    "application/vnd.safetensors": "safetensors",
}


def files(job: Job) -> dict[str, Artifact]:
    """Return the files of a job's result by file name."""
    return {f"{name}.{_ending(file)}": file for name, file in Presentation(job).files.items()}


def pictures(job: Job) -> Sequence[Artifact]:
    """Return the main pictures of a job's result, main picture first."""
    return Presentation(job).pictures


def result_facts(job: Job) -> Facts:
    """Yield label and value of what the result says: the facts of the kind, else the blocks of its page."""
    shown = Presentation(job)
    if shown.result is not None:
        yield from shown.facts or blocks_facts(shown.blocks)


def running_facts(job: Job) -> Facts:
    """Yield label and value of what a job that has not ended has to show, such as finished epochs."""
    if not job.is_finished:
        yield from blocks_facts(Presentation(job).blocks)


def blocks_facts(blocks: Sequence[Block]) -> Facts:
    """Yield label and value of each row of the blocks. Charts, matrices and notes are left out."""
    for block in blocks:
        match block:
            case Text(text=text):
                yield "text", text
            case Scores(rows=scores):
                yield from ((label, f"{score:.1%}") for label, score in scores)
            case Legend(areas=areas):
                yield from ((label, f"{share:.1%} of the picture") for label, share in areas.items())
            case Properties(rows=properties):
                yield from (
                    (localized(name, _LANGUAGE), localized(value, _LANGUAGE)) for name, value in properties
                )
            case Table():
                yield from _table_facts(block)


def _table_facts(table: Table) -> Facts:
    first, *others = (localized(column, _LANGUAGE) for column in table.columns)
    for row in table.rows:
        label, *values = (localized(cell, _LANGUAGE) for cell in row)
        parts = [f"{name} {value}" for name, value in zip(others, values, strict=False) if value]
        yield f"{first} {label}", ", ".join(parts)


def _ending(file: Artifact) -> str:
    guessed = (mimetypes.guess_extension(file.media_type) or "").removeprefix(".")
    return _ENDINGS.get(file.media_type) or guessed or "bin"
