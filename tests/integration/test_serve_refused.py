"""Models that may not be loaded: each refused with its own error, while the worker serves another."""

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.files.model_folders import Lock, LockedFile, write_lock
from brushwork_core.files.sha256 import sha256_of_file
from brushwork_schemas.job import Job
from PIL import Image

from tests.checkpoints.classifiers import save_vit
from tests.drawn import drawn
from tests.servers import RedisServer, wait_until
from tests.serving import WAIT_S, Serving, serving
from tests.tiny_models import save_stable_diffusion

KIND = "image-classification"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOT_PULLED = {
    "absent": f'source = {{ repository = "nobody/nothing", revision = "{COMMIT}" }}',
    "later": f'source = {{ repository = "someone/later", revision = "{COMMIT}" }}',
}
WEIGHTS = "model.safetensors"


class Trap:
    """What runs when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self._trace,)


def shards(folder: Path) -> None:
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / WEIGHTS).rename(folder / names["a"])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def pickles(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(folder.parent / "trap")))


def pickles_in_disguise(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(pickle.dumps(Trap(folder.parent / "trap"), protocol=4))


def own_code(folder: Path) -> None:
    configure(folder, auto_map={"AutoModelForImageClassification": "mine.Net"}, model_type="mine")
    (folder / "mine.py").write_text(f"import pathlib; pathlib.Path({str(folder.parent / 'trap')!r}).touch()")


def own_component(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["mine", "Net"]
    (folder / "model_index.json").write_text(json.dumps(index))
    own_code(folder / "unet")
    (folder / "unet" / "mine.py").rename(folder / "mine.py")


def configure(folder: Path, **more: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | more))


def nothing(folder: Path) -> None:
    """It is the catalogue that is wrong."""


# Code of the error, what it names, and what is done to a folder.
DAMAGED: Mapping[str, tuple[str, tuple[str, ...], Callable[[Path], None]]] = {
    "pickled": ("pickled_weights", ("pytorch_model.bin", ".safetensors"), pickles),
    "disguised": ("pickled_weights", (WEIGHTS,), pickles_in_disguise),
    "hash": ("hash_mismatch", (WEIGHTS, "0" * 64), nothing),
    "missing": ("model_file_missing", (WEIGHTS,), lambda folder: (folder / WEIGHTS).unlink()),
    "shard": ("model_file_missing", ("model-00002-of-00002.safetensors",), shards),
    "class": (
        "unknown_model_class",
        ("config.json", "MineForImageClassification"),
        lambda folder: configure(folder, architectures=["MineForImageClassification"]),
    ),
    "family": ("unknown_model_class", ("CLIPModel", 'family = "clip"'), lambda f: configure(
        f, architectures=["CLIPModel"]
    )),
    "code": ("remote_code", ("config.json", "auto_map", "never run"), own_code),
    "cut": (
        "model_unavailable",
        (WEIGHTS, "cut off"),
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-9]),
    ),
    "absent": ("model_not_here", ("nobody/nothing", "Run: brushwork models pull absent"), nothing),
}  # fmt: skip


def entry(folder: Path, name: str) -> str:
    family = "stable-diffusion" if name == "pipeline" else "image-classifier"
    pinned = f", files = {{ '{WEIGHTS}' = '{'0' * 64}' }}" if name == "hash" else ""
    source = NOT_PULLED.get(name) or f"source = {{ folder = '{folder / name}'{pinned} }}"
    return f'[models.{name}]\nfamily = "{family}"\n{source}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refused")
    save_vit(folder / "good")
    for name, (_, _, damage) in DAMAGED.items():
        damage(save_vit(folder / name))
    own_component(save_stable_diffusion(folder / "pipeline"))
    return folder


@pytest.fixture(scope="module")
def served(folder: Path, redis_server: RedisServer) -> Iterator[Serving]:
    names = ["good", *DAMAGED, "pipeline", "later"]
    catalogue = folder / "catalogue.toml"
    catalogue.write_text("".join(entry(folder, name) for name in names))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BRUSHWORK_MODEL_FILES", str(folder / "models"))
        with serving(
            catalogue,
            redis_server,
            folder,
            kinds=f"{KIND},text-to-image",
            models=",".join(names),
            retry_s=0.05,
        ) as running:
            yield running


def between_good_ones(served: Serving, request: Mapping[str, Any]) -> Job:
    """How the job ends that is among others for a model that is whole; those have succeeded."""
    good = {"kind": KIND, "model": "good", "image": picture()}
    first, bad, last = served.client.submit_many([good, request, good])
    for job in (first, last):
        served.client.wait(job.id, timeout_s=WAIT_S).raise_for_state()
    return served.client.wait(bad.id, timeout_s=WAIT_S)


def picture() -> Image.Image:
    return drawn(0)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_model_that_may_not_be_loaded_fails_its_own_jobs_alone(name: str, served: Serving) -> None:
    code, words, _ = DAMAGED[name]
    job = between_good_ones(served, {"kind": KIND, "model": name, "image": picture()})
    assert job.error is not None
    assert job.error.code == code
    said = f"{job.error.message} {job.error.hint}"
    assert said.startswith(f"Model {name}: ")
    assert all(word in said for word in words), said


def test_a_pipeline_with_code_of_its_own_is_refused(served: Serving, folder: Path) -> None:
    request = {"kind": "text-to-image", "model": "pipeline", "prompt": "a red circle"}
    job = between_good_ones(served, request)
    assert job.error is not None
    assert job.error.code == "remote_code"
    assert "model_index.json" in job.error.message


def test_nothing_that_came_with_a_model_has_run(served: Serving, folder: Path) -> None:
    for name in ("pickled", "disguised", "code"):
        between_good_ones(served, {"kind": KIND, "model": name, "image": picture()})
    assert not (folder / "trap").exists()
    pickle.loads((folder / "pickled" / "pytorch_model.bin").read_bytes())  # noqa: S301
    assert (folder / "trap").exists(), "the trap is none"
    (folder / "trap").unlink()


def test_the_worker_says_what_it_serves_and_logs_what_it_refused(served: Serving) -> None:
    (worker,) = served.client.workers()
    assert "good" in worker.models
    assert not set(DAMAGED) & set(worker.models)
    log = served.worker.log.read_text()
    for name in DAMAGED:
        # What nobody has pulled is no error.
        assert (f"Model {name} cannot be loaded" in log) == (name != "absent")


def test_what_is_pulled_while_a_worker_runs_is_served_by_it(served: Serving, folder: Path) -> None:
    request = {"kind": KIND, "model": "later", "image": picture()}
    before = between_good_ones(served, request)
    assert before.error is not None
    assert before.error.code == "model_not_here"
    place = save_vit(folder / "models" / "someone--later" / COMMIT)
    files = {
        file.name: LockedFile(size_bytes=file.stat().st_size, sha256=sha256_of_file(file))
        for file in place.iterdir()
    }
    write_lock(place, Lock(origin="someone/later", pulled_at=datetime.now(UTC), files=files))
    assert between_good_ones(served, request).error is None
    wait_until(
        lambda: "later" in served.client.workers()[0].models, bound_s=WAIT_S, what="the worker's next beat"
    )
