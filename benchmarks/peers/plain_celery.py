"""Plain Celery: tasks that call stock classes, Redis as broker and as result backend, the prefork pool.

    celery -A benchmarks.peers.plain_celery worker -c 2 -Q paint

Each process of the pool loads and warms up the model of its queue before it takes a task.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from benchmarks.peers.stock import Classifier, Painter, png_base64

URL = os.environ.get("PEER_REDIS_URL", "redis://127.0.0.1:1/0")
WORK = os.environ.get("PEER_WORK", "nothing")

app = Celery("plain", broker=URL, backend=URL)
# Loading torch and a model takes longer than the four seconds that Celery gives a new process.
app.conf.update(
    worker_proc_alive_timeout=240.0, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True
)
_model: Any = None


@worker_process_init.connect
def load(**signal: object) -> None:
    """Load the model and use it once."""
    global _model
    if threads := os.environ.get("PEER_THREADS"):
        import torch

        torch.set_num_threads(int(threads))
    if WORK == "paint":
        _model = Painter(os.environ["PEER_MODEL"])
    elif WORK == "classify":
        _model = Classifier(os.environ["PEER_MODEL"])


@app.task
def paint(job: dict[str, Any]) -> str:
    """One picture by the stock pipeline, as PNG in base64."""
    return png_base64(_model.paint([job])[0])


@app.task
def classify(job: dict[str, Any]) -> list[list[Any]]:
    """The five best classes of the picture that the message holds."""
    answer: list[list[Any]] = _model.classify([_model.tensor(job["image"])])[0]
    return answer


@app.task
def nothing(job: dict[str, Any]) -> None:
    """Nothing."""
