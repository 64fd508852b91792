"""The services that a gateway checks for its metrics, and the free space of its disks."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.queue.redis_link import RedisLink
from brushwork_core.settings.settings import Settings
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import make_url, text

DATABASE, REDIS, STORE = "database", "redis", "store"
REDIS_TIMEOUT_S = 2.0
_VERSION_TABLES = ("alembic_version", "schema_additions")


def service_checks(
    settings: Settings, store: ArtifactStore, tables: "TableVersion"
) -> Mapping[str, Callable[[], None]]:
    """Return the check of each service, which raises an exception if the service does not answer.

    Args:
        settings: Address of Redis.
        store: Store of files.
        tables: Reads the version of the tables.
    """

    def ping() -> None:
        # A new connection each time: an old one may answer although Redis refuses new ones.
        with closing(RedisLink(settings, timeout_s=REDIS_TIMEOUT_S)) as link:
            link.client().ping()

    return {DATABASE: tables.read, REDIS: ping, STORE: store.expect_reachable}


class TableVersion(Collector):
    """Reads the version of the tables, and collects whether it is the version of this process.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: str | None = None
        self._matches: bool | None = None

    def read(self) -> None:
        """Read the version.

        Raises:
            ServiceUnreachable: The database does not answer, or has no tables.
        """
        with self._database.reading() as connection:
            # A query of a table: on SQLite, any other would succeed without the file.
            found = "+".join(
                connection.execute(text(f"SELECT version_num FROM {table}")).scalar_one()  # noqa: S608
                for table in _VERSION_TABLES
            )
            if found != self._found:
                # Imported here, because Alembic is slow to import.
                from brushwork_core.database.migration import schema_version

                version = schema_version(connection)
                self._matches, self._found = version.found == version.program, found

    def collect(self) -> Iterator[Metric]:
        """Yield the metric, once the version is known."""
        family = GaugeMetricFamily(
            "brushwork_tables_match",
            "Whether the tables of the database have the version of this process: 1 or 0.",
        )
        if self._matches is not None:
            family.add_metric([], float(self._matches))
        yield family


class DiskMetrics(Collector):
    """Collects the size and the free space of the disks that a gateway uses.

    Args:
        settings: Addresses of the store and the database.
    """

    def __init__(self, settings: Settings) -> None:
        self._folders = {"temporary": Path(tempfile.gettempdir())}
        if (folder := _store_folder(settings.artifacts_url)) is not None:
            self._folders[STORE] = folder
        address = make_url(settings.database_url.get_secret_value())
        if address.get_backend_name() == "sqlite" and address.database not in (None, "", ":memory:"):
            self._folders[DATABASE] = Path(str(address.database)).absolute().parent

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        free = GaugeMetricFamily(
            "brushwork_disk_free_bytes", "Free space of a disk that the gateway uses.", labels=["disk"]
        )
        size = GaugeMetricFamily(
            "brushwork_disk_size_bytes", "Size of a disk that the gateway uses.", labels=["disk"]
        )
        for disk, folder in self._folders.items():
            try:
                usage = shutil.disk_usage(folder)
            # The folder may be gone, or a network file system may be away.
            except OSError:
                continue
            free.add_metric([disk], usage.free)
            size.add_metric([disk], usage.total)
        yield free
        yield size


def _store_folder(address: str) -> Path | None:
    if address.startswith("file://"):
        return Path(address.removeprefix("file://"))
    return None if "://" in address else Path(address)
