"""The place in a list of jobs where the next page begins: opaque to callers."""

import re
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARK = re.compile(r"([0-9]{1,14})\.([ -~]{1,64})")


@dataclass(frozen=True)
class Cursor:
    """The last job of a page.

    Args:
        created_at: Its creation.
        id: Tells jobs of the same millisecond apart.
    """

    created_at: datetime
    id: str

    @classmethod
    def of(cls, job: Job) -> Self:
        """The cursor for what comes after this job."""
        return cls(job.created_at, job.id)

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The cursor that was given out as `text`.

        Raises:
            InvalidRequest: None was.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            mark = _MARK.fullmatch(b64decode(padded, altchars=b"-_", validate=True).decode("ascii"))
            if mark is not None:
                return cls(_EPOCH + timedelta(milliseconds=int(mark[1])), mark[2])
        except (ValueError, OverflowError):
            pass
        raise InvalidRequest(
            "cursor: it is none that a list has given.",
            field="cursor",
            hint="Give `next` of the page before, unchanged, with the same filters.",
        )

    @property
    def text(self) -> str:
        """What is given out."""
        milliseconds = round((self.created_at - _EPOCH) / timedelta(milliseconds=1))
        return urlsafe_b64encode(f"{milliseconds}.{self.id}".encode()).decode().rstrip("=")
