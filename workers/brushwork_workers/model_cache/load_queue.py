"""Who may wait for a model in a thread of this worker. Pure: no thread, no clock.

Threads are few, and those that wait are lost to the jobs that could run. So there is a number of seats, and
what finds none goes back to the ledger. Whose model was asked for the longest ago finds one always: it takes
the seat of one whose model has others waiting, or was asked for later.
"""

from dataclasses import dataclass

from brushwork_schemas.errors import BrushworkError


@dataclass(eq=False)
class Waiter:
    """A place in the room.

    Args:
        name: The model.
        since_s: Since when that has been asked for.
        is_lost: Somebody else has the seat now.
        error: Why the model could not be loaded.
        is_kept: The model is being loaded for the sake of this one, who can't be sent away.
    """

    name: str
    since_s: float
    is_lost: bool = False
    error: BrushworkError | None = None
    is_kept: bool = False


class LoadQueue:
    """The seats.

    Args:
        max_waiters: How many; one at least.
    """

    def __init__(self, max_waiters: int) -> None:
        self._num_seats = max(1, max_waiters)
        self._seats: list[Waiter] = []

    @property
    def names(self) -> set[str]:
        """The models that are waited for."""
        return {seat.name for seat in self._seats}

    def enter(self, name: str, since_s: float) -> Waiter | None:
        """A seat, if there is one; perhaps one that somebody loses."""
        if len(self._seats) >= self._num_seats and not self._make_room(name, since_s):
            return None
        seat = Waiter(name, since_s)
        self._seats.append(seat)
        return seat

    def leave(self, seat: Waiter) -> None:
        """It is free again."""
        if not seat.is_lost:
            self._seats.remove(seat)

    def tell(self, name: str, error: BrushworkError) -> None:
        """Those who wait for this model wait in vain."""
        for seat in self._seats:
            if seat.name == name:
                seat.error = error

    def _make_room(self, name: str, since_s: float) -> bool:
        if name in self.names:
            return False
        loose = [seat for seat in self._seats if not seat.is_kept]
        names = [seat.name for seat in self._seats]
        doubled = [seat for seat in loose if names.count(seat.name) > 1]
        later = [seat for seat in loose if seat.since_s > since_s]
        sent_away = max(doubled or later, key=lambda seat: seat.since_s, default=None)
        if sent_away is None:
            return False
        sent_away.is_lost = True
        self._seats.remove(sent_away)
        return True
