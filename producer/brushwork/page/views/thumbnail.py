"""A job as a contact sheet shows it: a picture, a line of text and a state."""

from dataclasses import dataclass

from brushwork_schemas.job import Job
from brushwork_schemas.kinds.presentation import Presentation

LONGEST_TITLE = 200


@dataclass(frozen=True)
class Thumbnail:
    """What a card shows of a job.

    Args:
        job: The job.
        title: The job's headline or prompt; empty if it has neither.
        sha256: The picture to show: the main picture of the result, else the picture that was given.
        num_pictures: Number of pictures that the job generated; at most 1 for a kind that describes pictures.
        makes_pictures: Whether the kind makes pictures: its title is a prompt, not a finding.
    """

    job: Job
    title: str
    sha256: str | None
    num_pictures: int
    makes_pictures: bool = False

    @classmethod
    def of(cls, job: Job) -> "Thumbnail":
        """Return the thumbnail of a job."""
        shown = Presentation(job)
        pictures = shown.pictures
        makes_pictures = shown.kind is not None and shown.kind.makes_pictures
        sha256 = pictures[0].sha256 if pictures else _given(shown)
        num_pictures = len(pictures) if makes_pictures else min(1, len(pictures))
        return cls(job, shown.headline[:LONGEST_TITLE], sha256, num_pictures, makes_pictures)

    @property
    def share(self) -> int:
        """Share of the steps that are done, in percent."""
        return round(self.job.progress.fraction * 100)


def _given(shown: Presentation) -> str | None:
    given = shown.kind.main_picture(shown.request) if shown.kind else None
    return given if given is not None and len(given) == 64 else None
