"""What keys use: budgets are exact though many charge at once, and refunds are taken from the same day."""

import threading

import pytest
from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.access.key_usage import DAY_MS, KeyUsage, Usage
from brushwork_core.database.database import Database
from brushwork_schemas.errors import BudgetExceeded


@pytest.fixture
def key_id(database: Database) -> str:
    return ApiKeys(database).create("tester").split("_")[1]


@pytest.fixture
def usage(database: Database) -> KeyUsage:
    return KeyUsage(database)


def test_charges_add_up_and_a_refund_takes_one_back(usage: KeyUsage, key_id: str) -> None:
    assert usage.today() == {}
    usage.charge(key_id, Usage(2, 1.5))
    second = usage.charge(key_id, Usage(1, 4.0), budget=10)
    assert usage.today() == {key_id: Usage(3, 5.5)}
    usage.refund(second)
    assert usage.today() == {key_id: Usage(2, 1.5)}


def test_a_part_of_a_charge_is_taken_back(usage: KeyUsage, key_id: str) -> None:
    charge = usage.charge(key_id, Usage(3, 6.0))
    usage.refund(charge, Usage(1, 2.0))
    assert usage.today() == {key_id: Usage(2, 4.0)}


def test_what_goes_beyond_the_budget_is_refused_and_not_charged(usage: KeyUsage, key_id: str) -> None:
    usage.charge(key_id, Usage(1, 7.0), budget=10)
    with pytest.raises(BudgetExceeded, match=r"7 of 10 are used, and this request costs 4") as refused:
        usage.charge(key_id, Usage(1, 4.0), budget=10)
    assert 0 < refused.value.retry_after_s <= DAY_MS / 1000
    usage.charge(key_id, Usage(1, 3.0), budget=10)
    assert usage.today() == {key_id: Usage(2, 10.0)}


def test_a_budget_that_parts_fill_exactly_holds_them_all(usage: KeyUsage, key_id: str) -> None:
    for _ in range(10):
        usage.charge(key_id, Usage(1, 0.1), budget=1)
    with pytest.raises(BudgetExceeded):
        usage.charge(key_id, Usage(1, 0.1), budget=1)


def test_many_who_charge_at_once_share_one_budget(usage: KeyUsage, key_id: str) -> None:
    refused: list[BudgetExceeded] = []

    def charge() -> None:
        for _ in range(5):
            try:
                usage.charge(key_id, Usage(1, 1.0), budget=17)
            except BudgetExceeded as error:
                refused.append(error)

    threads = [threading.Thread(target=charge) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert usage.today() == {key_id: Usage(17, 17.0)}
    assert len(refused) == 8 * 5 - 17
