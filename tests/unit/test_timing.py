"""Pauses that double, loops that poll, and timestamps."""

from datetime import UTC, datetime, timedelta

import pytest
from brushwork_core.timing.backoff import Backoff, retried
from brushwork_core.timing.polling import poll
from brushwork_core.timing.timestamps import milliseconds_of, moment_of

QUICK = Backoff(0.001, 0.004)


def test_pauses_double_up_to_a_limit() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.pause_s(failures) for failures in (1, 2, 3, 4, 5000)] == [0.5, 1.0, 2.0, 3.0, 3.0]


class Flaky:
    """Fails a number of times, then returns the number of calls."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.num_calls = 0
        self._failures = failures
        self._error = error

    def __call__(self) -> int:
        self.num_calls += 1
        if self.num_calls <= self._failures:
            raise self._error
        return self.num_calls


def is_os_error(error: Exception) -> bool:
    return isinstance(error, OSError)


def test_a_temporary_error_is_retried() -> None:
    assert retried(Flaky(3, OSError()), is_temporary=is_os_error, backoff=QUICK, timeout_s=60) == 4


@pytest.mark.parametrize(("error", "timeout_s"), [(KeyError(), 60), (OSError(), -1)])
def test_another_error_and_one_after_the_timeout_are_raised_at_once(
    error: Exception, timeout_s: float
) -> None:
    flaky = Flaky(1, error)
    with pytest.raises(type(error)):
        retried(flaky, is_temporary=is_os_error, backoff=QUICK, timeout_s=timeout_s)
    assert flaky.num_calls == 1


def test_polling_returns_what_it_finds() -> None:
    answers = iter([None, None, 0])
    assert poll(lambda: next(answers), every_s=0.001) == 0


def test_polling_ends_at_its_timeout_after_one_look() -> None:
    looks: list[None] = []
    assert poll(lambda: looks.append(None), every_s=60, timeout_s=0) is None
    assert looks == [None]


def test_a_timestamp_is_a_moment_in_utc() -> None:
    moment = datetime(2025, 6, 1, 12, 30, 15, 123000, tzinfo=UTC)
    assert moment_of(milliseconds_of(moment)) == moment
    assert moment_of(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert milliseconds_of(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=7)) == 7
    assert moment_of(None) is None
