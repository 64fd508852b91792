"""The limits of connections, in the form in which the protocol compares them."""

import resource
from dataclasses import dataclass

from brushwork_core.settings.connection_settings import ConnectionSettings

# Kept for the database, Redis, files of the store, temporary files and the log.
RESERVED_DESCRIPTORS = 128


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits of one connection, and the number of all.

    Args:
        most: Most connections at once.
        head_s: Seconds until the end of a head.
        body_s: Seconds without a byte of a body.
        body_bytes_s: Fewest bytes a second of a body.
        answer_s: Seconds in which a client must read some of its answer.
        head_bytes: Most bytes of a head.
        headers: Most headers of a request.
        framing_bytes: Most bytes after the last byte of a body until the next one, or until the end.
        pipelined: Most requests that wait for the answer to an earlier one of their connection.
        shared_head_bytes: Bytes that all heads together may take beyond `small_head_bytes` each.
        small_head_bytes: Bytes of a head that are always allowed.
    """

    most: int = 4096
    head_s: float = 10.0
    body_s: float = 15.0
    body_bytes_s: float = 1024.0
    answer_s: float = 30.0
    head_bytes: int = 64 * 2**10
    headers: int = 128
    framing_bytes: int = 16 * 2**10
    pipelined: int = 16
    shared_head_bytes: int = 8 * 2**20
    small_head_bytes: int = 4 * 2**10

    @classmethod
    def of(cls, settings: ConnectionSettings) -> "ConnectionLimits":
        """Return the limits of the settings, for this process: it may be allowed few open files."""
        return cls(
            most=min(settings.max_connections, affordable(settings.max_connections)),
            head_s=settings.head_timeout_s,
            body_s=settings.body_timeout_s,
            body_bytes_s=settings.body_min_bytes_s,
            answer_s=settings.answer_timeout_s,
        )


def affordable(wanted: int) -> int:
    """Return how many connections the limit of open files leaves, after raising it as far as it may go.

    Args:
        wanted: Number of connections that the limit should allow.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(8, soft - min(RESERVED_DESCRIPTORS, soft // 2))
