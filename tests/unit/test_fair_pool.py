"""A pool that tenants share: who waits, who goes on, and what is left after one that gave up."""

import asyncio
from collections.abc import Coroutine

import pytest
from brushwork.gateway.admission.fair_pool import FairPool, Held


async def settled() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(test)


def test_one_tenant_leaves_room_for_the_next_who_does_not_wait() -> None:
    async def scene() -> None:
        pool = FairPool(9)
        greedy = [asyncio.create_task(pool.take("a", within_s=60)) for _ in range(20)]
        await settled()
        assert sum(task.done() for task in greedy) == 6
        await asyncio.wait_for(pool.take("b", within_s=0.01), 1)
        for task in greedy:
            task.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)

    run(scene())


def test_those_who_wait_take_turns() -> None:
    async def scene() -> None:
        pool, order = FairPool(1), []
        first = await pool.take("a", within_s=1)

        async def one(tenant: str) -> None:
            async with pool.taken(tenant, within_s=60):
                order.append(tenant)

        tasks = [asyncio.create_task(one(tenant)) for tenant in "aaabbc"]
        await settled()
        first.give_back()
        await asyncio.gather(*tasks)
        assert order == ["a", "b", "c", "a", "b", "a"]
        assert pool.free == 1

    run(scene())


def test_one_that_waits_too_long_is_told_and_holds_nothing() -> None:
    async def scene() -> None:
        pool = FairPool(10)
        held = await pool.take(None, 8, within_s=1)
        with pytest.raises(TimeoutError):
            await pool.take(None, 5, within_s=0.01)
        held.give_back()
        held.give_back()
        assert pool.free == 10
        assert isinstance(await pool.take(None, 10, within_s=0.01), Held)

    run(scene())


def test_one_that_is_canceled_in_the_moment_of_its_turn_gives_back() -> None:
    async def scene() -> None:
        pool = FairPool(1)
        held = await pool.take("a", within_s=1)
        waiting = asyncio.create_task(pool.take("b", within_s=60))
        await settled()
        held.give_back()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert pool.free == 1

    run(scene())
