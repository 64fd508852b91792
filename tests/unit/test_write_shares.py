"""Threads of a gateway that write to the database: one tenant cannot occupy all of them."""

import asyncio
import threading
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from types import SimpleNamespace

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.services import WRITERS, Services
from brushwork_core.access.api_keys import ApiKey, Scope

BOUND_S = 20.0


def services() -> Services:
    """Services that can write, and nothing else."""
    backend = SimpleNamespace(database=SimpleNamespace(write_limit_s=BOUND_S))
    needed = [each.name for each in fields(Services) if each.default_factory is MISSING]
    return Services(**{**dict.fromkeys(needed), "backend": backend})  # type: ignore[arg-type]


def principal(tenant: str, scope: Scope = Scope.SUBMIT) -> Principal:
    now = datetime.now(UTC)
    return Principal(ApiKey("id", "app", tenant, frozenset([scope]), None, None, None, now, None, None, None))


def test_writes_of_one_tenant_leave_threads_for_the_next() -> None:
    async def scene() -> None:
        chosen, released, lock, begun = services(), threading.Event(), threading.Lock(), []

        def held(tenant: str) -> str:
            with lock:
                begun.append(tenant)
            assert released.wait(BOUND_S)
            return tenant

        # A key with the scope `admin` has a tenant too.
        greedy = [
            asyncio.create_task(chosen.write(principal("a", scope), held, "a"))
            for _ in range(2 * WRITERS)
            for scope in (Scope.SUBMIT, Scope.ADMIN)
        ]
        try:
            async with asyncio.timeout(BOUND_S):
                while begun.count("a") < WRITERS * 2 // 3:
                    await asyncio.sleep(0.001)
                assert await chosen.write(principal("b"), lambda: "b") == "b"
            assert len(begun) < WRITERS
        finally:
            released.set()
        assert await asyncio.gather(*greedy) == ["a"] * len(greedy)

    asyncio.run(scene())
