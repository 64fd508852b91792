"""Why the gateway ended a connection, or refused bytes of it."""

from enum import StrEnum


class Ending(StrEnum):
    """The reasons, which are label values of `brushwork_gateway_ended_connections_total`."""

    FULL = "full"
    """All connections were busy, so a new one was refused with 503."""
    REPLACED = "replaced"
    """It was the one that had waited longest for its client when a new one came and there was no room."""
    SLOW_HEAD = "slow_head"
    """The head did not end in time."""
    LARGE_HEAD = "large_head"
    """The head was too large, or had too many headers."""
    SLOW_BODY = "slow_body"
    """No byte of the body came for too long, or too few a second."""
    UNWANTED_BODY = "unwanted_body"
    """The body went on although the request was answered."""
    LARGE_FRAMING = "large_framing"
    """Trailers or chunk extensions were too large."""
    PIPELINED = "pipelined"
    """Too many requests came before the first one was answered."""
    SLOW_READER = "slow_reader"
    """The client did not read its answer."""
    MALFORMED = "malformed"
    """The bytes were not HTTP."""
