"""A process that claims all jobs it can get, so many at once: `python -m tests.claiming URL LIMIT WORKER`."""

import sys

from brushwork_core.database.database import Database
from brushwork_core.ledger import ClaimOrder, Ledger

from tests.jobs import KIND, taken


def main(url: str, limit: str, worker: str) -> None:
    """Claim until nothing is left, and print the ids of the jobs."""
    ledger, order = Ledger(Database(url)), ClaimOrder([KIND])
    while found := taken(ledger, int(limit), worker=worker, order=order):
        assert len(found) <= int(limit)
        print(*found)


if __name__ == "__main__":
    main(*sys.argv[1:])
