"""A worker with a fixed name, like under a service manager or in a container, with Redis and a ledger."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.redis_server import answers, redis_server
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from benchmarks.brushwork_queue import Queue
from benchmarks.program import Program

# As in a container: who is inside has process ids of its own, and nobody outside can ask about them.
HIDE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def can_hide() -> bool:
    """Whether this user may make a space of process ids."""
    return shutil.which(HIDE[0]) is not None and subprocess.run([*HIDE, "true"], check=False).returncode == 0


class NamedWorker(Program):
    """One life of a worker; nobody waits until it is ready.

    Args:
        name: What people call it.
        options: Of `brushwork worker`.
        addresses: Of Redis, the ledger and the store, as the environment has them.
        log: Where its output goes.
        hidden: Whether it runs in a space of process ids of its own.
    """

    def __init__(
        self, name: str, options: Mapping[str, str], addresses: Mapping[str, str], log: Path, *, hidden: bool
    ) -> None:
        argv = [sys.executable, "-m", "brushwork", "worker", "--name", name]
        argv += [word for option, value in options.items() for word in (f"--{option}", value)]
        super().__init__([*HIDE, *argv] if hidden else argv, log, lambda: True, addresses)
        self.name = name
        self._hidden = hidden

    def kill(self) -> None:
        """`kill -9` of the worker's own process."""
        self.tree()[1 if self._hidden else 0].kill()


@contextmanager
def bare_stack(folder: Path) -> Iterator[tuple[Queue, Mapping[str, str]]]:
    """Redis as `brushwork up` runs it and a ledger, without workers: a client, and the addresses for them."""
    data = DataFolder(folder)
    data.create()
    redis, redis_url = redis_server(data)
    names = {"redis_url": redis_url, "database_url": f"sqlite:///{data.ledger}"}
    names["artifacts_url"] = str(data.artifacts)
    database = Database(names["database_url"])
    database.migrate()
    database.close()
    with Program(redis.argv, data.logs / "redis.log", lambda: answers(redis_url)):
        queue = Queue(Settings.load(**names), {})
        try:
            yield queue, {f"BRUSHWORK_{name.upper()}": value for name, value in names.items()}
        finally:
            queue.close()
