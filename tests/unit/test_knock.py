"""Waking an event loop from another thread."""

import select

from brushwork_workers.process.consumer import LoopWakeup


def is_heard(knock: LoopWakeup) -> bool:
    return bool(select.select([knock], [], [], 0)[0])


def test_a_knock_is_heard_until_it_is_answered() -> None:
    knock = LoopWakeup()
    assert not is_heard(knock)
    knock.wake()
    assert is_heard(knock)
    knock.clear()
    assert not is_heard(knock)


def test_any_number_of_knocks_is_answered_at_once() -> None:
    knock = LoopWakeup()
    for _ in range(100_000):  # more than a pipe holds
        knock.wake()
    knock.clear()
    assert not is_heard(knock)
    knock.wake()
    assert is_heard(knock)
