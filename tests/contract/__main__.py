"""`python -m tests.contract`: the gateway against its own OpenAPI, all checks and phases, many examples.

Arguments go to schemathesis: `python -m tests.contract --seed 7 -n 500`.
"""

import sys
import tempfile
from pathlib import Path

from brushwork_schemas.database import Database
from brushwork_schemas.settings import Settings

from tests.contract.run import run
from tests.servers import RedisServer

MANY = ("--max-examples", "200", "--continue-on-failure")


def main(arguments: list[str]) -> int:
    """The exit status of schemathesis: 0 where nothing was found."""
    with tempfile.TemporaryDirectory(prefix="brushwork-contract-") as name:
        folder = Path(name)
        redis = RedisServer(folder)
        settings = Settings(
            redis_url=redis.url,  # type: ignore[arg-type]
            database_url=f"sqlite:///{folder}/ledger.sqlite3",  # type: ignore[arg-type]
            artifacts_url=str(folder / "artifacts"),
        )
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
