"""What came of a try: an answer of the receiver, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus


@dataclass(frozen=True)
class DeliveryAnswer:
    """How a receiver answered.

    Args:
        status: The HTTP status, if it came so far.
        error: What went wrong, if something did.
        wish_s: How long the receiver wants to be left alone.
        is_final: Whether another try would be in vain.
    """

    status: int | None = None
    error: str | None = None
    wish_s: float | None = None
    is_final: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no events at this address any more."""
        return self.status == HTTPStatus.GONE


def answer_of(status: int, headers: Mapping[str, str]) -> DeliveryAnswer:
    """What a status and its headers mean: only 2xx is a delivery, and nothing is followed."""
    if 200 <= status < 300:
        return DeliveryAnswer(status)
    error = f"The receiver answered {status}"
    if 300 <= status < 400:
        error += ", and redirects are not followed"
    return DeliveryAnswer(status, f"{error}.", wish_s(headers))


def wish_s(headers: Mapping[str, str]) -> float | None:
    """The seconds that a `Retry-After` means, which is a number or a date; None if there is none."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        # Beyond twelve digits it is no time any more.
        return float(text[:12])
    until = _date(text)
    if until is None:
        return None
    # By the receiver's own clock, if it tells it.
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
