"""A Celery program that does not use brushwork's client. Its tasks write down how they were called."""

import json
import os

from celery import Celery

CALLS = "calls"

app = Celery("program", broker=os.environ["PROGRAM_BROKER"], backend=os.environ["PROGRAM_BACKEND"])
app.conf.update(
    result_chord_retry_interval=0.1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
)


def _called(task, *args):
    entry = json.dumps([task.name, task.request.id, list(args)])
    with app.connection_for_write() as connection:
        connection.default_channel.client.rpush(CALLS, entry)


@app.task(bind=True)
def done(self, result):
    """A `link`, or the next task of a chain."""
    _called(self, result)
    return {"size": len(result.get("images", ()))}


@app.task(bind=True)
def failed(self, task_id):
    """A `link_error`."""
    _called(self, task_id)


@app.task(bind=True)
def gathered(self, results):
    """The body of a chord."""
    _called(self, results)
    return len(results)


@app.task(bind=True)
def own(self, number):
    """A task of the program itself."""
    return number
