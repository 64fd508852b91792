"""Check the sentinels of Redis: whether they answer, and whether they could replace the master."""

from collections.abc import Iterator
from typing import Any

from brushwork_core.queue.sentinel import expect_known_master, sentinel_views
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceMisconfigured

from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "redis"
TIMEOUT_S = 2.0
# With two, none can be elected while the other is away.
FEWEST_SENTINELS = 3


def check_sentinels(settings: Settings) -> Iterator[Finding]:
    """Check the sentinels, their number, and the replicas of the master."""
    views = sentinel_views(settings, TIMEOUT_S)
    try:
        expect_known_master(settings, TIMEOUT_S)
    except ServiceMisconfigured as error:
        yield fail(ABOUT, error.message, error.hint)
        return
    for view in views:
        if view.error is not None:
            yield warn(
                ABOUT,
                f"The sentinel {view.address} does not answer: {view.error}",
                "Start it, or remove it from BRUSHWORK_REDIS_URL.",
            )
    known = [view.masters.get(settings.redis_sentinel_master) for view in views]
    if state := next((each for each in known if each), None):
        yield from _failover(settings.redis_sentinel_master, state)


def _failover(name: str, state: dict[str, Any]) -> Iterator[Finding]:
    sentinels, replicas = int(state["num-other-sentinels"]) + 1, int(state["num-slaves"])
    message = (
        f"The sentinels name {state['ip']}:{state['port']} as the master {name}. Replicas: {replicas}, "
        f"sentinels: {sentinels}, of which {state['quorum']} have to agree on a failover."
    )
    if replicas == 0:
        yield warn(ABOUT, message, "Add a replica: without one, there is nothing to fail over to.")
    elif sentinels < FEWEST_SENTINELS:
        yield warn(ABOUT, message, "Use three sentinels or more, on machines that do not fail together.")
    else:
        yield ok(ABOUT, message)
