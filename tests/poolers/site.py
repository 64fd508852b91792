"""Workers and clients whose database is behind PgBouncer and whose Redis is behind Sentinel."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from brushwork_core.database.database import Database

from tests.chaos.nursery import Nursery
from tests.chaos.stack import Stack
from tests.fork_server.client import fork_server
from tests.poolers import pgbouncer, sentinel
from tests.poolers.pgbouncer import PgBouncer
from tests.poolers.sentinel import RedisGroup
from tests.servers import PostgresServer, postgres_programs

TEMPLATE = "template_of_site"
NUM_WORKERS = 2
# Without it, PgBouncer lets 15 s pass between two attempts to reach a server that was away.
LOGIN_RETRY = {"server_login_retry": "1"}


@dataclass
class Site:
    """What the faults break.

    Args:
        stack: Client, workers and records.
        postgres: The database server.
        bouncer: The pooler in front of it.
        group: Redis and its sentinels.
        name: Name of the database.
    """

    stack: Stack
    postgres: PostgresServer
    bouncer: PgBouncer
    group: RedisGroup
    name: str


class Sites:
    """Makes sites on one PostgreSQL and one PgBouncer.

    Args:
        folder: An empty folder.
        postgres: A server that runs.
        bouncer: The pooler in front of it.
    """

    def __init__(self, folder: Path, postgres: PostgresServer, bouncer: PgBouncer) -> None:
        self._folder = folder
        self._postgres = postgres
        self._bouncer = bouncer
        self._nursery = Nursery(fork_server())
        postgres.execute(f"CREATE DATABASE {TEMPLATE}")
        database = Database(postgres.url(TEMPLATE))
        database.migrate()
        database.close()

    @contextmanager
    def site(self, title: str, *, workers: int = NUM_WORKERS, **options: object) -> Iterator[Site]:
        """Start a site with a database, a Redis group and workers of its own.

        Args:
            title: Name of its folder.
            workers: Number of its workers.
            options: Those of `RedisGroup`.
        """
        name, folder = f"site_{token_hex(4)}", self._folder / title.replace(" ", "-")
        folder.mkdir(parents=True)
        self._postgres.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        # A server that is killed must not lose what it has committed.
        self._postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
        group = RedisGroup(folder, **options)  # type: ignore[arg-type]
        stack = Stack(
            folder,
            self._nursery,
            self._bouncer.url(self._postgres.url(name)),
            # It looks on, whatever workers and client cannot reach.
            own_url=self._postgres.url(name),
            num_workers=workers,
            redis=group,
            database_listen_url=self._postgres.url(name),
            **{key: value for key, value in group.settings.items() if key != "redis_url"},
        )
        with stack:
            yield Site(stack, self._postgres, self._bouncer, group, name)


@contextmanager
def sites(folder: Path) -> Iterator[Sites]:
    """Start PostgreSQL and PgBouncer, and make sites.

    Args:
        folder: An empty folder.
    """
    programs = postgres_programs()
    wanted = {"postgresql": programs, "pgbouncer": pgbouncer.program(), "redis-sentinel": sentinel.program()}
    if missing := [package for package, found in wanted.items() if found is None]:
        raise RuntimeError(f"Not installed here: {', '.join(missing)}. On Debian: apt-get install them")
    assert programs is not None
    with ExitStack() as stack:
        postgres = PostgresServer(programs)
        stack.callback(postgres.stop)
        postgres.start()
        bouncer = PgBouncer(postgres.url("postgres"), **LOGIN_RETRY)
        stack.callback(bouncer.stop)
        bouncer.start()
        yield Sites(folder, postgres, bouncer)
