"""`Prefer: wait=SECONDS`, as callers write it."""

import pytest
from brushwork.gateway.bodies.prefer import preferred_wait_s


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=20", 20),
        ("WAIT = 5", 5),
        ('wait="7"', 7),
        ("respond-async, wait=10", 10),
        ("respond-async; wait=10, return=minimal", 10),
        ("wait=100", 60),
        ("wait=999999999", 60),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=soon", 0),
        ("await=5", 0),
        ("wait=9999999999999999999999", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_what_is_read_of_it(prefer: str | None, seconds: int) -> None:
    assert preferred_wait_s(prefer) == seconds
