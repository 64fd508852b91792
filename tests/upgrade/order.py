"""A deployment is upgraded in the documented order, one process at a time, and back, under load."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import httpx
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from PIL import Image, ImageDraw
from sqlalchemy import func, select

from tests.fresh_environment import Environment
from tests.nginx_server import NginxServer
from tests.raw_callers import RawCaller, Verdict, call_in_parallel
from tests.receivers import Receiver
from tests.servers import wait_until
from tests.upgrade.services import GatewayService, Service, sender, worker

KINDS = ("text-to-image", "image-to-text", "image-classification", "image-segmentation")
MOST_JOBS = 3000
AT_ONCE = 12
# Each so many jobs have a webhook.
TOLD_EVERY = 5


@dataclass
class Outcome:
    """What the callers and the receiver of webhooks saw.

    Args:
        verdict: What the callers saw.
        steps: Seconds of each step.
        told: Number of jobs with a webhook, and how often each was told.
        workers: Number of jobs by the name of the worker that ended them.
        refused: Exit status of an older worker that was started on newer tables; None if it was not tried.
    """

    verdict: Verdict
    steps: Mapping[str, float]
    told: Mapping[str, int]
    workers: Mapping[str, int]
    refused: int | None = None

    @property
    def faults(self) -> list[str]:
        """What should not have happened."""
        found = [f"lost: {each}" for each in self.verdict.lost]
        found += [f"{self.verdict.doubled} doubled"] if self.verdict.doubled else []
        found += (
            [f"a caller sent again {self.verdict.most_again} times"] if self.verdict.most_again > 1 else []
        )
        twice = [f"webhook of {job}: {number} times" for job, number in self.told.items() if number != 1]
        return found + twice

    def __str__(self) -> str:
        """Return the figures."""
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.steps.items())
        status = self.refused
        refused = "" if status is None else f"\nan older worker on these tables ends with {status}"
        return (
            f"{self.verdict}\n"
            f"webhooks: {len(self.told)} events, each {sorted(set(self.told.values()))} times\n"
            f"jobs by worker: {dict(self.workers)}\nsteps: {steps}{refused}"
        )


@dataclass
class Deployment:
    """Two gateways behind nginx, a worker and a webhook sender, under load.

    Args:
        before: The older version.
        after: The newer version.
        settings: Addresses.
        folder: For logs.
        per_second: Callers that start in a second.
    """

    before: Environment
    after: Environment
    settings: Settings
    folder: Path
    per_second: float
    steps: dict[str, float] = field(default_factory=dict)
    refused: int | None = None

    def run(self, *, goes_back: bool) -> Outcome:
        """Start everything in the older version, upgrade it under load, and go back.

        Args:
            goes_back: Whether the older programs start on the newer tables. If not, one is started to see
                that it refuses, and the deployment stays as it is.
        """
        self._migrate(self.before)
        with ExitStack() as stack:
            self._database = Database(self.settings.database_url.get_secret_value())
            stack.callback(self._database.close)
            self._receiver = stack.enter_context(Receiver())
            self._services = self._new_services()
            stack.callback(self._stop_all)
            for service in self._services.values():
                service.start(self.before)
            gateways = [each for each in self._services.values() if isinstance(each, GatewayService)]
            nginx = NginxServer(self.folder, [each.address for each in gateways])
            stack.callback(nginx.halt, SIGTERM)
            nginx.start()
            return self._under_load(nginx, gateways[0].address, goes_back)

    def _under_load(self, nginx: NginxServer, gateway: str, goes_back: bool) -> Outcome:
        secret = self._new_key()
        requests, stop, trust = self._requests(gateway, secret), threading.Event(), nginx.trust
        with ThreadPoolExecutor(1) as pool:
            calling = pool.submit(
                call_in_parallel,
                lambda: RawCaller(nginx.address, secret, trust=trust),
                requests,
                per_second=self.per_second,
                at_once=AT_ONCE,
                within_s=1200.0,
                stop=stop,
            )
            try:
                # In this thread: a child process ends with the thread that has started it.
                self._upgrade()
                self._go_back() if goes_back else self._see_refusal()
            finally:
                stop.set()
            reports = calling.result()
        with self._database.reading() as connection:
            number = connection.execute(select(func.count()).select_from(JOBS)).scalar_one()
        jobs = list(JobIndex(self._database).get_many([each.job_id for each in reports if each.job_id]))
        workers = Counter(str(job.worker).partition("@")[0] for job in jobs)
        told = self._told([each.job_id for each in reports if each.number % TOLD_EVERY == 0])
        return Outcome(Verdict.of(reports, number), self.steps, told, workers, self.refused)

    def _upgrade(self) -> None:
        """Migrate, then senders, workers, gateways: what reads before what writes."""
        self._step("migrate", lambda: self._migrate(self.after))
        self._step("sender up", lambda: self._replace("sender", self.after))
        self._step("worker up", lambda: self._add_worker("new", self.after, leaves="old"))
        for number in range(2):
            name = f"gateway-{number}"
            self._step(f"{name} up", lambda name=name: self._replace(name, self.after))  # type: ignore[misc]

    def _go_back(self) -> None:
        """The same, the other way round. The tables stay as they are."""
        for number in reversed(range(2)):
            name = f"gateway-{number}"
            self._step(f"{name} back", lambda name=name: self._replace(name, self.before))  # type: ignore[misc]
        self._step("worker back", lambda: self._add_worker("old-again", self.before, leaves="new"))
        self._step("sender back", lambda: self._replace("sender", self.before))

    def _see_refusal(self) -> None:
        refused = worker("refused@here", KINDS[0], self.settings, self.folder, self._database)
        self.refused = refused.launch(self.before).wait(120)

    def _step(self, name: str, action: Callable[[], object]) -> None:
        began = time.monotonic()
        action()
        self.steps[name] = time.monotonic() - began

    def _migrate(self, version: Environment) -> None:
        version.run("-m", "brushwork", "migrate", BRUSHWORK_DATABASE_URL=self._database_url)

    def _stop_all(self) -> None:
        """Stop all services that run, also those that have replaced others."""
        for service in self._services.values():
            service.stop(SIGKILL)

    def _new_key(self) -> str:
        """A key that the older version makes: the tables are still its own."""
        words = ("keys", "create", "raw", "--tenant", "raw", "--scope", "submit", "--scope", "read", "--json")
        printed = self.before.run("-m", "brushwork", *words, BRUSHWORK_DATABASE_URL=self._database_url)
        return str(json.loads(printed)["key"])

    @property
    def _database_url(self) -> str:
        return self.settings.database_url.get_secret_value()

    def _new_services(self) -> dict[str, Service]:
        gateways = [GatewayService(number, self.settings, self.folder) for number in range(2)]
        workers = [self._new_worker("old")]
        found: Sequence[Service] = (*workers, sender(self.settings, self.folder), *gateways)
        return {service.name.partition("@")[0]: service for service in found}

    def _new_worker(self, name: str) -> Service:
        return worker(f"{name}@here", ",".join(KINDS), self.settings, self.folder, self._database)

    def _replace(self, name: str, version: Environment) -> None:
        self._services[name].stop()
        self._services[name].start(version)

    def _add_worker(self, name: str, version: Environment, *, leaves: str) -> None:
        """Start the next worker before the last one stops, so that jobs go on."""
        self._services[name] = self._new_worker(name)
        try:
            self._services[name].start(version)
        finally:
            self._services[leaves].stop()

    def _requests(self, gateway: str, secret: str) -> list[dict[str, Any]]:
        uploaded = httpx.post(
            f"{gateway}/v1/files",
            content=_picture(),
            headers={"Content-Type": "image/png", "Authorization": f"Bearer {secret}"},
            timeout=60,
        )
        picture = uploaded.raise_for_status().json()["sha256"]
        return [dict(each) for each in self._jobs(picture)]

    def _jobs(self, picture: str) -> Iterator[Mapping[str, Any]]:
        for number in range(MOST_JOBS):
            kind = KINDS[number % len(KINDS)]
            given: dict[str, Any] = {"kind": kind, "image": picture}
            if kind == KINDS[0]:
                given = {"kind": kind, "prompt": f"a red circle, {number}", "num_inference_steps": 1}
            if number % TOLD_EVERY == 0:
                given["webhook_url"] = f"{self._receiver.url}/{number}"
            yield given

    def _told(self, jobs: Sequence[str]) -> Mapping[str, int]:
        """How often the end of each of these jobs was told."""

        def counted() -> dict[str, int]:
            told = Counter(heard.webhook_id.partition(":")[0] for heard in self._receiver.heard)
            return {job: told[job] for job in jobs}

        wait_until(
            lambda: all(counted().values()), bound_s=120, what="the delivery of all webhooks", look_s=0.2
        )
        return counted()


def _picture() -> bytes:
    drawn = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(drawn).ellipse((16, 16, 48, 48), fill="red")
    written = BytesIO()
    drawn.save(written, "PNG")
    return written.getvalue()
