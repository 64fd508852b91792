"""Bare Celery messages become jobs, or failed jobs that say why."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger.outbox import Outbox
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.states import JobState
from PIL import Image

from tests.stations import TestStation, nothing


@pytest.fixture
def worker_process(database: Database, tmp_path: Path) -> TestStation:
    return TestStation(database, tmp_path, nothing)


def data_address(format_name: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, format_name)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_a_good_message_is_a_complete_job(worker_process: TestStation) -> None:
    worker_process.adopted("task-7", prompt="a red circle")
    job = worker_process.job("task-7")
    assert job.state is JobState.QUEUED
    assert job.request.prompt == "a red circle"
    assert job.request.num_inference_steps == 2
    assert job.request.seed is not None


def test_a_message_delivered_twice_is_one_job_with_one_seed(worker_process: TestStation) -> None:
    worker_process.adopted("task-7")
    first = worker_process.job("task-7")
    worker_process.adopted("task-7")
    assert worker_process.job("task-7") == first


@pytest.mark.parametrize(
    ("args", "kwargs", "code", "field"),
    [
        ((), {"promt": "x"}, "invalid_request", "promt"),
        ((), {"prompt": 5}, "invalid_request", "prompt"),
        ((), {"prompt": "x", "width": 1 << 70}, "invalid_request", "width"),
        ((), {"prompt": "a\0b"}, "invalid_request", "prompt"),
        ((), {"prompt": "x", "guidance_scale": float("nan")}, "invalid_request", "guidance_scale"),
        ((), {"prompt": "\ud800"}, "invalid_request", "prompt"),
        ((), {"prompt": "x", "model": "none such"}, "unknown_model", "model"),
        ((), {"prompt": "x", "model": ["a"]}, "invalid_request", "model"),
        (("a red circle",), {"prompt": "x"}, "invalid_request", "args"),
        ((), {"prompt": "x", "a\0": {"b\ud800": [float("inf")]}}, "invalid_request", "a\0"),
        ((), {"prompt": "x" * 10_000_000}, "invalid_request", "prompt"),
    ],
    ids=str,
)
def test_a_bad_message_is_a_failed_job_that_names_the_field(
    worker_process: TestStation, args: tuple[Any, ...], kwargs: dict[str, Any], code: str, field: str
) -> None:
    worker_process.bare_messages.accept("bad", "text-to-image", args, kwargs)
    job = worker_process.job("bad")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.fault) == (code, "caller")
    assert job.error.field == field.replace("\0", "\\x00")


def test_a_message_may_name_whom_to_tell(worker_process: TestStation, database: Database) -> None:
    hook = "https://receiver.example/hook"
    worker_process.adopted("good", webhook_url=hook)
    worker_process.ledger.cancel("good")
    worker_process.adopted("bad", promt="x", webhook_url=hook)
    worker_process.adopted("worse", webhook_url="ftp://receiver.example/")
    assert {event.id: event.url for event in Outbox(database).list()} == {
        "good:canceled": hook,
        "bad:failed": hook,
    }
    error = worker_process.job("worse").error
    assert error is not None
    assert (error.code, error.field) == ("invalid_request", "webhook_url")


def test_a_message_may_hold_every_option(worker_process: TestStation) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    job_id = worker_process.adopted(
        "task-7",
        webhook_url="https://receiver.example",
        webhook_events=["started", "failed"],
        group="night",
        retention_s=60,
        traceparent=traceparent,
    )
    job = worker_process.job(job_id)
    assert (job.state, job.group, job.traceparent) == (JobState.QUEUED, "night", traceparent)
    assert worker_process.column(job_id, "webhook_events") == "started,failed"
    assert worker_process.column(job_id, "retention_s") == 60


def test_a_picture_may_come_inside_the_message(worker_process: TestStation) -> None:
    image = worker_process.bare_messages._file(data_address(), "image")
    assert (image.width, image.height, image.media_type) == (8, 8, "image/png")
    assert worker_process.bare_messages._file(image.sha256, "image") == image


def test_a_message_may_name_several_files(worker_process: TestStation) -> None:
    (image, mask), archive = (
        (worker_process.bare_messages._file(data_address(), "image") for _ in "12"),
        b"PK\x03\x04",
    )
    worker_process.bare_messages.accept(
        "paint", "inpainting", (), {"prompt": "x", "image": image.sha256, "mask_image": data_address()}
    )
    assert worker_process.job("paint").request.mask_image == mask.sha256
    name = worker_process.store.put_file(archive, "application/zip").sha256
    assert worker_process.bare_messages._file(name, "dataset").size_bytes == len(archive)


@pytest.mark.parametrize("given", [data_address(), "0" * 64, 5])
def test_a_data_set_has_to_be_brought_first(worker_process: TestStation, given: object) -> None:
    worker_process.bare_messages.accept("bad", "image-classification-training", (), {"dataset": given})
    error = worker_process.job("bad").error
    assert error is not None
    assert (error.code, error.field) == ("invalid_dataset", "dataset")


@pytest.mark.parametrize(
    "image",
    [
        "picture.png",
        "data:image/png;base64,####",
        "data:image/png;base64,图",
        "0" * 64,
        5,
        None,
        data_address("PPM"),
        "data:image/png;base64,",
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_picture_is_a_failed_job(worker_process: TestStation, image: object) -> None:
    worker_process.bare_messages.accept("bad", "image-to-text", (), {"image": image})
    error = worker_process.job("bad").error
    assert error is not None
    assert (error.code, error.field) == ("invalid_image", "image")


@pytest.mark.parametrize("task_id", ["x" * 65, "a\0b", "任务", "line\nbreak"])
def test_an_id_that_the_ledger_cannot_hold_gets_a_stand_in(worker_process: TestStation, task_id: str) -> None:
    job_id = worker_process.adopted(task_id)
    assert job_id == worker_process.adopted(task_id) != task_id
    assert worker_process.job(job_id).state is JobState.QUEUED


@pytest.mark.parametrize("task_id", [None, "", 5, ["a"]])
def test_a_message_without_an_id_is_a_job_of_its_own(worker_process: TestStation, task_id: Any) -> None:
    job_ids = {worker_process.adopted(task_id), worker_process.adopted(task_id)}
    assert len(job_ids) == 2
    assert {worker_process.job(job_id).state for job_id in job_ids} == {JobState.QUEUED}


def test_what_a_bad_message_held_is_kept_within_bounds(worker_process: TestStation) -> None:
    sent: Callable[..., Any] = worker_process.bare_messages.accept
    sent("bad", "text-to-image", (), {f"p{i}": "y" * 1000 for i in range(1000)})
    assert len(str(worker_process.job("bad").request)) < 20_000


def test_a_bug_in_a_check_of_the_kind_is_a_failed_job(
    worker_process: TestStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*given: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setitem(kind_named("text-to-image").__dict__, "checks", (check,))
    worker_process.bare_messages.accept("bug", "text-to-image", (), {"prompt": "x"})
    error = worker_process.job("bug").error
    assert error is not None
    assert (error.code, error.fault) == ("plugin_failed", "operator")
    assert "RuntimeError" in error.message
    assert "boom" not in error.message
