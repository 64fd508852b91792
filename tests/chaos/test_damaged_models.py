"""F12: models whose files are not what they should be."""

from pathlib import Path

import pytest
from brushwork_schemas.states import JobState
from PIL import Image

from tests.chaos.scene import Scene
from tests.chaos.stack import KIND, Stack
from tests.tiny_models import save_classifier

CLASSIFICATION = "image-classification"
_ENTRY = """
[models.{name}]
family = "torchvision-classifier"
source = {{ folder = "{folder}" }}
"""
DAMAGED = {
    "truncated": "model_unavailable",
    "empty": "model_unavailable",
    "missing": "model_file_missing",
}


@pytest.mark.fault("F12", "weights truncated, empty or missing")
def test_one_damaged_model_leaves_the_others_alone(scene: Scene, tmp_path: Path) -> None:
    catalogue = _save_models(tmp_path)
    with scene.stack(
        num_workers=2, kinds=[KIND, CLASSIFICATION], catalogue=catalogue, models=["good", *DAMAGED]
    ) as stack:
        before = stack.workers
        bad = {model: _submit(stack, model, JobState.FAILED) for model in DAMAGED}
        for _ in range(4):
            _submit(stack, "good", JobState.SUCCEEDED)
        stack.submit(["steps=2"] * 8)
        stack.settle()
        assert stack.workers == before, "a worker has ended over a model"
        assert {name for seen in stack.client.workers() for name in seen.models} == {"scripted", "good"}
        for model, job_id in bad.items():
            error = stack.job(job_id).error
            assert error is not None
            assert error.code == DAMAGED[model]


def _submit(stack: Stack, model: str, ends: JobState) -> str:
    job = stack.client.submit(CLASSIFICATION, image=Image.new("RGB", (32, 32), "red"), model=model)
    stack.record.note([job], ends, 0.0)
    return job.id


def _save_models(folder: Path) -> str:
    """One that is whole, and three of which something is not; their entries of the catalogue."""
    for name in ("good", *DAMAGED):
        save_classifier(folder / name)
    weights = {name: folder / name / "model.safetensors" for name in DAMAGED}
    weights["truncated"].write_bytes(weights["truncated"].read_bytes()[:-1000])
    weights["empty"].write_bytes(b"")
    weights["missing"].unlink()
    return "".join(_ENTRY.format(name=name, folder=folder / name) for name in ("good", *DAMAGED))
