"""A gateway within the test's own process, or as one of its own; keys for it."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork_core.access.api_keys import ApiKeys, Scope
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.servers import Server, free_port

HERE = "http://127.0.0.1:8600"


@contextmanager
def gateway(settings: Settings, **options: Any) -> Iterator[TestClient]:
    """Its application, from start to stop."""
    with TestClient(create_app(settings, PAGE), base_url=HERE, **options) as client:
        yield client


def settings_at(
    database_url: str, folder: Path, redis_url: str = "redis://127.0.0.1:1/0", **more: Any
) -> Settings:
    """Those of a gateway; by default its Redis is away, which costs a submit nothing."""
    return Settings(
        redis_url=redis_url,  # type: ignore[arg-type]
        database_url=database_url,  # type: ignore[arg-type]
        artifacts_url=str(folder / "artifacts"),
        **more,
    )


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


class GatewayServer(Server):
    """`brushwork gateway` as a process of its own, on a private port; what it says goes to a file.

    Args:
        settings: Whose addresses it gets.
        log: The file.
        environment: More of its settings.
    """

    def __init__(self, settings: Settings, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._environment = {
            "BRUSHWORK_REDIS_URL": settings.redis_url.get_secret_value(),
            "BRUSHWORK_DATABASE_URL": settings.database_url.get_secret_value(),
            "BRUSHWORK_ARTIFACTS_URL": settings.artifacts_url,
            **environment,
        }

    def command(self) -> list[str]:
        said = [f"{name}={value}" for name, value in self._environment.items()]
        gateway = f"exec {sys.executable} -m brushwork gateway --port {self.port} >{self.log} 2>&1"
        return ["env", *said, "sh", "-c", gateway]

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz").is_success
        except httpx.TransportError:
            return False

    def rss_bytes(self) -> int:
        """The memory that it holds now."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)
