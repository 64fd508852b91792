"""What a policy decides about a request or a result."""

import re
from dataclasses import dataclass
from enum import StrEnum

# A reason is shown to callers and stored with the job.
LONGEST_REASON = 500
# Control characters, halves of pairs of surrogates, and marks that turn the direction of text.
_UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def worded(reason: str) -> str:
    """Return a reason on one line and bounded, without characters that databases or terminals cannot take."""
    plain = _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", " ".join(reason.split()))
    return plain if len(plain) <= LONGEST_REASON else f"{plain[: LONGEST_REASON - 1]}…"


class Action(StrEnum):
    """What is to be done. Each action includes less than the next one."""

    FLAG = "flag"
    """The result gets a warning, and the audit log a record. Nothing else changes."""
    BLUR = "blur"
    """The pictures of the result are blurred before they are stored."""
    HOLD = "hold"
    """The result is not served until a reviewer releases it."""
    REFUSE = "refuse"
    """The request is refused, or the job fails, with the code `policy_refused`."""


class Stage(StrEnum):
    """When a policy is asked."""

    REQUEST = "request"
    """At admission, and in the worker before the first model call."""
    RESULT = "result"
    """In the worker, after the last model call and before the job ends."""


@dataclass(frozen=True)
class Decision:
    """What a policy decides. A policy that has nothing to say returns None instead.

    Args:
        action: What is to be done. About a request, `blur` and `hold` apply to its result.
        reason: Why, in one sentence that callers read. It must not quote what the policy looks for.
        field: Parameter of the request that the decision is about, if it is about one.
        pictures: Indices of the result's pictures that `blur` applies to; None for all of them.
    """

    action: Action
    reason: str
    field: str | None = None
    pictures: frozenset[int] | None = None
