"""A worker, a sender and a gateway at work: what /metrics tells of them, what the dashboard shows of that,
what the documentation says, and what the logs say."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from brushwork import Client
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_schemas.states import JobState
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.live_gateways import Listening
from tests.receivers import SECRET, Receiver
from tests.servers import RedisServer, wait_until
from tests.tiny_catalogue import save_catalogue
from tests.worker_process import WorkerProcess, environment

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = DOCS / "grafana" / "brushwork.json"
KIND = "text-to-image"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PROMPT = "a red circle nobody else should read of"
WAIT_S = 120.0
# What only a machine with CUDA can tell.
OF_A_GPU = re.compile(r"brushwork_device_\w+")
# PromQL's own words, its functions, and labels.
NAME = re.compile(r"\b(?:brushwork|process)_[a-z0-9_]+")
# The parts of a histogram, and what counters have at their ends.
PART = re.compile(r"_(?:bucket|sum|count|total)$")


@dataclass(frozen=True)
class Observed:
    """What was seen of a stack that has worked.

    Args:
        text: /metrics.
        worker_log: One JSON object a line.
        sender_log: As that of the worker, with its standard output.
        job_id: Of the job with a webhook and a trace.
        heard: The headers of the webhooks.
    """

    text: str
    worker_log: str
    sender_log: str
    job_id: str
    heard: list[dict[str, str]]

    @property
    def families(self) -> dict[str, Metric]:
        return {family.name: family for family in text_string_to_metric_families(self.text)}

    def value(self, name: str, **labels: str) -> float | None:
        samples = [sample for family in self.families.values() for sample in family.samples]
        found = [s.value for s in samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(found) if found else None


@pytest.fixture(scope="module")
def settings(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("observed")
    with redis_server.connect() as connection:
        connection.flushall()
    chosen = Settings(
        redis_url=redis_server.url,  # type: ignore[arg-type]
        database_url=f"sqlite:///{folder}/ledger.sqlite3",  # type: ignore[arg-type]
        artifacts_url=str(folder / "artifacts"),
        catalogue=save_catalogue(folder),
        models="tiny-diffusion",
        webhook_secret=SECRET,  # type: ignore[arg-type]
        webhook_private=True,
        log_format="json",
    )
    database = Database(chosen.database_url.get_secret_value())
    database.migrate()
    database.close()
    return chosen


@pytest.fixture(scope="module")
def observed(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    log = tmp_path_factory.mktemp("log") / "worker.log"
    sender_log = log.with_name("sender.log")
    environ = {**os.environ, **environment(settings), "BRUSHWORK_WEBHOOK_SECRET": SECRET}
    with sender_log.open("wb") as output:
        sender = subprocess.Popen(
            [sys.executable, "-m", "brushwork", "webhooks", "send"], env=environ, stdout=output, stderr=output
        )
    try:
        with Receiver() as receiver, Listening(settings) as listening:
            worker = WorkerProcess(settings, KIND, log)
            job_id = _work(settings, listening.address, receiver, worker)
            text = _settled(listening.address)
            heard = [dict(heard.headers) for heard in receiver.heard]
    finally:
        sender.terminate()
        sender.wait(20)
    return Observed(text, log.read_text("utf-8"), sender_log.read_text("utf-8"), job_id, heard)


def _work(settings: Settings, address: str, receiver: Receiver, worker: WorkerProcess) -> str:
    """Have jobs done, and stop the worker: the id of the one with a webhook and a trace."""
    try:
        worker.wait_ready()
        with Client(settings=settings) as client:
            jobs = [client.submit(KIND, prompt=PROMPT, seed=seed) for seed in range(3)]
            told = httpx.post(
                f"{address}/v1/jobs",
                json={
                    "kind": KIND, "prompt": PROMPT, "webhook_url": receiver.url,
                    "webhook_events": ["started", "succeeded"],
                },
                headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"},
            ).json()["id"]  # fmt: skip
            for job_id in [*(job.id for job in jobs), told]:
                assert client.wait(job_id, timeout_s=WAIT_S).state is JobState.SUCCEEDED
        wait_until(lambda: len(receiver.heard) == 2, bound_s=WAIT_S, what="the webhooks")
    finally:
        status = worker.stop()
    assert status == 0, worker.log.read_text()
    return str(told)


def _settled(address: str) -> str:
    """/metrics, once the sender has reported what it did."""

    def text() -> str:
        return httpx.get(f"{address}/metrics").text

    httpx.get(f"{address}/v1/jobs/none")
    with httpx.stream("GET", f"{address}/v1/jobs/none/events"):
        pass
    told = 'brushwork_webhook_deliveries_total{outcome="delivered",process="sender@'
    wait_until(lambda: re.search(re.escape(told) + r'[^"]+"} 2.0', text()), bound_s=30, look_s=0.2)
    return text()


def test_a_worker_tells_what_it_did_even_after_its_end(observed: Observed) -> None:
    assert observed.value("brushwork_attempts_total", kind=KIND, outcome="succeeded") == 4
    assert observed.value("brushwork_job_queue_seconds_count", kind=KIND) == 4
    assert observed.value("brushwork_job_running_seconds_count", model="tiny-diffusion") == 4
    assert observed.value("brushwork_model_loads_total", model="tiny-diffusion", outcome="ready") == 1
    assert observed.value("brushwork_jobs_running", kind=KIND) == 0
    assert observed.value("brushwork_released_jobs_total") == 0
    rows = observed.value("brushwork_batch_rows_sum")
    assert rows is not None
    assert rows <= (observed.value("brushwork_batch_room_rows_total") or 0)
    assert (observed.value("brushwork_batch_ran_because_total") or 0) > 0


def test_the_ledger_the_sender_and_the_gateway_tell_theirs(observed: Observed) -> None:
    assert observed.value("brushwork_jobs", state="succeeded") == 4
    assert observed.value("brushwork_queue_depth") == 0
    assert observed.value("brushwork_webhook_open_events") == 0
    assert observed.value("brushwork_webhook_delivery_seconds_count") == 2
    assert (
        observed.value("brushwork_gateway_requests_total", route="/v1/jobs", method="POST", status="201") == 1
    )
    resident = observed.families["process_resident_memory_bytes"].samples
    assert {sample.labels["process"].partition("@")[0] for sample in resident} >= {"sender", "gateway"}
    assert len(resident) == 3


def _shown() -> set[str]:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return {name for query in queries for name in NAME.findall(query)}


def test_the_dashboard_asks_for_nothing_that_is_not_there(observed: Observed) -> None:
    names = {sample.name for family in observed.families.values() for sample in family.samples}
    # Nobody was passed over and nobody was lost, perhaps; their families are there without samples.
    names |= {f"{family.name}_total" for family in observed.families.values() if family.type == "counter"}
    # Nor is there a certificate.
    names |= {family.name for family in observed.families.values() if family.type == "gauge"}
    wanted = {name for name in _shown() if not OF_A_GPU.fullmatch(name)}
    assert len(wanted) > 30
    assert wanted - names == set()


def test_the_dashboard_shows_all_that_is_counted(observed: Observed) -> None:
    ours = {name for name in observed.families if name.startswith("brushwork_")}
    assert ours - {PART.sub("", name) for name in _shown()} == set()


def test_each_panel_has_its_place_and_its_data_source() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in panels]
    for x, _, width, height in places:
        assert 0 <= x < x + width <= 24
        assert height > 0
    cells = [(x + i, y + j) for x, y, width, height in places for i in range(width) for j in range(height)]
    assert len(set(cells)) == len(cells)
    for panel in panels:
        if panel["type"] != "row":
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {source["uid"] for source in sources} == {"${datasource}"}


def test_the_documentation_names_all_of_it_and_nothing_else(observed: Observed) -> None:
    told = set(
        re.findall(r"^\| `(brushwork_\w+)` \|", (DOCS / "metrics.md").read_text("utf-8"), re.MULTILINE)
    )
    there = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in observed.families.values()
        if family.name.startswith("brushwork_")
    }
    assert {name for name in told if not OF_A_GPU.fullmatch(name)} == there
    assert {name for name in _shown() if OF_A_GPU.fullmatch(name)} == set(OF_A_GPU.findall("\n".join(told)))


def test_lines_of_a_jobs_thread_say_which_job_it_is(observed: Observed) -> None:
    lines = [json.loads(line) for line in observed.worker_log.splitlines()]
    # Celery says so in a signal's handler, where no logger can be used.
    assert any("Warm shutdown" in line["message"] for line in lines)
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    [ours] = {line["attempt"]: line for line in lines if line.get("job") == observed.job_id}.values()
    assert (ours["kind"], ours["attempt"], ours["trace"]) == (KIND, 1, TRACE_ID)
    assert "@here/" in ours["worker"]
    assert PROMPT not in observed.worker_log


def test_each_line_of_the_sender_is_json(observed: Observed) -> None:
    lines = [json.loads(line) for line in observed.sender_log.splitlines()]
    assert any(str(line["message"]).startswith("Ready: ") for line in lines)


def test_the_trace_goes_on_to_the_webhooks(observed: Observed) -> None:
    assert [headers["webhook-id"] for headers in observed.heard] == [
        f"{observed.job_id}:started", f"{observed.job_id}:succeeded",
    ]  # fmt: skip
    hops = {headers["traceparent"] for headers in observed.heard}
    assert len(hops) == 2
    assert {hop.split("-")[1] for hop in hops} == {TRACE_ID}
