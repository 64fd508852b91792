"""Cursors: positions in a list of jobs. A caller passes them back unchanged."""

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
    """The position after the last job of a page.

    Args:
        created_at: When that job was created.
        id: Id of that job, which orders jobs of the same millisecond.
    """

    created_at: datetime
    id: str

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the cursor of the page that follows `job`."""
        return cls(job.created_at, job.id)

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Return the cursor of a `text` that a list returned.

        Raises:
            InvalidRequest: No list can have returned this text.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            mark = _MARK.fullmatch(b64decode(padded, altchars=b"-_", validate=True).decode("ascii"))
            if mark is not None:
                return cls(_EPOCH + timedelta(milliseconds=int(mark[1])), mark[2])
        except (ValueError, OverflowError):
            pass
        raise InvalidRequest(
            "cursor: invalid value.",
            field="cursor",
            hint="Pass the `next` value of the previous page unchanged, with the same filters.",
        )

    @property
    def text(self) -> str:
        """The cursor as text, for a URL."""
        milliseconds = round((self.created_at - _EPOCH) / timedelta(milliseconds=1))
        return urlsafe_b64encode(f"{milliseconds}.{self.id}".encode()).decode().rstrip("=")
