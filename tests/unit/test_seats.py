"""Seats of event streams and waits: so many in all, so many for one tenant."""

from contextlib import ExitStack

import pytest
from brushwork.gateway.admission import stream_limit as seating
from brushwork.gateway.admission.stream_limit import StreamLimit
from brushwork_schemas.errors import TooManyStreams


@pytest.fixture
def seats(monkeypatch: pytest.MonkeyPatch) -> StreamLimit:
    monkeypatch.setattr(seating, "MAX_STREAMS", 4)
    monkeypatch.setattr(seating, "MAX_STREAMS_PER_TENANT", 2)
    return StreamLimit()


def test_one_tenant_leaves_seats_for_the_others(seats: StreamLimit) -> None:
    with seats.opened("a"), seats.opened("a"):
        with (
            pytest.raises(TooManyStreams, match="of one tenant"),
            seats.opened("a"),
        ):
            pass
        four = pytest.raises(TooManyStreams, match="limit of this gateway is 4")
        with seats.opened("b"), seats.opened(""), four:
            seats.check("c")
        seats.check("b")
    seats.check("a")


def test_where_nobody_is_asked_for_a_key_one_may_have_all(seats: StreamLimit) -> None:
    with ExitStack() as sat:
        for _ in range(4):
            sat.enter_context(seats.opened(None))
        with pytest.raises(TooManyStreams):
            seats.check(None)
    seats.check(None)
