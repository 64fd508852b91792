"""Seats of event streams and waits: so many in all, so many for one tenant."""

from contextlib import ExitStack

import pytest
from brushwork.gateway.admission.stream_limit import StreamLimit
from brushwork_schemas.errors import TooManyStreams


@pytest.fixture
def seats() -> StreamLimit:
    return StreamLimit(4, 2)


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


def test_the_more_there_are_the_smaller_is_the_share_of_each() -> None:
    limit = StreamLimit(100, 60)
    with ExitStack() as sat:
        for tenant, share in (("a", 60), ("b", 27), ("c", 9)):
            for _ in range(share):
                sat.enter_context(limit.opened(tenant))
            with pytest.raises(TooManyStreams, match=f"share is now {share}"):
                limit.check(tenant)
        limit.check("late")


def test_where_nobody_is_asked_for_a_key_one_may_have_all(seats: StreamLimit) -> None:
    with ExitStack() as sat:
        for _ in range(4):
            sat.enter_context(seats.opened(None))
        with pytest.raises(TooManyStreams):
            seats.check(None)
    seats.check(None)
