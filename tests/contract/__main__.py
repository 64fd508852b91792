"""`python -m tests.contract`: the gateway against its own OpenAPI, all checks and phases, many examples.

Arguments go to schemathesis: `python -m tests.contract --seed 7 -n 500`.
"""

import sys
import tempfile
from pathlib import Path

from brushwork_core.database.database import Database

from tests.contract.run import run
from tests.gateways import settings_at
from tests.servers import RedisServer

MANY = ("--max-examples", "200", "--continue-on-failure")


def main(arguments: list[str]) -> int:
    """The exit status of schemathesis: 0 where nothing was found."""
    with tempfile.TemporaryDirectory(prefix="brushwork-contract-") as name:
        folder = Path(name)
        redis = RedisServer(folder)
        settings = settings_at(f"sqlite:///{folder}/ledger.sqlite3", folder, redis.url)
        database = Database(settings.database_url.get_secret_value())
        database.migrate()
        database.close()
        try:
            redis.start()
            return run(settings, folder, *MANY, *arguments).returncode
        finally:
            redis.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
