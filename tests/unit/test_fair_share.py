"""How tenants share what is limited, and who is next."""

import random

import pytest
from brushwork_core.shares.fair_share import GREED, FairShare
from brushwork_core.shares.turns import Turns


def filled(share: FairShare, tenant: str) -> int:
    """Let a tenant take all it can, and return what it holds."""
    while share.take(tenant):
        pass
    return share.held_by(tenant)


def test_a_tenant_that_is_alone_gets_two_thirds() -> None:
    assert filled(FairShare(300), "a") == 200


@pytest.mark.parametrize("num_greedy", [1, 2, 5, 20])
def test_one_that_comes_later_finds_room_however_many_take_all_they_can(num_greedy: int) -> None:
    share = FairShare(1000)
    for _ in range(1000):
        for tenant in range(num_greedy):
            share.take(tenant)
    held = [share.held_by(tenant) for tenant in range(num_greedy)]
    assert max(held) - min(held) <= 1
    assert share.free >= 1000 // (1 + num_greedy * GREED)
    assert share.may_take("late")


def test_what_is_given_back_is_for_the_others_too() -> None:
    share = FairShare(30)
    assert filled(share, "a") == 20
    assert filled(share, "b") == 7
    share.give_back("a", 15)
    assert share.free == 18
    assert filled(share, "b") == 17
    with pytest.raises(KeyError):
        share.give_back("a", 6)


def test_no_tenant_holds_more_than_the_most_for_each() -> None:
    share = FairShare(1000, most_each=250)
    assert [filled(share, tenant) for tenant in "abcde"] == [250, 250, 250, 167, 56]


def test_callers_that_are_not_told_apart_may_take_all() -> None:
    share = FairShare(3)
    assert [share.take(None) for _ in range(4)] == [True, True, True, False]


def test_one_request_may_be_larger_than_a_share_if_the_tenant_holds_nothing_else() -> None:
    share = FairShare(100)
    assert not share.take("a", 101)
    assert share.take("a", 90)
    assert not share.take("a", 5)
    assert share.take("b", 10)


def test_nothing_is_lost_or_made_in_any_order_of_taking_and_giving() -> None:
    drawn, share, held = random.Random(7), FairShare(97), dict.fromkeys("abc", 0)
    for _ in range(2_000):
        tenant, amount = drawn.choice("abc"), drawn.randint(1, 9)
        if drawn.random() < 0.5:
            held[tenant] += amount * share.take(tenant, amount)
        elif amount <= held[tenant]:
            share.give_back(tenant, amount)
            held[tenant] -= amount
        assert share.free == 97 - sum(held.values()) >= 0
    assert {tenant: share.held_by(tenant) for tenant in "abc"} == held


def test_tenants_take_turns_whatever_each_of_them_has_waiting() -> None:
    turns: Turns[str] = Turns()
    for number in range(4):
        turns.add("a", f"a{number}")
    turns.add("b", "b0")
    turns.add("c", "c0")
    assert len(turns) == 6
    assert [turns.next() for _ in range(7)] == ["a0", "b0", "c0", "a1", "a2", "a3", None]


def test_one_that_may_not_go_keeps_its_place_and_holds_nobody_up() -> None:
    turns: Turns[str] = Turns()
    for name in ("a0", "a1", "b0"):
        turns.add(name[0], name)
    assert turns.next(lambda tenant, _: tenant != "a") == "b0"
    assert turns.next(lambda tenant, _: tenant != "a") is None
    assert turns.next() == "a0"


def test_one_that_waits_no_longer_has_no_turn() -> None:
    turns: Turns[str] = Turns()
    turns.add("a", "a0")
    assert not turns.remove("a", "a1")
    assert not turns.remove("b", "a0")
    assert turns.remove("a", "a0")
    assert (len(turns), turns.next()) == (0, None)
