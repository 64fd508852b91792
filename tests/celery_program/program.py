"""A Celery program that does not use brushwork's client. Its tasks write down how they were called."""

import json
import os
from typing import Any

from celery import Celery

CALLS = "calls"


def program(broker: str, backend: str) -> Celery:
    """The program, with its own tasks."""
    app = Celery("program", broker=broker, backend=backend, set_as_current=False)
    app.conf.update(result_chord_retry_interval=0.1, broker_connection_retry_on_startup=True)

    def called(task: Any, argument: Any) -> None:
        entry = json.dumps([task.name, task.request.id, argument, task.request.parent_id])
        with app.connection_for_write() as connection:
            connection.default_channel.client.rpush(CALLS, entry)

    @app.task(bind=True, name="done")
    def done(task: Any, result: Any) -> int:
        """A `link`, or the next task of a chain."""
        called(task, result)
        return len(result["images"])

    @app.task(bind=True, name="failed")
    def failed(task: Any, task_id: str) -> None:
        """A `link_error`."""
        called(task, task_id)

    @app.task(bind=True, name="gathered")
    def gathered(task: Any, results: Any) -> int:
        """The body of a chord."""
        called(task, results)
        return len(results)

    @app.task(name="own")
    def own(number: int) -> int:
        """A task of the program that has nothing to do with pictures."""
        return number

    return app


if "PROGRAM_BROKER" in os.environ:
    app = program(os.environ["PROGRAM_BROKER"], os.environ["PROGRAM_BACKEND"])
