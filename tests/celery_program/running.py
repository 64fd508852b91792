"""The program and its own worker, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from brushwork_core.settings.settings import Settings
from celery import Celery
from redis import Redis

from tests.celery_program.program import CALLS, program
from tests.servers import RedisServer, wait_until

TOP = Path(__file__).parents[2]
WAIT_S = 60.0


class RunningProgram:
    """A plain Celery program beside brushwork's workers.

    Args:
        redis: The broker of both.
        settings: Settings of brushwork; the program uses the ledger's address.
        folder: Where its log goes.
        python: The interpreter of its environment.
    """

    def __init__(
        self, redis: RedisServer, settings: Settings, folder: Path, *, python: str = sys.executable
    ) -> None:
        backend = f"brushwork+{settings.database_url.get_secret_value()}"
        self.app: Celery = program(redis.url, backend)
        self._redis = redis
        self._log = folder / "program.log"
        given = {
            **os.environ,
            "PROGRAM_BROKER": redis.url,
            "PROGRAM_BACKEND": backend,
            "PYTHONPATH": str(TOP),
        }
        options = ("-P", "solo", "--without-gossip", "--without-mingle", "--loglevel", "WARNING")
        with self._log.open("ab") as output:
            self._worker = subprocess.Popen(
                [python, "-m", "celery", "-A", "tests.celery_program.program", "worker", *options],
                env=given, stdout=output, stderr=output, cwd=folder,
            )  # fmt: skip

    def picture(self, **options: Any) -> Any:
        """The signature of a job that makes a picture; `kwargs` are added to its own."""
        kwargs = {"prompt": "x", "num_inference_steps": 1, **options.pop("kwargs", {})}
        return self.app.signature(
            "brushwork.text-to-image", kwargs=kwargs, queue="text-to-image", immutable=True, **options
        )

    def task(self, name: str, *args: Any, **options: Any) -> Any:
        """The signature of a task of the program."""
        return self.app.signature(name, args=args, **options)

    def calls(self) -> list[tuple[str, str, Any, str | None]]:
        """Each call of a task of the program: name, id, argument, parent."""
        with self._connect() as connection:
            return [tuple(json.loads(entry)) for entry in connection.lrange(CALLS, 0, -1)]

    def calls_about(self, task_id: str) -> list[str]:
        """Names of the program's tasks that were called because of that job."""
        return [name for name, _, _, parent in self.calls() if parent == task_id]

    def wait_called(self, task_id: str, bound_s: float = WAIT_S) -> str:
        """Wait for the call because of that job; the name of what was called, once."""
        wait_until(lambda: self.calls_about(task_id), bound_s=bound_s, what=f"a call about {task_id}")
        [name] = self.calls_about(task_id)
        return name

    def push(self, task_id: str, body: str) -> None:
        """Put a message with this body into the queue of text-to-image, as it is."""
        entry = {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"task": "brushwork.text-to-image", "id": task_id},
            "properties": {
                "delivery_info": {"exchange": "", "routing_key": "text-to-image"},
                "delivery_tag": task_id,
            },
        }
        with self._connect() as connection:
            connection.lpush("text-to-image", json.dumps(entry).encode())

    def _connect(self) -> "Redis":
        return self._redis.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.kill()
        self._worker.wait()
        self.app.close()
