"""Who finds a seat while its model is not there."""

from brushwork_schemas.errors import OutOfMemory
from brushwork_workers.model_cache.load_queue import LoadQueue


def test_there_is_one_seat_at_least() -> None:
    assert LoadQueue(0).enter("a", 0.0) is not None


def test_a_seat_is_free_again_once_somebody_has_left() -> None:
    room = LoadQueue(1)
    first = room.enter("a", 0.0)
    assert first is not None
    assert room.enter("b", 1.0) is None
    room.leave(first)
    assert room.enter("b", 1.0) is not None
    assert room.names == {"b"}


def test_of_one_model_nobody_sends_another_away() -> None:
    room = LoadQueue(2)
    seats = [room.enter("a", 0.0) for _ in range(3)]
    assert seats[2] is None
    assert not any(seat.is_displaced for seat in seats if seat)


def test_a_model_that_has_none_takes_one_of_several() -> None:
    room = LoadQueue(2)
    seats = [room.enter("a", 0.0) for _ in range(2)]
    assert room.enter("b", 9.0) is not None
    assert sum(seat.is_displaced for seat in seats if seat) == 1
    assert room.names == {"a", "b"}


def test_who_was_asked_for_first_takes_the_seat_of_the_last() -> None:
    room = LoadQueue(2)
    early, late = room.enter("b", 2.0), room.enter("c", 3.0)
    assert early is not None
    assert late is not None
    assert room.enter("d", 4.0) is None
    assert room.enter("a", 1.0) is not None
    assert (early.is_displaced, late.is_displaced) == (False, True)
    room.leave(late)
    assert room.names == {"a", "b"}


def test_who_is_being_served_can_not_be_sent_away() -> None:
    room = LoadQueue(1)
    seat = room.enter("b", 2.0)
    assert seat is not None
    seat.is_pinned = True
    assert room.enter("a", 1.0) is None
    assert not seat.is_displaced


def test_only_those_who_wait_for_it_are_told() -> None:
    room = LoadQueue(2)
    one, other = room.enter("a", 0.0), room.enter("b", 0.0)
    assert one is not None
    assert other is not None
    error = OutOfMemory("The device is full.")
    room.fail("a", error)
    assert (one.error, other.error) == (error, None)
