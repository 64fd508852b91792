"""What the ledger notifies its leader of. It is a hint that saves time: the leader also looks regularly.

NOTIFY takes a lock of the whole database at the commit, so no transaction that every job needs sends one. It
is sent where jobs are given back, and where a job ends while no worker runs it.
"""

from enum import StrEnum

from sqlalchemy import Connection

from brushwork_core.database.listening import notify

CHANNEL = "brushwork"


class Topic(StrEnum):
    """What has happened."""

    BACKLOG = "backlog"
    """Jobs were given back, and wait in the ledger."""
    ENDS = "ends"
    """Ends of jobs are due in the outbox of Celery."""


def notify_leader(connection: Connection, topic: Topic) -> None:
    """Notify the leader when the transaction commits. SQLite has no notifications."""
    if connection.dialect.name == "postgresql":
        notify(connection, CHANNEL, topic.value)
