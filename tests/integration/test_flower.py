"""What an operator sees in Flower beside `brushwork up`: workers, and tasks with a label but no prompt."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from brushwork.transports.messages import MOST_AT_ONCE

from tests.integration.embedded import Up
from tests.servers import wait_until


@pytest.fixture
def flower(running_up: Up) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_up.addresses()["BRUSHWORK_FLOWER_URL"], timeout=30) as client:
        # It answers before it hears: a task of that moment would be known by its end alone.
        wait_until(lambda: _heard_workers(client), bound_s=60, what="Flower's hearing of the worker")
        yield client


def test_tasks_have_worker_state_runtime_and_label_and_nothing_private(
    running_up: Up, flower: httpx.Client
) -> None:
    with running_up.client() as client:
        job = client.submit("text-to-image", prompt="a secret red circle", num_inference_steps=3)
        worker = client.wait(job.id, timeout_s=60).worker
    wait_until(lambda: _task(flower, job.id).get("runtime"), what="the task's end in Flower")
    task = _task(flower, job.id)
    assert (task["name"], task["state"]) == ("brushwork.text-to-image", "SUCCESS")
    assert task["args"] == job.label
    assert task["runtime"] > 0
    assert task["worker"] == worker.partition("/")[0]
    assert "secret" not in flower.get("/api/tasks").text


def test_each_job_is_listed_with_name_and_label_also_without_a_message(
    running_up: Up, flower: httpx.Client
) -> None:
    """A client sends a few messages for many jobs."""
    asked = [{"kind": "text-to-image", "prompt": "x", "num_inference_steps": 1}] * 3 * MOST_AT_ONCE
    with running_up.client() as client:
        jobs = client.submit_many(asked)
        for job in jobs:
            client.wait(job.id, timeout_s=60)

    def shown() -> dict[str, dict[str, Any]]:
        return {job.id: _task(flower, job.id) for job in jobs}

    wait_until(lambda: all(task.get("state") == "SUCCESS" for task in shown().values()))
    for job_id, task in shown().items():
        label = next(job.label for job in jobs if job.id == job_id)
        assert (task["name"], task["args"]) == ("brushwork.text-to-image", label)
        assert task["received"] <= task["started"] <= task["succeeded"]


def test_the_worker_is_listed_with_its_queues(running_up: Up, flower: httpx.Client) -> None:
    workers: dict[str, Any] = flower.get("/api/workers", params={"refresh": "true"}).json()
    [worker] = workers.values()
    assert {queue["name"] for queue in worker["active_queues"]} >= {"text-to-image", "image-to-text"}


def test_nothing_can_be_changed(flower: httpx.Client, running_up: Up) -> None:
    with running_up.client() as client:
        [worker] = client.workers()
    name = worker.name.partition("/")[0]
    assert flower.post(f"/api/worker/shutdown/{name}").status_code == 403
    assert flower.post("/api/task/async-apply/brushwork.text-to-image", json={}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:5555", "10.0.0.1", "", "[::1"])
def test_only_names_of_this_machine_are_answered(flower: httpx.Client, host: str) -> None:
    """A page of another site, whose name resolves to 127.0.0.1, reads nothing through a browser."""
    for path in ("/", "/workers", "/api/tasks", "/healthcheck", "/static/css/flower.css"):
        assert flower.get(path, headers={"Host": host}).status_code in (400, 403), path


@pytest.mark.parametrize("host", ["localhost", "localhost:5555", "127.0.0.1", "[::1]:5555"])
def test_the_names_of_this_machine_are_answered(flower: httpx.Client, host: str) -> None:
    assert flower.get("/api/tasks", headers={"Host": host}).status_code == 200


def _heard_workers(flower: httpx.Client) -> list[dict[str, Any]]:
    """The workers of whom Flower has had an event."""
    heard: list[dict[str, Any]] = flower.get("/workers", params={"json": "1"}).json()["data"]
    return [worker for worker in heard if worker.get("status")]


def _task(flower: httpx.Client, job_id: str) -> dict[str, Any]:
    tasks: dict[str, dict[str, Any]] = flower.get("/api/tasks").json()
    return tasks.get(job_id, {})
