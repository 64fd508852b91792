"""Keys: made once, checked without telling a guess what is wrong, revoked, run out; only hashes stay."""

from typing import Any

import pytest
from brushwork_core.access.api_keys import ApiKeys, Scope, id_of
from brushwork_core.database.database import Database
from brushwork_core.database.tables import API_KEYS
from brushwork_schemas.errors import InvalidRequest, KeyNotFound, Unauthorized
from sqlalchemy import select, update


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


def test_a_key_opens_what_it_was_made_for(keys: ApiKeys) -> None:
    key = keys.create(
        "phone app", tenant="acme", scopes=[Scope.READ], requests_per_minute=60, daily_budget=12.5,
        max_open_jobs=7, expires_in_s=3600,
    )  # fmt: skip
    found = keys.verify(key)
    assert (found.id, found.name, found.tenant, found.scopes) == (
        id_of(key), "phone app", "acme", frozenset({Scope.READ}),
    )  # fmt: skip
    assert (found.requests_per_minute, found.daily_budget, found.max_open_jobs) == (60, 12.5, 7)
    assert found.expires_at is not None
    assert (found.expires_at - found.created_at).total_seconds() == pytest.approx(3600, abs=1)


def test_by_default_it_submits_and_reads_for_no_tenant_without_bounds(keys: ApiKeys) -> None:
    found = keys.verify(keys.create("plain"))
    assert found.scopes == {Scope.SUBMIT, Scope.READ}
    assert found.tenant == ""
    assert (found.requests_per_minute, found.daily_budget, found.max_open_jobs) == (None, None, None)
    assert (found.expires_at, found.revoked_at) == (None, None)


def test_the_database_never_holds_the_secret(keys: ApiKeys, database: Database) -> None:
    secret = keys.create("plain").rsplit("_", 1)[1]
    assert len(secret) == 64
    with database.reading() as connection:
        row = connection.execute(select(API_KEYS)).one()
    assert secret not in repr(tuple(row))


def test_a_guess_is_told_nothing_of_what_was_wrong_with_it(keys: ApiKeys) -> None:
    key = keys.create("plain")
    wrong_secret = key[:-1] + ("0" if key[-1] != "0" else "1")
    unknown_id = "bw_" + "0" * 12 + key[15:]
    said = set()
    for guess in (wrong_secret, unknown_id):
        with pytest.raises(Unauthorized) as refused:
            keys.verify(guess)
        said.add(str(refused.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    "key",
    ["", "bw_", "bw__", "x" * 10_000, "bw_0123456789ab", "BW_0123456789ab_" + "0" * 64,
     "bw_0123456789ab_" + "0" * 63, "bw_0123456789ab_" + "0" * 65, "bw_0123456789ab_" + "0" * 64 + "\n",
     "bw_0123456789ab_" + "٣" * 64, "bw_' OR 1=1 --_" + "0" * 64, "\0", "bw_\ud800"],
)  # fmt: skip
def test_what_is_no_key_is_refused(keys: ApiKeys, key: str) -> None:
    with pytest.raises(Unauthorized, match="wrong format"):
        keys.verify(key)


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(keys: ApiKeys) -> None:
    key, other = keys.create("first"), keys.create("second")
    keys.revoke(id_of(key))
    with pytest.raises(Unauthorized, match="revoked"):
        keys.verify(key)
    assert keys.verify(other).name == "second"
    revoked = [found.revoked_at for found in keys.list()]
    assert revoked[0] is not None
    assert revoked[1] is None
    keys.revoke(id_of(key))
    assert keys.list()[0].revoked_at == revoked[0]


def test_a_key_that_has_run_out_opens_nothing(keys: ApiKeys, database: Database) -> None:
    key = keys.create("plain", expires_in_s=3600)
    assert keys.verify(key).name == "plain"
    with database.writing() as connection:
        connection.execute(update(API_KEYS).values(expires_at=API_KEYS.c.created_at))
    with pytest.raises(Unauthorized, match="expired"):
        keys.verify(key)


@pytest.mark.parametrize("key_id", ["0123456789ab", "", "nul\0", "x" * 1000])
def test_nobody_can_revoke_what_is_not_there(keys: ApiKeys, key_id: str) -> None:
    with pytest.raises(KeyNotFound):
        keys.revoke(key_id)


def test_from_the_first_key_on_there_are_keys_revoked_ones_too(keys: ApiKeys) -> None:
    assert not keys.any_exist()
    key = keys.create("plain")
    keys.revoke(id_of(key))
    assert keys.any_exist()


def test_its_use_is_noted(keys: ApiKeys) -> None:
    key = keys.create("plain")
    assert keys.list()[0].last_used_at is None
    keys.verify(key)
    noted = keys.list()[0].last_used_at
    assert noted is not None
    keys.verify(key)
    assert keys.list()[0].last_used_at == noted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "x" * 101), ("name", "two\nlines"), ("tenant", "with space"),
        ("tenant", "x" * 65), ("tenant", "nul\0"), ("scopes", []), ("scopes", ["root"]),
        ("requests_per_minute", 0), ("requests_per_minute", -1), ("daily_budget", 0),
        ("daily_budget", float("nan")), ("max_open_jobs", 0), ("expires_in_s", 0), ("expires_in_s", 1e18),
    ],
)  # fmt: skip
def test_what_a_key_can_not_have(keys: ApiKeys, field: str, value: Any) -> None:
    options = {"name": "plain", field: value}
    with pytest.raises(InvalidRequest) as refused:
        keys.create(options.pop("name"), **options)
    assert refused.value.field == field
    assert keys.list() == []
