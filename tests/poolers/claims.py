"""What a claim costs directly, through PgBouncer, and there without limits: `python -m tests.poolers.claims`.

The three take turns. While other programs run, the smallest tenth says more than the median.
"""

import statistics
import sys
import time
from contextlib import ExitStack, closing
from secrets import token_hex

from brushwork_core.database.bounded_postgres import BoundedConnection
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger

from tests.jobs import new_job
from tests.poolers.pgbouncer import PgBouncer
from tests.servers import PostgresServer, postgres_programs

ROUNDS, CLAIMS = 12, 50
NAME = "claims"


def main() -> int:
    """Measure, and print a line for each way."""
    programs = postgres_programs()
    if programs is None:
        print("There is no PostgreSQL here. On Debian: apt-get install postgresql pgbouncer", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        postgres = PostgresServer(programs)
        stack.callback(postgres.stop)
        postgres.start().execute(f"CREATE DATABASE {NAME}")
        url = postgres.url(NAME)
        bouncer = PgBouncer(url)
        stack.callback(bouncer.stop)
        bouncer.start()
        ways = {
            "direct": stack.enter_context(closing(Database(url))),
            "PgBouncer": stack.enter_context(closing(Database(bouncer.url(url)))),
            "PgBouncer, without limits": stack.enter_context(closing(Database(bouncer.url(url)))),
        }
        ways["direct"].migrate()
        _without_limits(ways["PgBouncer, without limits"])
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, database in ways.items():
                found[name] += [_claim_ms(Ledger(database, lease_s=600)) for _ in range(CLAIMS)]
    for name, times_ms in found.items():
        tenth = statistics.quantiles(times_ms, n=10)[0]
        print(f"{name}: median {statistics.median(times_ms):.2f} ms, smallest tenth {tenth:.2f} ms")
    return 0


def _without_limits(database: Database) -> None:
    """Let the one connection of a database begin its transactions without limits."""
    with database.reading() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, BoundedConnection)
        driver.begin = "BEGIN"


def _claim_ms(ledger: Ledger) -> float:
    job_id = token_hex(8)
    ledger.submit([new_job(job_id)])
    began = time.perf_counter()
    claim = ledger.claim(job_id, "w")
    took_ms = 1000 * (time.perf_counter() - began)
    assert claim is not None
    # Few jobs run at a time.
    ledger.stop(job_id, claim.fence)
    return took_ms


if __name__ == "__main__":
    sys.exit(main())
