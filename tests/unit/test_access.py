"""Who asks: nobody is asked for a key until there is one; what a key may; when a revoked one is forgotten."""

import pytest
from brushwork.gateway.admission.access import CACHE_S, Access, Principal
from brushwork_core.access.api_keys import ApiKeys, Scope, id_of
from brushwork_core.database.database import Database
from brushwork_schemas.errors import Unauthorized

pytestmark = pytest.mark.one_database("ApiKeys is tested on both")


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


def refuses(access: Access, key: str | None) -> bool:
    try:
        access.principal(key)
    except Unauthorized:
        return True
    return False


def test_until_there_is_a_key_everybody_may_do_all(keys: ApiKeys) -> None:
    anybody = Access(keys).principal(None)
    assert (anybody.key, anybody.tenant) == (None, None)
    assert all(anybody.may(scope) for scope in Scope)
    keys.create("first")
    assert refuses(Access(keys), None)


def test_a_key_is_wrong_also_where_none_is_needed(keys: ApiKeys) -> None:
    assert refuses(Access(keys), "bw_" + "0" * 12 + "_" + "0" * 64)


class Clock:
    """A clock that the test moves."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_first_key_shuts_a_door_that_was_open(keys: ApiKeys) -> None:
    access = Access(keys, clock := Clock())
    assert access.principal(None).key is None
    keys.create("first")
    clock.now_s += 0.99 * CACHE_S
    assert not refuses(access, None)
    clock.now_s += 0.02 * CACHE_S
    assert refuses(access, None)


def test_a_revoked_key_is_forgotten(keys: ApiKeys) -> None:
    access = Access(keys, clock := Clock())
    key = keys.create("first")
    assert access.principal(key).key is not None
    keys.revoke(id_of(key))
    clock.now_s += 0.99 * CACHE_S
    assert not refuses(access, key)
    clock.now_s += 0.02 * CACHE_S
    assert refuses(access, key)


def test_scopes_and_tenants(keys: ApiKeys) -> None:
    reader = Principal(keys.verify(keys.create("reader", tenant="a", scopes=[Scope.READ])))
    admin = Principal(keys.verify(keys.create("admin", tenant="a", scopes=[Scope.ADMIN])))
    assert [reader.may(scope) for scope in (Scope.READ, Scope.SUBMIT, Scope.ADMIN)] == [True, False, False]
    assert all(admin.may(scope) for scope in Scope)
    assert (reader.tenant, admin.tenant) == ("a", None)


def test_what_is_remembered_needs_no_database(keys: ApiKeys, database: Database) -> None:
    access = Access(keys)
    key = keys.create("first")
    assert access.cached(key) is None
    access.principal(key)
    database.close()
    remembered = access.cached(key)
    assert remembered is not None
    assert remembered.key is not None
    assert remembered.key.name == "first"
