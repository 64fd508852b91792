"""Workers that do nothing, as threads: each claims jobs, ends them, and sends heartbeats like a real one.

python -m benchmarks.simulated_workers DATABASE_URL REDIS_URL FIRST COUNT SECONDS
"""

import json
import sys
import threading
import time
from dataclasses import dataclass, field

from brushwork_core.database.database import Database
from brushwork_core.fleet.maintenance_lease import lease_name
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Claim, ClaimOrder, Completion, Ledger
from brushwork_core.queue.broker import Publisher, celery_app
from brushwork_core.settings.settings import Settings
from brushwork_schemas.worker import WorkerEntry

KIND = "text-to-image"
CONCURRENCY = 4
BEAT_S = 2.0
# Idle workers of the simulation look at Redis so often.
IDLE_S = 0.05


@dataclass
class Measured:
    """What the workers of one process have done.

    Args:
        claims: Time since the start in seconds, and tenant, of each claimed job.
        seconds: Seconds that each claim of several jobs took.
    """

    claims: list[tuple[float, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class SimulatedWorker:
    """One worker, in a thread.

    Args:
        name: Its name in the registry.
        database: Database of the ledger.
        publisher: Reads Redis.
        measured: Takes what it does.
        began: Start of the measurement, by the monotonic clock.
        until: Its end.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        publisher: Publisher,
        measured: Measured,
        *,
        began: float,
        until: float,
    ) -> None:
        self._ledger = Ledger(database, lease_s=60)
        self._registry = WorkerRegistry(database)
        self._entry = WorkerEntry(name, (KIND,), ("pocket-diffusion",), "cpu", ready=True, host="simulated")
        self._publisher = publisher
        self._order = ClaimOrder([KIND])
        self._measured = measured
        self._began = began
        self._until = until
        self._beats_at = began

    def run(self) -> None:
        """Work until the end."""
        self._registry.announce(self._entry)
        while (now := time.monotonic()) < self._until:
            if now >= self._beats_at:
                self._beat(now)
            started = time.monotonic()
            claims = self._ledger.claim_next(self._order, self._entry.name, CONCURRENCY).jobs
            self._measured.seconds.append(time.monotonic() - started)
            if claims:
                self._end(claims)
            elif not self._publisher.num_waiting(KIND):
                time.sleep(IDLE_S)

    def _beat(self, now: float) -> None:
        self._ledger.renew(self._entry.name)
        self._registry.beat(self._entry, next_s=BEAT_S, lease=lease_name([KIND]))
        self._beats_at = now + BEAT_S

    def _end(self, claims: tuple[Claim, ...]) -> None:
        moment = time.monotonic() - self._began
        # The label is the tenant, which a claim does not have.
        self._measured.claims += [(moment, claim.label) for claim in claims]
        result = {"images": [], "seed": 1, "seeds": []}
        self._ledger.complete_many([Completion(claim.job_id, claim.fence, result) for claim in claims])


def main() -> None:
    """Run the workers of one process, and print what they have done."""
    url, redis_url, first, count, seconds = sys.argv[1:]
    settings = Settings.load(database_url=url, redis_url=redis_url)
    database, app = Database(url), celery_app(settings)
    print("ready", flush=True)
    sys.stdin.readline()
    measured, began = Measured(), time.monotonic()
    workers = [
        SimulatedWorker(
            f"simulated-{number}/1", database, Publisher(app), measured, began=began,
            until=began + float(seconds),
        )
        for number in range(int(first), int(first) + int(count))
    ]  # fmt: skip
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"claims": measured.claims, "seconds": measured.seconds}), flush=True)
    app.close()
    database.close()


if __name__ == "__main__":
    main()
