"""Whether this gateway can accept jobs: real writes to the database, the store and the temporary folder."""

import tempfile
from collections.abc import Sequence

import redis
from brushwork_core.database.database import Database
from brushwork_core.queue.redis_link import RedisLink
from brushwork_core.queue.sentinel import error_text
from brushwork_core.settings.settings import Settings
from brushwork_core.timing.remembered_check import RememberedCheck
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.wording.phrase import private, said
from kombu.exceptions import OperationalError

from brushwork.gateway.problems import no_room

PASSED_S, FAILED_S = 3.0, 2.0
DATABASE_LIMIT_S = 2.0
REDIS_TIMEOUT_S = 1.0
TEMPORARY_BYTES = 65_536
REDIS = "redis"


class ReadinessChecks:
    """Checks, each at most once in some seconds.

    Without Redis, jobs are accepted: they wait in the database, and workers publish them later. If every
    gateway called itself not ready then, a load balancer would turn a delay into an outage. So Redis is only
    reported.

    Args:
        settings: Settings with the address of Redis.
        database: Database of the ledger.
        store: The check of the artifact store.
    """

    def __init__(self, settings: Settings, database: Database, store: RememberedCheck) -> None:
        self._redis = RedisLink(settings, timeout_s=REDIS_TIMEOUT_S, max_connections=1)
        self._needed = (
            RememberedCheck(
                lambda: database.expect_writable(DATABASE_LIMIT_S), passed_s=PASSED_S, failed_s=FAILED_S
            ),
            store,
            RememberedCheck(_expect_temporary_space, passed_s=PASSED_S, failed_s=FAILED_S),
        )
        self._redis_check = RememberedCheck(self._expect_redis, passed_s=PASSED_S, failed_s=FAILED_S)

    def expect_ready(self) -> None:
        """Return if jobs and files can be accepted.

        Raises:
            ServiceUnreachable: Something does not accept a write, and why.
        """
        for check in self._needed:
            check.expect_usable()

    def degraded(self) -> Sequence[str]:
        """Return the services that are away and that a gateway can do without for a time."""
        try:
            self._redis_check.expect_usable()
        except ServiceUnreachable:
            return [REDIS]
        return []

    def close(self) -> None:
        """Close the connection to Redis."""
        self._redis.close()

    def _expect_redis(self) -> None:
        try:
            self._redis.client().ping()
        except (redis.RedisError, OperationalError, OSError) as error:
            raise ServiceUnreachable(
                said("Redis does not answer: {error}.", error=private(error_text(error)))
            ) from error


def _expect_temporary_space() -> None:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(TEMPORARY_BYTES))
            file.flush()
    except OSError as error:
        raise no_room(error) or ServiceUnreachable(
            said("The temporary folder of the gateway cannot be used: {error}.", error=private(error)),
            hint="The operator checks TMPDIR of the gateway.",
        ) from error
