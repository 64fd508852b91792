"""Pictures as prompt, learned words and weights through the queue, and from every entry point."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from brushwork_schemas.errors import InvalidImage, InvalidRequest, JobNotFound, UnknownModel
from celery import Celery

from tests.checkpoints.painters import Direct, picture
from tests.commands import run_command
from tests.drawn import png
from tests.equality import assert_equals
from tests.gateways import gateway
from tests.servers import wait_until
from tests.serving import WAIT_S, Serving

FAMILY = "stable-diffusion"
LOOK, STYLE = ("look", 0.8), ("style", 0.5)
# For each job its adapters.
CHOICES: list[list[tuple[str, float]]] = [
    [],
    [LOOK],
    [STYLE],
    [LOOK, STYLE],
    [],
    [("look", 0.3)],
    [LOOK],
    [STYLE],
]


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "painters"


def request(index: int, **more: Any) -> dict[str, Any]:
    adapters = [{"name": name, "weight": weight, "images": [picture()]} for name, weight in CHOICES[index]]
    return {"model": FAMILY, "prompt": "a red circle", "seed": index // 2, "ip_adapters": adapters, **more}


def test_equals_diffusers(served: Serving, folder: Path) -> None:
    sent = [{"kind": "text-to-image", **request(index)} for index in range(len(CHOICES))]
    before = served.one("text-to-image", **request(0))
    jobs = [served.one(**sent[1]), *served.all(sent)]
    after = served.one("text-to-image", **request(0))
    assert before.result.images[0].sha256 == after.result.images[0].sha256
    upstream: dict[tuple[str, ...], Direct] = {}
    for job, index in zip(jobs, [1, *range(len(sent))], strict=True):
        names = tuple(name for name, _ in CHOICES[index])
        if names not in upstream:
            upstream[names] = Direct(folder / FAMILY, "StableDiffusionPipeline")
            if names:
                files = [str(folder / name) for name in names]
                upstream[names].pipeline.load_ip_adapter(
                    files, subfolder="", weight_name=["adapter.safetensors"] * len(files)
                )
        own = {}
        if names:
            upstream[names].pipeline.set_ip_adapter_scale([weight for _, weight in CHOICES[index]])
            own = {"ip_adapter_image": [[picture()]] * len(names)}
        asked = {"prompt": "a red circle", "seed": index // 2}
        assert_equals(
            job.result.images[0].pil(), upstream[names].pictures(asked, width=32, height=32, **own)[0]
        )


def test_every_entry_point_makes_the_same_picture(
    served: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A prompt with all of it: two pictures for an adapter, a learned word, and weights."""
    files = [png(picture()), png(picture().rotate(90))]
    asked = {
        "model": FAMILY,
        "prompt": "a (<toy>:1.3) BREAK [circle]",
        "seed": 3,
        "prompt_weighting": True,
        "deterministic": True,
    }

    def with_pictures(images: list[Any]) -> dict[str, Any]:
        return {**asked, "ip_adapters": [{"name": "look", "weight": 0.5, "images": images}]}

    urls = [f"data:image/png;base64,{base64.b64encode(file).decode()}" for file in files]
    jobs = [served.client.submit("text-to-image", **with_pictures(list(files))).id]
    with gateway(served.settings) as http:
        given = {**with_pictures(urls), "kind": "text-to-image"}
        jobs.append(http.post("/v1/jobs", json=given).raise_for_status().json()["id"])
        left_out = {**asked, "ip_adapters": [{"name": "look", "weight": 0.5}], "kind": "text-to-image"}
        for names in (["ip_adapters.0.images"] * 2, ["ip_adapters.0.images.0", "ip_adapters.0.images.1"]):
            parts = [(name, ("a.png", file, "image/png")) for name, file in zip(names, files, strict=True)]
            answer = http.post("/v1/jobs", data={"request": json.dumps(left_out)}, files=parts)
            jobs.append(answer.raise_for_status().json()["id"])
        form = {
            **{name: str(value) for name, value in asked.items() if not isinstance(value, bool)},
            "kind": "text-to-image",
            "ip_adapters": "look:0.5",
            "prompt_weighting": "true",
            "deterministic": "on",
        }
        parts = [("ip_adapters.pictures", ("a.png", file, "image/png")) for file in files]
        answer = http.post("/jobs", data=form, files=parts, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        jobs.append(answer.headers["location"].rpartition("/")[2])
    with Celery(broker=served.settings.redis_url.get_secret_value()) as stranger:
        sent = stranger.send_task(
            "brushwork.text-to-image", kwargs=with_pictures(urls), queue="text-to-image"
        )
        jobs.append(str(sent.id))
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    words = [f"{name}={value}" for name, value in asked.items()]
    words.append(f"ip_adapters=look:0.5 = {paths[0]}, {paths[1]}")
    jobs.append(_submitted(served, words, monkeypatch, capsys))
    # The worker has yet to make a job of the message.
    wait_until(lambda: _is_there(served, jobs[-2]), what="the job of the message", bound_s=WAIT_S)
    made = [served.client.wait(job, timeout_s=WAIT_S).raise_for_state() for job in jobs]
    assert len({job.result.images[0].pixels_sha256 for job in made}) == 1
    plain = served.one("text-to-image", **{**asked, "prompt": "a toy circle", "prompt_weighting": False})
    assert plain.result.images[0].pixels_sha256 != made[0].result.images[0].pixels_sha256
    again = served.client.retry(made[0])
    repeated = served.client.wait(again, timeout_s=WAIT_S).raise_for_state()
    assert repeated.result.images[0].pixels_sha256 == made[0].result.images[0].pixels_sha256


def _is_there(served: Serving, job_id: str) -> bool:
    try:
        served.client.get(job_id)
    except JobNotFound:
        return False
    return True


def _submitted(
    served: Serving, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    settings = served.settings
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", settings.redis_url.get_secret_value())
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", settings.artifacts_url)
    monkeypatch.setenv("BRUSHWORK_CATALOGUE", str(settings.catalogue))
    answer = run_command(capsys, "submit", "text-to-image", *words, "--json")
    assert answer.status == 0, answer.err
    return str(json.loads(answer.out)["id"])


def test_what_does_not_fit_is_refused_at_the_door(served: Serving) -> None:
    asked = {"model": FAMILY, "prompt": "a star"}
    with pytest.raises(UnknownModel, match="Did you mean 'look'") as unknown:
        served.client.submit("text-to-image", **asked, ip_adapters=[{"name": "lok", "images": [picture()]}])
    assert unknown.value.field == "ip_adapters.0.name"
    twice = [{"name": "look", "images": [picture()]}] * 2
    with pytest.raises(InvalidRequest, match="is listed twice"):
        served.client.submit("text-to-image", **asked, ip_adapters=twice)
    with pytest.raises(InvalidRequest) as error:
        served.client.submit("text-to-image", **asked, ip_adapters=[{"name": "look", "images": []}])
    assert error.value.field == "ip_adapters.0.images"
    with pytest.raises(InvalidImage) as unreadable:
        served.client.submit(
            "text-to-image", **asked, ip_adapters=[{"name": "look", "images": [b"no picture"]}]
        )
    assert unreadable.value.field == "ip_adapters.0.images.0"
    with pytest.raises(InvalidRequest, match="does not accept") as error:
        served.client.submit("text-to-image", **{**asked, "model": "flux"}, ip_adapters=twice[:1])
    assert error.value.field == "ip_adapters"
