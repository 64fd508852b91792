"""The result of a delivery attempt: the answer of the receiver, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from brushwork_schemas.wording.foreign_text import visible

LONGEST_ERROR = 500


@dataclass(frozen=True)
class DeliveryAnswer:
    """The result of a delivery attempt.

    Args:
        status: HTTP status of the answer; None without an answer.
        error: Why the event was not delivered; None if it was.
        retry_after_s: Seconds that the receiver wants to wait before the next attempt.
        is_final: Whether further attempts are useless.
    """

    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None
    is_final: bool = False

    def __post_init__(self) -> None:
        """Bound the error, which is logged and stored: other libraries and receivers write parts of it."""
        if self.error is not None:
            object.__setattr__(self, "error", visible(self.error, LONGEST_ERROR))

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more events at this address: status 410."""
        return self.status == HTTPStatus.GONE


def answer_of(status: int, headers: Mapping[str, str]) -> DeliveryAnswer:
    """Return the result for an answer. Only 2xx is a delivery; redirects are not followed."""
    if 200 <= status < 300:
        return DeliveryAnswer(status)
    error = f"The receiver answered {status}"
    if 300 <= status < 400:
        error += ", and redirects are not followed"
    return DeliveryAnswer(status, f"{error}.", retry_after_s(headers))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`, which is a number or a date; None without a valid one."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        # More than twelve digits would overflow a timestamp.
        return float(text[:12])
    until = _date(text)
    if until is None:
        return None
    # By the clock of the receiver, if the answer has a date.
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
