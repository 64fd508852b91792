"""F24: every component is restarted in an order that nobody chose, under steady load."""

import signal
import time
from collections.abc import Callable
from random import Random

import pytest

from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.chaos.test_absent_database import durable, locked
from tests.servers import PostgresServer

JOBS = ["steps=6 pause=0.02", "steps=2", "steps=20 pause=0.02"]
# Each component has its turn once, or twice.
BRIEFLY_S = 4.0
LONG_S = 600.0
Deed = Callable[[], None]


class Restarts:
    """Ends and starts one component after the other.

    Args:
        stack: Whose.
        server: PostgreSQL, if the ledger lies there.
        rng: Chooses which one, how, and the pauses.
    """

    def __init__(self, stack: Stack, server: PostgresServer | None, rng: Random) -> None:
        self._stack = stack
        self._server = server
        self._rng = rng
        self._deeds: list[Deed] = [self._kill, self._terminate, self._redis, self._database]
        self.num = 0

    def go_on(self, seconds: float) -> None:
        """For so long; each component has its turn before one has its second."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for deed in self._rng.sample(self._deeds, len(self._deeds)):
                pause(self._rng.uniform(0.2, 1.5))
                deed()
                self.num += 1

    def _kill(self) -> None:
        if self._stack.workers:
            self._stack.kill(self._rng.choice(self._stack.workers))

    def _terminate(self) -> None:
        if self._stack.workers:
            self._stack.terminate(self._rng.choice(self._stack.workers))

    def _redis(self) -> None:
        self._stack.halt(self._stack.redis, self._rng.choice([signal.SIGINT, signal.SIGKILL]))
        pause(self._rng.uniform(0.0, 1.0))
        self._stack.redis.start()

    def _database(self) -> None:
        if self._server is None:
            with locked(self._stack.settings.database_url.get_secret_value()):
                pause(self._rng.uniform(0.0, 1.0))
            return
        self._stack.halt(self._server, self._rng.choice([signal.SIGINT, signal.SIGQUIT]))
        pause(self._rng.uniform(0.0, 1.0))
        self._server.start()


def restart_all(scene: Scene, rng: Random, request: pytest.FixtureRequest, seconds: float) -> None:
    server = None
    url = scene.database_url()
    if url.startswith("postgresql"):
        server = request.getfixturevalue("postgres_template")
        url = durable(url, server)
    with scene.stack(num_workers=3, database_url=url) as stack:
        with Load(stack, JOBS, every_s=0.2, refusals=True):
            restarts = Restarts(stack, server, rng)
            restarts.go_on(seconds)
        assert restarts.num >= 4
        all_take_work(stack, bound_s=60.0)


@pytest.mark.fault("F24", "every component restarted in random order, under steady load", both=True)
def test_everything_restarts(scene: Scene, rng: Random, request: pytest.FixtureRequest) -> None:
    restart_all(scene, rng, request, BRIEFLY_S)


@pytest.mark.fault("F24", "the same for 10 minutes", thorough=True)
@pytest.mark.timeout(LONG_S + 300)
def test_everything_restarts_for_long(scene: Scene, rng: Random, request: pytest.FixtureRequest) -> None:
    restart_all(scene, rng, request, LONG_S)
