"""Upgrade a deployment under load, and go back: `python -m tests.upgrade`.

It installs a revision of this repository and the working tree, and prints what callers of plain HTTP saw
while each process was replaced in the order of docs/upgrades.md.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from brushwork_core.settings.settings import Settings

from tests.servers import PostgresServer, RedisServer, postgres_programs
from tests.upgrade.order import Deployment, Outcome
from tests.upgrade.versions import PAIRS, Pair, environments


def upgraded(folder: Path, pair: Pair, database_url: str, redis: RedisServer, per_second: float) -> Outcome:
    """Upgrade from the revision of a pair, and go back if that is possible."""
    before, after = environments(folder, pair.revision)
    settings = Settings(
        redis_url=redis.url,  # type: ignore[arg-type]
        database_url=database_url,  # type: ignore[arg-type]
        artifacts_url=str(folder / "artifacts"),
    )
    return Deployment(before, after, settings, folder, per_second).run(goes_back=pair.goes_back)


def main() -> int:
    """Run the command, and return 1 if anything was lost or doubled, or sent again more than once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="pair", choices=PAIRS, default="additions")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--per-second", type=float, default=1.0, help="callers that start in a second")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis = RedisServer(folder).start()
        programs = postgres_programs()
        postgres = None
        try:
            url = f"sqlite:///{folder}/ledger.sqlite3"
            if chosen.database == "postgresql":
                assert programs is not None, "there is no PostgreSQL here"
                postgres = PostgresServer(programs).start()
                postgres.execute("CREATE DATABASE upgraded")
                url = postgres.url("upgraded")
            pair = PAIRS[chosen.pair]
            print(f"{pair.revision[:7]} -> the working tree on {chosen.database}: {pair.between}")
            outcome = upgraded(folder, pair, url, redis, chosen.per_second)
        finally:
            redis.stop()
            if postgres is not None:
                postgres.stop()
    print(outcome)
    for fault in outcome.faults:
        print(f"FAULT {fault}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
