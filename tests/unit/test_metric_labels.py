"""No caller, no training and no restart makes new series: the values of labels are limited."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.fleet.process_identity import identity, worker_identity
from brushwork_core.ledger import Claim, Ledger
from brushwork_core.telemetry.exposition import merged, text_of
from brushwork_core.telemetry.labels import code_label
from brushwork_schemas.errors import BrushworkError, MachineError
from brushwork_workers.batching.call_groups import CallBatch, WaitingCall
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.metrics import BatchMetrics
from brushwork_workers.batching.stats import BatchingStats, BatchStats
from brushwork_workers.execution.metrics import JobMetrics
from brushwork_workers.model_cache.metrics import LoadMetrics, ModelMetrics
from prometheus_client import CollectorRegistry, Counter
from starlette.testclient import TestClient

from tests.gateways import gateway, settings_at
from tests.jobs import claimed, new_job

NUMBER = 200


@pytest.fixture
def claim(ledger: Ledger) -> Claim:
    ledger.submit([new_job("a")])
    return claimed(ledger, "a")


def series(registry: CollectorRegistry) -> set[tuple[tuple[str, str], ...]]:
    """The labels of all series."""
    return {
        tuple(sorted(sample.labels.items())) for family in registry.collect() for sample in family.samples
    }


def test_trainings_share_their_series(claim: Claim) -> None:
    registry = CollectorRegistry()
    jobs, loads = JobMetrics(registry, models={"pocket-diffusion"}), LoadMetrics(registry)
    registry.register(ModelMetrics(lambda: {f"trained:{number}": 10 for number in range(3)}, 100))
    seen: list[int] = []
    for number in range(NUMBER):
        model = f"trained:0198f3f2-{number:012}"
        jobs.ended(replace(claim, model=model), "succeeded", running_s=1.0)
        loads.loaded(model, 0.5)
        loads.failed(model)
        loads.evicted(model)
        seen.append(len(series(registry)))
    assert set(seen) == {seen[0]}
    labels = {"kind": claim.kind, "model": "trained", "outcome": "succeeded", "code": ""}
    assert registry.get_sample_value("brushwork_attempts_total", labels) == NUMBER
    assert registry.get_sample_value("brushwork_model_evictions_total", {"model": "trained"}) == NUMBER
    assert registry.get_sample_value("brushwork_model_bytes", {"model": "trained"}) == 30


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "a model that no catalogue has {}"),
        ("model", "trained{}"),
        ("model", "pocket-diffusion\n{}"),
        ("kind", "a kind that was removed {}"),
        ("model", "TRAINED:{}"),
    ],
)
def test_what_no_catalogue_has_is_one_series(claim: Claim, field: str, value: str) -> None:
    registry = CollectorRegistry()
    jobs = JobMetrics(registry, models={"pocket-diffusion"})
    for number in range(NUMBER):
        odd = replace(claim, **{field: value.format(number)})
        jobs.claimed(odd)
        jobs.ended(odd, "failed", code=f"of a plug-in {number}")
    labels = {"kind": claim.kind, "model": claim.model, "outcome": "failed", "code": "other", field: "other"}
    assert registry.get_sample_value("brushwork_attempts_total", labels) == NUMBER
    own = [labels for labels in series(registry) if "model" in dict(labels) and "outcome" in dict(labels)]
    assert len(own) == 1


def test_batches_of_trained_models_are_counted_by_part() -> None:
    stats = BatchingStats()
    for number in range(NUMBER):
        call = WaitingCall(caller="c", module="m", key="k", since_s=1.0, rows=1)
        batch = CallBatch((call,), "alone", max_rows=8, passed_over={})
        for part in ("backbone", "head"):
            stats.add(BatchStats(batch, CallOptions(f"trained:{number}", part), began_s=2.0, took_s=0.25))
    # What the heartbeat writes is limited as well.
    assert stats.summary().keys() == {"trained backbone", "trained head"}
    registry = CollectorRegistry()
    registry.register(BatchMetrics(stats))
    labels = {"module": "trained head"}
    assert registry.get_sample_value("brushwork_batch_calls_total", labels) == NUMBER


def test_a_worker_of_an_older_version_adds_no_series_for_a_training() -> None:
    registry = CollectorRegistry()
    counter = Counter("brushwork_attempts", "Attempts.", ["model"], registry=registry)
    for number in range(NUMBER):
        counter.labels(f"trained:{number}").inc()
    [family] = merged([], {"old@here/71-9f2c": text_of(registry)}).collect()
    [sample] = family.samples
    assert (sample.labels, sample.value) == ({"model": "trained", "process": "old@here/71-9f2c"}, NUMBER)


def test_codes_are_those_of_error_classes() -> None:
    class OfAPlugIn(MachineError):
        code = "kiln_is_cold"

    assert code_label(OfAPlugIn.code) == "kiln_is_cold"
    assert [code_label(code) for code in ("", "internal", "rate_limited")] == ["", "internal", "rate_limited"]
    assert code_label("no class has this") == "other"
    assert BrushworkError.code == "internal"


def test_a_restart_makes_no_new_name() -> None:
    assert {identity("gateway").name for _ in range(3)} == {identity("gateway").name}
    assert worker_identity("gpu0@here").name == "gpu0@here"
    assert {worker_identity(f"brushwork-{pid}@here").name for pid in range(NUMBER)} == {"worker@here"}
    assert len({identity("gateway").owner for _ in range(3)}) == 3


@pytest.fixture
def http(sqlite_url: str, tmp_path: Path) -> Iterator[TestClient]:
    Database(sqlite_url).migrate()
    with gateway(settings_at(sqlite_url, tmp_path)) as client:
        yield client


def test_odd_requests_make_no_new_series(http: TestClient) -> None:
    def ask(number: int) -> None:
        http.get(f"/no/such/{number}")
        http.get(f"/v1/jobs/{number}")
        http.get(f"/v1/files/{number:064}", headers={"User-Agent": f"odd {number}"})
        http.request(f"BREW{number}", "/v1/jobs")
        http.get("/v1/jobs", params={"kind": f"odd-{number}", "tenant": f"odd {number}"})
        http.get(f"/static/{number}.css")
        http.get(f"/docs/../{number}", headers={"X-Request-ID": str(number), "Host": f"h{number}.example"})
        http.post("/v1/jobs", json={"kind": f"odd-{number}", "model": f"trained:{number}"})

    ask(0)
    http.get("/metrics")
    before = names_of(http.get("/metrics").text)
    for number in range(1, NUMBER):
        ask(number)
    assert names_of(http.get("/metrics").text) == before
    assert len([name for name in before if name.startswith("brushwork_gateway_")]) > 20


def names_of(text: str) -> set[str]:
    """Each series, without its value."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
