"""A gateway within the test's own process, asked without a network; keys for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from brushwork.gateway.application import create_app
from brushwork_schemas.api_keys import ApiKeys, Scope
from brushwork_schemas.database import Database
from brushwork_schemas.settings import Settings
from starlette.testclient import TestClient

HERE = "http://127.0.0.1:8600"


@contextmanager
def gateway(settings: Settings, **options: Any) -> Iterator[TestClient]:
    """Its application, from start to stop."""
    with TestClient(create_app(settings), base_url=HERE, **options) as client:
        yield client


def key(settings: Settings, tenant: str = "", scopes: Sequence[Scope] = (Scope.SUBMIT, Scope.READ)) -> str:
    """A new key."""
    database = Database(settings.database_url.get_secret_value())
    try:
        return ApiKeys(database).create(tenant or "test", tenant=tenant, scopes=scopes)
    finally:
        database.close()


def bearer(api_key: str) -> dict[str, str]:
    """The header that brings a key."""
    return {"Authorization": f"Bearer {api_key}"}
