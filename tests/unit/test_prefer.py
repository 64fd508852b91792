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
        ("wait=60", 55),
        ("wait=999999999", 55),
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
    assert preferred_wait_s(prefer, 55.0) == seconds


@pytest.mark.parametrize(("longest_s", "seconds"), [(55.0, 55), (25.5, 25), (1.0, 1), (300.0, 60)])
def test_the_longest_wait_is_a_setting(longest_s: float, seconds: int) -> None:
    assert preferred_wait_s("wait=60", longest_s) == seconds
