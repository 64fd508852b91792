"""W3C Trace Context: which call of which system a job belongs to, handed on at every hop.

Whoever hands it on names itself as the parent: the trace stays the same, the parent's id is new each time.
Spans are not recorded here; a collector shows the hops by the ids that caller and receiver record.
"""

import re
import secrets
from dataclasses import dataclass

# A later version may say more at its end.
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# "sampled" of level 1 and "random" of level 2; who hands on sets no flag that it does not know.
_KNOWN_FLAGS = 0x03


@dataclass(frozen=True)
class TraceContext:
    """What a `traceparent` says.

    Args:
        trace_id: Of the whole trace, 32 hexadecimal digits.
        flags: 1: somebody before records it; 2: the id was drawn at random.
    """

    trace_id: str
    flags: int = 0

    @classmethod
    def read(cls, traceparent: str | None) -> "TraceContext | None":
        """What it says; None where there is none, or one that has to be ignored."""
        form = _FORM.fullmatch(traceparent or "")
        if form is None:
            return None
        version, trace_id, parent_id, flags, rest = form.groups()
        is_nobody = not int(trace_id, 16) or not int(parent_id, 16)
        if is_nobody or version == "ff" or (version == "00" and rest):
            return None
        return cls(trace_id, int(flags, 16) & _KNOWN_FLAGS)

    def child(self) -> str:
        """The `traceparent` for the next hop, with a parent's id that is new at each call."""
        # One in 2**64 is all zeros, which would be ignored.
        return f"00-{self.trace_id}-{secrets.token_hex(8)}-{self.flags:02x}"


def propagated(traceparent: str | None) -> dict[str, str]:
    """The header for the next hop; empty where there is no trace to follow."""
    context = TraceContext.read(traceparent)
    return {} if context is None else {"traceparent": context.child()}
