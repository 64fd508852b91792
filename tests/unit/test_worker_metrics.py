"""What a worker counts of its jobs, models, runs and device."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_core.database.database import Database
from brushwork_schemas.errors import InvalidRequest
from brushwork_workers.batching.call_groups import CallBatch, WaitingCall
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.metrics import BatchMetrics
from brushwork_workers.batching.stats import BatchingStats, BatchStats
from brushwork_workers.device.metrics import DeviceMetrics
from brushwork_workers.execution.metrics import JobMetrics, RunningJobs
from brushwork_workers.interface import JobContext
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from tests.stations import Make, TestStation, nothing

KIND = "text-to-image"


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Make:
    return lambda act: TestStation(database, tmp_path, act)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"brushwork_{name}", labels)


def attempts(worker_process: TestStation, outcome: str, code: str = "", model: str = "stub") -> float | None:
    labels = {"kind": KIND, "model": model, "outcome": outcome, "code": code}
    return value(worker_process.registry, "attempts_total", **labels)


def test_a_job_that_succeeds_is_counted_and_timed(make: Make) -> None:
    worker_process = make(nothing)
    worker_process.execute(worker_process.adopted())
    registry = worker_process.registry
    assert attempts(worker_process, "succeeded") == 1
    assert value(registry, "job_queue_seconds_count", kind=KIND) == 1
    assert value(registry, "job_running_seconds_count", kind=KIND, model="stub") == 1
    total = value(registry, "job_running_seconds_sum", kind=KIND, model="stub")
    timings = worker_process.job().result.provenance.timings
    assert total == pytest.approx(timings.running_s)


def test_each_way_to_end_is_told_apart(make: Make) -> None:
    ways: dict[str, Callable[[], None]] = {}

    def act(request: Any, context: JobContext) -> None:
        ways[request.prompt]()

    worker_process = make(act)

    def fail() -> None:
        raise InvalidRequest("no", field="prompt")

    def break_down() -> None:
        raise OSError("the disk is full")

    def cancel() -> None:
        worker_process.ledger.cancel("withdrawn")
        worker_process.heartbeat.beat()
        for attempt in worker_process.running.attempts():
            attempt.check()

    ways |= {"bad": fail, "broken": break_down, "withdrawn": cancel}
    for job_id in ways:
        worker_process.execute(worker_process.adopted(job_id, prompt=job_id))
    worker_process.execute("unknown")
    assert attempts(worker_process, "failed", "invalid_request") == 1
    assert attempts(worker_process, "retried", "machine_error") == 1
    assert attempts(worker_process, "canceled") == 1
    assert value(worker_process.registry, "messages_dropped_total") == 1
    assert value(worker_process.registry, "job_running_seconds_count", kind=KIND, model="stub") is None


def test_models_that_load_and_models_that_do_not(make: Make) -> None:
    registry = make(nothing).registry
    assert value(registry, "model_loads_total", model="stub", outcome="ready") == 1
    assert value(registry, "model_loads_total", model="absent", outcome="failed") == 1
    assert (value(registry, "model_load_seconds", model="stub") or -1) >= 0
    assert value(registry, "model_evictions_total", model="stub") == 0
    assert value(registry, "model_load_seconds", model="absent") is None


def test_what_is_given_back() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    assert value(registry, "released_jobs_total") == 0
    metrics.released(3)
    assert value(registry, "released_jobs_total") == 3


def test_jobs_that_run_are_counted_by_kind_when_somebody_asks(make: Make) -> None:
    seen: list[float | None] = []

    def look(request: Any, context: JobContext) -> None:
        seen.append(value(registry, "jobs_running", kind=KIND))

    worker_process = make(look)
    registry = registry_of(RunningJobs((KIND, "image-to-text"), worker_process.running.attempts))
    worker_process.execute(worker_process.adopted())
    assert seen == [1]
    assert value(registry, "jobs_running", kind=KIND) == 0
    assert value(registry, "jobs_running", kind="image-to-text") == 0


def test_runs_of_the_batcher_are_shown_by_module() -> None:
    report = BatchingStats()
    for rows, reason in ((3, "full"), (3, "lingered"), (500, "full")):
        call = WaitingCall(caller="c", module="m", key="k", since_s=1.0, rows=rows)
        run = CallBatch((call,), reason, max_rows=8, passed_over={"no room": 1})
        report.add(BatchStats(run, CallOptions("tiny", "unet"), began_s=2.0, took_s=0.25))
    registry = registry_of(BatchMetrics(report))
    module = "tiny unet"
    shown = {
        most: value(registry, "batch_rows_bucket", module=module, le=most)
        for most in ("2.0", "4.0", "256.0", "+Inf")
    }
    assert shown == {"2.0": 0, "4.0": 2, "256.0": 2, "+Inf": 3}
    assert value(registry, "batch_rows_sum", module=module) == 506
    assert value(registry, "batch_room_rows_total", module=module) == 8 + 8 + 500
    assert value(registry, "batch_busy_seconds_total", module=module) == 0.75
    assert value(registry, "batch_wait_seconds_total", module=module) == 3.0
    assert value(registry, "batch_ran_because_total", module=module, reason="full") == 2
    assert value(registry, "batch_passed_over_total", module=module, reason="no room") == 3


def test_a_device_that_is_no_gpu_tells_nothing() -> None:
    assert list(DeviceMetrics(torch.device("cpu")).collect()) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_tells_its_memory_and_how_busy_it_is() -> None:
    families = {family.name: family.samples[0] for family in DeviceMetrics(torch.device("cuda:0")).collect()}
    used, total = (families[f"brushwork_device_memory_{name}_bytes"].value for name in ("used", "total"))
    assert 0 < used < total
    assert families["brushwork_device_memory_total_bytes"].labels == {"device": "cuda:0"}
    assert 0 <= families["brushwork_device_busy_ratio"].value <= 1


def registry_of(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
