"""Receivers of F19: slow, broken, rude, elsewhere and gone; each is told of jobs of its own."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from brushwork.webhooks.schedule import MULTIPLES
from brushwork_core.ledger.outbox import Outbox

from tests.receivers import Receiver, break_off, hang_up, hold, status
from tests.telling import events_of, told, wait_told

TRIES = 1 + len(MULTIPLES)
CLOUD = "http://169.254.169.254/latest/meta-data/"


class BadReceivers:
    """They misbehave from `with` to its end.

    Args:
        num_jobs: Of how many jobs each is told.
        moments: What it is told of each.
    """

    def __init__(self, num_jobs: int, moments: Sequence[str] = ("succeeded",)) -> None:
        self._num_jobs = num_jobs
        self._moments = moments
        self._opening = ExitStack()
        self.slow, self.failing, self.dropping = Receiver(), Receiver(), Receiver()
        self.moved, self.inner, self.gone = Receiver(), Receiver(), Receiver()

    def __enter__(self) -> Self:
        num_events = self._num_jobs * len(self._moments)
        with ExitStack() as opening:
            for each in (self.slow, self.failing, self.dropping, self.moved, self.inner, self.gone):
                opening.enter_context(each)
            self._opening = opening.pop_all()
        self.slow.replies += [hold]
        self.failing.replies += [status(500), status(503), status(500)]
        self.dropping.replies += [break_off, hang_up, break_off, hang_up]
        elsewhere = [status(302, Location=CLOUD), status(307, Location=self.inner.url)]
        self.moved.replies += elsewhere * (num_events * TRIES)
        self.gone.replies += [status(410)] * num_events
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opening.close()

    def let_go(self, outbox: Outbox, late: Sequence[str]) -> None:
        """Release the slow one, that held a single request all this time, and wait until it is told."""
        assert len(self.slow.heard) == 1
        assert not [event for event in told(outbox, late) if event.delivered_at or event.dead]
        self.slow.released.set()
        wait_told(outbox, late, len(self._moments))

    def have_heard(
        self,
        outbox: Outbox,
        *,
        late: Sequence[str],
        tried: Sequence[str],
        dropped: Sequence[str],
        lost: Sequence[str],
        closed: Sequence[str],
    ) -> None:
        """Each what it had to, as often as it had to, always by the same id; and the outbox knows.

        Args:
            outbox: Where the events are.
            late: The jobs that the slow one was told of.
            tried: Those of the failing one.
            dropped: Those of the one that drops its answers.
            lost: Those of the one that has moved.
            closed: Those of the one that is gone.
        """
        num_events = self._num_jobs * len(self._moments)
        assert Counter(self.slow.ids) == Counter(events_of(late, self._moments))
        assert set(self.failing.ids) == events_of(tried, self._moments)
        assert len(self.failing.ids) == num_events + 3
        # A status that came counts, whatever becomes of the rest; where none came, it is told again.
        assert set(self.dropping.ids) == events_of(dropped, self._moments)
        assert len(self.dropping.ids) == num_events + 2
        assert all(event.delivered_at for event in told(outbox, [*late, *tried, *dropped]))
        assert self.inner.heard == []
        assert Counter(self.moved.ids) == dict.fromkeys(events_of(lost, self._moments), TRIES)
        assert {event.last_status for event in told(outbox, lost)} <= {302, 307}
        # Whoever is gone hears of a moment at most once.
        assert max(Counter(self.gone.ids).values()) == 1
        assert {event.last_status for event in told(outbox, closed)} == {410}
        assert all(event.dead and not event.delivered_at for event in told(outbox, [*lost, *closed]))
