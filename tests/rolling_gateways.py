"""Restart two gateways in turn behind nginx, under raw HTTP callers: `python -m tests.rolling_gateways`.

It prints how many jobs were lost or doubled, and what the callers had to send again. The jobs are ended by a
stub instead of a worker, so that the gateways are what is measured.
"""

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from sqlalchemy import func, select

from tests.gateways import GatewayServer, key, settings_at
from tests.jobs import result_of
from tests.nginx_server import PLAIN, NginxServer
from tests.raw_callers import RawCaller, Verdict, call_in_parallel

RUN_S = 0.3
STOP_S = 40.0


@contextmanager
def ending(settings: Settings) -> Iterator[Database]:
    """End all queued jobs, as a worker would, inside of the `with` block."""
    database = Database(settings.database_url.get_secret_value())
    ledger, over = Ledger(database, lease_s=600), threading.Event()

    def end_all() -> None:
        waiting = select(JOBS.c.id).where(JOBS.c.state == "queued")
        while not over.wait(RUN_S / 3):
            with database.reading() as connection:
                queued = connection.execute(waiting).scalars().all()
            claims = [claim for job_id in queued if (claim := ledger.claim(job_id, "stub")) is not None]
            over.wait(RUN_S if claims else 0)
            for claim in claims:
                ledger.perform(claim.job_id, claim.fence)
                ledger.complete(claim.job_id, claim.fence, result_of(7), [])

    worker = threading.Thread(target=end_all)
    worker.start()
    try:
        yield database
    finally:
        over.set()
        worker.join()
        database.close()


def restart(gateways: Sequence[GatewayServer], rounds: int) -> list[float]:
    """Stop and start each gateway in turn, and return how long each stop took, in seconds."""
    took = []
    for _ in range(rounds):
        for gateway in gateways:
            began, process = time.monotonic(), gateway.process
            assert process is not None
            gateway.signal(signal.SIGTERM)
            process.wait(STOP_S)
            took.append(time.monotonic() - began)
            gateway.process = None
            gateway.start()
    return took


@contextmanager
def two_gateways(
    folder: Path, settings: Settings, configuration: str | None = None
) -> Iterator[tuple[NginxServer, list[GatewayServer]]]:
    """Two gateways and nginx in front of them, inside of the `with` block."""
    with ExitStack() as stack:
        gateways = [GatewayServer(settings, folder / f"gateway-{number}.log") for number in range(2)]
        for gateway in gateways:
            stack.callback(gateway.halt, signal.SIGKILL)
            gateway.start()
        nginx = NginxServer(folder, [gateway.address for gateway in gateways], configuration)
        stack.callback(nginx.halt, signal.SIGTERM)
        yield nginx.start(), gateways


def rolling(
    folder: Path,
    database_url: str,
    *,
    num_jobs: int,
    rounds: int,
    per_second: float,
    configuration: str | None = None,
    prefix: str | None = "raw",
) -> Verdict:
    """Run the callers and the restarts together.

    Args:
        folder: For logs and files.
        database_url: A migrated database.
        num_jobs: Number of callers, each with one job.
        rounds: How often each gateway is restarted.
        per_second: Callers that start in a second.
        configuration: Of nginx; by default the example of this repository.
        prefix: Start of the idempotency keys; None for callers that send none.
    """
    settings = settings_at(database_url, folder)
    secret = key(settings, "raw", [Scope.SUBMIT, Scope.READ])
    requests = [{"kind": "text-to-image", "prompt": f"a {n}"} for n in range(num_jobs)]
    with two_gateways(folder, settings, configuration) as (nginx, gateways), ending(settings) as database:
        trust = nginx.trust
        with ThreadPoolExecutor(1) as pool:
            calling = pool.submit(
                call_in_parallel,
                lambda: RawCaller(nginx.address, secret, trust=trust),
                requests,
                per_second=per_second,
                prefix=prefix,
            )
            # In this thread: a child process ends with the thread that has started it.
            took = restart(gateways, rounds)
            reports = calling.result()
        with database.reading() as connection:
            number = connection.execute(select(func.count()).select_from(JOBS)).scalar_one()
        print(f"{len(took)} stops of a gateway, {min(took):.2f} to {max(took):.2f} s each", file=sys.stderr)
        return Verdict.of(reports, number)


def main() -> int:
    """Run the command, and return 1 if anything was lost or doubled, or sent again more than once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3, help="how often each gateway is restarted")
    parser.add_argument("--per-second", type=float, default=8.0)
    parser.add_argument("--plain", action="store_true", help="with nginx's defaults in place of the example")
    parser.add_argument("--without-keys", action="store_true", help="callers send no Idempotency-Key")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.sqlite3"
        database = Database(url)
        database.migrate()
        database.close()
        verdict = rolling(
            Path(folder),
            url,
            num_jobs=chosen.jobs,
            rounds=chosen.rounds,
            per_second=chosen.per_second,
            configuration=PLAIN if chosen.plain else None,
            prefix=None if chosen.without_keys else "raw",
        )
    print(verdict)
    return 1 if verdict.lost or verdict.doubled or verdict.most_again > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
