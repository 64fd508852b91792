"""Record a calm run: `brushwork up` with real models and a steady, light load, scraped every 15 seconds."""

import socket
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import cycle
from pathlib import Path

import httpx

from tests.alerts.recording import EVERY_S, Recording, read_by_rules, series_of
from tests.integration.embedded import Up
from tests.receivers import Receiver
from tests.servers import free_port

SUBMIT_EVERY_S = 5


def record(minutes: float) -> Recording:
    """Run, submit a job every five seconds, and return what /metrics said."""
    with tempfile.TemporaryDirectory(prefix="brushwork-calm-") as folder, Receiver() as receiver:
        options = ("--port", str(free_port()), "--no-flower", "--kinds", "text-to-image,image-to-text")
        with Up(Path(folder) / "data", *options, environment={"BRUSHWORK_WEBHOOK_PRIVATE": "true"}) as up:
            address = up.ready().addresses()["BRUSHWORK_GATEWAY_URL"]
            with httpx.Client(base_url=address, timeout=10) as http:
                return Recording.of(version("brushwork"), list(_scrapes(http, minutes, receiver.url)))


def _scrapes(http: httpx.Client, minutes: float, receiver: str) -> Iterator[dict[str, float]]:
    names, requests = read_by_rules(), cycle(_requests(receiver))
    # The first scrape is that of a service that has worked for a while.
    for _ in range(3):
        http.request(**next(requests))
    began = time.time()
    for second in range(0, round(minutes * 60), SUBMIT_EVERY_S):
        time.sleep(max(0.0, began + second - time.time()))
        http.request(**next(requests))
        if second % EVERY_S == 0:
            text = http.get("/metrics").text.replace(f"@{socket.gethostname()}", "@host")
            yield series_of(text, names, began)


def _requests(receiver: str) -> Iterator[dict[str, object]]:
    """What callers ask for, also by mistake now and then."""
    job = {"kind": "text-to-image", "prompt": "a red circle", "num_inference_steps": 4}
    told = {**job, "webhook_url": receiver, "webhook_events": ["succeeded"]}
    yield from ({"method": "POST", "url": "/v1/jobs", "json": body} for body in (job, told, job, job))
    yield {"method": "GET", "url": "/v1/jobs"}
    yield {"method": "GET", "url": "/v1/jobs/none"}
    yield {"method": "POST", "url": "/v1/jobs", "json": {**job, "num_inference_steps": -1}}
