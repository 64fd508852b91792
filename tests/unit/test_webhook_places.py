"""Which due webhooks are delivered now: shares of tenants, and few places for slow receivers."""

from brushwork.webhooks.places import MOST_REMEMBERED, SLOW_S, Places
from brushwork_core.ledger.outbox import WaitingEvent


def waiting(tenant: str, number: int, *, first: int = 0, attempts: int = 0) -> list[WaitingEvent]:
    return [
        WaitingEvent(f"{tenant}{index}", f"https://{tenant}{index}.example {tenant}", tenant, attempts)
        for index in range(first, first + number)
    ]


def test_one_tenant_gets_two_thirds_and_the_next_one_finds_places() -> None:
    places = Places(12)
    assert len(places.chosen(waiting("a", 300))) == 8
    assert places.chosen(waiting("a", 1, first=300)) == []
    assert len(places.chosen(waiting("b", 5))) == 3
    assert len(places.chosen(waiting("c", 1))) == 1


def test_an_event_that_is_over_makes_room() -> None:
    places = Places(12)
    chosen = places.chosen(waiting("a", 300))
    places.give_back(chosen[0].id)
    assert len(places.chosen(waiting("a", 300, first=300))) == 1
    assert places.free == 4


def test_receivers_that_were_slow_have_a_quarter_of_the_places() -> None:
    places = Places(12)
    dead = waiting("a", 8)
    for event in places.chosen(dead):
        places.took(event.receiver, 15, has_answered=False)
        places.give_back(event.id)
    assert places.chosen([*dead, *waiting("a", 1, first=99)]) == [*dead[:2], *waiting("a", 1, first=99)]
    assert len(places.chosen(waiting("a", 90, first=100))) == 5


def test_a_receiver_that_answers_in_time_is_fast_again() -> None:
    places, events = Places(8), waiting("a", 5)
    for event in events:
        places.took(event.receiver, SLOW_S + 1, has_answered=True)
    for event in places.chosen(events):
        places.give_back(event.id)
    assert len(places.chosen(events)) == 2
    for event in events[:2]:
        places.give_back(event.id)
    for event in events:
        places.took(event.receiver, SLOW_S, has_answered=True)
    assert len(places.chosen(events)) == 5


def test_what_failed_in_another_sender_counts_as_slow() -> None:
    assert len(Places(12).chosen(waiting("a", 9, attempts=1))) == 2


def test_only_so_many_slow_receivers_are_remembered() -> None:
    places = Places(4)
    for number in range(MOST_REMEMBERED + 5):
        places.took(f"https://{number}.example", 15, has_answered=False)
    assert len(places._slow_receivers) == MOST_REMEMBERED
