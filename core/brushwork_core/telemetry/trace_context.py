"""W3C Trace Context: propagates the trace of a call from the caller to the worker and the webhook.

Each hop keeps the trace id and sets a new parent id. Spans are not recorded here; a collector shows the hops
by the ids that caller and receiver record.
"""

import re
import secrets
from dataclasses import dataclass

# A later version may have more fields at the end.
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# `sampled` of level 1 and `random` of level 2. Unknown flags must not be propagated.
_KNOWN_FLAGS = 0x03


@dataclass(frozen=True)
class TraceContext:
    """The content of a `traceparent` header.

    Args:
        trace_id: Id of the trace, 32 hexadecimal digits.
        flags: Bits: 1 if a caller records the trace, 2 if the id is random.
    """

    trace_id: str
    flags: int = 0

    @classmethod
    def read(cls, traceparent: str | None) -> "TraceContext | None":
        """Parse a header; None if there is none, or if it is invalid and must be ignored."""
        form = _FORM.fullmatch(traceparent or "")
        if form is None:
            return None
        version, trace_id, parent_id, flags, rest = form.groups()
        is_zero = not int(trace_id, 16) or not int(parent_id, 16)
        if is_zero or version == "ff" or (version == "00" and rest):
            return None
        return cls(trace_id, int(flags, 16) & _KNOWN_FLAGS)

    def child(self) -> str:
        """Return the header for the next hop, with a new parent id."""
        # One of 2**64 ids is all zeros, which is invalid and would be ignored.
        return f"00-{self.trace_id}-{secrets.token_hex(8)}-{self.flags:02x}"


def propagated(traceparent: str | None) -> dict[str, str]:
    """Return the header for the next hop, or nothing if there is no valid trace."""
    context = TraceContext.read(traceparent)
    return {} if context is None else {"traceparent": context.child()}
