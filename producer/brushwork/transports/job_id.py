"""Ids of new jobs. Those of later jobs sort after earlier ones: the index of the ledger grows at its end."""

import secrets
import time
from uuid import UUID

_VERSION, _VARIANT = 7, 0b10
_NS_PER_MS = 1_000_000


def new_job_id() -> str:
    """Return a UUID of version 7 (RFC 9562): milliseconds, parts of 1/4096 of a millisecond, 62 random bits.

    Python has `uuid.uuid7` from 3.14 on.
    """
    milliseconds, rest = divmod(time.time_ns(), _NS_PER_MS)
    part = rest * 4096 // _NS_PER_MS
    number = milliseconds << 80 | _VERSION << 76 | part << 64 | _VARIANT << 62 | secrets.randbits(62)
    return str(UUID(int=number))
