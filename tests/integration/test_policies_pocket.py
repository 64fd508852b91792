"""A classifier's threshold and a word list, through `brushwork up` with the pocket models."""

import io
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import pytest
from brushwork import Client
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import PolicyRefused
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState
from celery import Celery
from PIL import Image

from tests.integration.embedded import Up
from tests.servers import wait_until

WAIT_S = 120.0
STAR = "a large red star in the center on a white background"
CIRCLE = "a large red circle in the center on a white background"


def done(stack: Settings, action: str, prompt: str = STAR) -> Job:
    with Client(settings=stack) as client:
        job = client.submit(
            "text-to-image", model="pocket-turbo", prompt=prompt, seed=3, tenant=f"stars-{action}"
        )
        return client.wait(job.id, timeout_s=WAIT_S)


def warnings(job: Job) -> list[str]:
    return [each.code for each in job.result.warnings if each.code.startswith("policy")]


def test_a_star_is_refused_by_the_worker(stack: Settings) -> None:
    job = done(stack, "refuse")
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "policy_refused")
    assert job.attempt == 1


def test_a_star_is_flagged(stack: Settings) -> None:
    assert warnings(done(stack, "flag")) == ["policy_flagged"]


def test_a_star_is_blurred(stack: Settings) -> None:
    job = done(stack, "blur")
    assert warnings(job) == ["policy_blurred"]
    shown = np.asarray(job.result.images[0].pil(), float)
    sharp = np.asarray(done(stack, "flag").result.images[0].pil(), float)
    # The steepest step from a pixel to its neighbour is that of a shape's edge.
    assert steepest(shown) < steepest(sharp) / 3
    assert job.result.images[0].pixels_sha256


def steepest(pixels: np.ndarray) -> float:
    return float(np.abs(np.diff(pixels, axis=1)).max())


def test_a_star_is_held_and_a_circle_is_not(stack: Settings) -> None:
    held = done(stack, "hold")
    assert (held.state, held.result) == (JobState.SUCCEEDED, None)
    assert held.review is not None
    assert held.review.reason == "It shows a star."
    assert done(stack, "hold", CIRCLE).result is not None


@pytest.fixture
def address(running_up: Up) -> str:
    return running_up.addresses()["BRUSHWORK_GATEWAY_URL"]


def test_the_review_over_http_and_the_metrics(stack: Settings, address: str) -> None:
    held = done(stack, "hold")
    with httpx.Client(base_url=address, timeout=20) as http:
        review = http.get(f"/v1/reviews/{held.id}").json()
        picture = http.get(review["links"]["file:0"]).content
        assert Image.open(io.BytesIO(picture)).size
        sha256 = review["result"]["images"][0]["sha256"]
        assert http.get(f"/v1/files/{sha256}").status_code == 404
        released = http.post(review["links"]["release"]).json()
        assert released["result"]["images"][0]["sha256"] == sha256
        assert http.get(f"/v1/files/{sha256}").content == picture
        wait_until(lambda: counted(http, "hold"), what="the report of the worker")


def counted(http: httpx.Client, action: str) -> bool:
    lines = http.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("brushwork_policy_decisions_total{")]
    return any(f'policy="{action}"' in line and f'action="{action}"' in line for line in found)


def bare(stack: Settings, **kwargs: Any) -> str:
    with Celery(broker=stack.redis_url.get_secret_value()) as stranger:
        sent = stranger.send_task("brushwork.text-to-image", kwargs=kwargs, queue="text-to-image")
        return str(sent.id)


@pytest.mark.parametrize(
    ("kwargs", "code"),
    [
        ({"prompt": "a PURPLE square", "tenant": "stars-words"}, "policy_refused"),
        ({"prompt": STAR, "tenant": "stars-refuse", "seed": 3}, "policy_refused"),
        ({"prompt": "a purple square", "tenant": "stars-flag"}, None),
    ],
)
def test_bare_messages(stack: Settings, kwargs: Mapping[str, Any], code: str | None) -> None:
    job_id = bare(stack, model="pocket-turbo", **kwargs)
    with Client(settings=stack) as client:
        wait_until(lambda: is_known(client, job_id), bound_s=WAIT_S, what="the job")
        job = client.wait(job_id, timeout_s=WAIT_S)
    assert (job.error and job.error.code) == code


def is_known(client: Client, job_id: str) -> bool:
    return any(job.id == job_id for job in client.list(limit=50))


def test_the_gateway_refuses_words_before_there_is_a_job(address: str) -> None:
    with Client(address) as client, pytest.raises(PolicyRefused):
        client.submit("text-to-image", prompt="a purple square", tenant="stars-words")
