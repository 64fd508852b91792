"""Trace contexts: which are followed, which ignored, and what the next hop gets."""

import pytest
from brushwork_core.telemetry.trace_context import TraceContext, propagated

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("said", "flags"),
    [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("08", 0)],
)
def test_the_trace_stays_and_the_parent_is_new_at_each_hop(said: str, flags: int) -> None:
    context = TraceContext.read(f"00-{TRACE}-{PARENT}-{said}")
    assert context == TraceContext(TRACE, flags)
    hops = {context.child() for _ in range(50)}
    assert len(hops) == 50
    for hop in hops:
        assert TraceContext.read(hop) == context
        assert PARENT not in hop


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\n",
        f" 00-{TRACE}-{PARENT}-01",
    ],
)
def test_what_is_none_is_ignored(wrong: str | None) -> None:
    assert TraceContext.read(wrong) is None
    assert propagated(wrong) == {}


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    [(name, value)] = propagated(f"cc-{TRACE}-{PARENT}-01-what-the-future-brings").items()
    assert name == "traceparent"
    assert value.startswith(f"00-{TRACE}-")
    assert value.endswith("-01")
