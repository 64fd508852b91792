"""Metrics of several processes as one text that Prometheus reads."""

from collections import Counter as Tally

from brushwork_core.telemetry.exposition import merged, text_of
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families


def registry(kind: str = "text-to-image", jobs: int = 3) -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("brushwork_jobs_done", 'Jobs, "all"\nof them.', ["kind"], registry=registry).labels(kind).inc(
        jobs
    )
    Histogram("brushwork_run_seconds", "Runs.", ["kind"], buckets=(1, 5), registry=registry).labels(
        kind
    ).observe(2)
    return registry


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_family_has_one_head_and_each_sample_its_process() -> None:
    own = CollectorRegistry()
    Gauge("brushwork_queue_depth", "Jobs.", ["kind"], registry=own).labels("a").set(4)
    texts = {
        "w/1": text_of(registry()),
        "w/2": text_of(registry(jobs=5)),
        'odd\n"name"\\': text_of(registry()),
    }
    text = generate_latest(merged(own.collect(), texts)).decode()
    heads = Tally(line for line in text.splitlines() if line.startswith("# TYPE"))
    assert heads == {
        "# TYPE brushwork_jobs_done_total counter": 1,
        "# TYPE brushwork_queue_depth gauge": 1,
        "# TYPE brushwork_run_seconds histogram": 1,
    }
    found = samples(text)
    kind = ("kind", "text-to-image")
    assert found["brushwork_jobs_done_total", frozenset({kind, ("process", "w/2")})] == 5
    assert found["brushwork_jobs_done_total", frozenset({kind, ("process", 'odd\n"name"\\')})] == 3
    assert found["brushwork_run_seconds_bucket", frozenset({kind, ("process", "w/1"), ("le", "5.0")})] == 1
    assert found["brushwork_queue_depth", frozenset({("kind", "a")})] == 4


def test_it_is_open_metrics_too() -> None:
    text = openmetrics(merged([], {"w/1": text_of(registry()), "w/2": text_of(registry())})).decode()
    families = {family.name: family.type for family in read_openmetrics(text)}
    assert families == {"brushwork_jobs_done": "counter", "brushwork_run_seconds": "histogram"}


def test_a_text_that_can_not_be_read_hides_no_other() -> None:
    texts = {
        "w/1": 'x{kind="a} 1',
        "w/2": text_of(registry()),
        "w/3": "# TYPE brushwork_run_seconds gauge\nbrushwork_run_seconds 1\n",
    }
    found = samples(generate_latest(merged([], texts)).decode())
    assert {dict(labels)["process"] for _, labels in found} == {"w/2"}


def test_nothing_is_nothing() -> None:
    assert generate_latest(merged([], {})) == b""
