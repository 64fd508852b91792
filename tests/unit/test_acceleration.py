"""The parameter `acceleration` on its way to a worker: what it costs, who refuses it, what is stored."""

from typing import Any

import pytest
from brushwork.inputs.intake import repeated
from brushwork.testing import FakeClient
from brushwork_core.ledger.records import NewJob
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.options import JobOptions
from brushwork_schemas.states import JobState

from tests.every_family import MODELS

SHA256 = "0" * 64
GIVEN = {"prompt": "x", "image": SHA256, "mask_image": SHA256, "images": [SHA256]}
TAKES_IT = [(model, kind) for model in MODELS for kind in model.kinds if "acceleration" in model.accepts]
PAINTER = next(model for model in MODELS if model.family == "stable-diffusion")
OF_PICTURES = ("text-to-image", "image-to-image", "image-editing", "inpainting", "image-upscaling")


def admitted(model: Model, kind: str, **parameters: Any) -> Any:
    fields = all_kinds()[kind].request_type.model_fields
    given = {name: GIVEN[name] for name in GIVEN if name in fields and fields[name].is_required()}
    return admit(kind, {**given, **parameters}, Catalogue({model.name: model}))


def test_every_diffusion_model_takes_it_for_every_kind() -> None:
    assert {kind for _, kind in TAKES_IT} == set(OF_PICTURES)
    others = [model for model in MODELS if "acceleration" not in model.accepts]
    assert {model.name for model in others if set(model.kinds) & set(OF_PICTURES)} == {"swin2sr"}


@pytest.mark.parametrize(("model", "kind"), TAKES_IT, ids=lambda each: getattr(each, "name", each))
def test_cost_and_label_count_the_calls_that_are_computed(model: Model, kind: str) -> None:
    full = admitted(model, kind, num_inference_steps=23)
    fast = admitted(model, kind, num_inference_steps=23, acceleration=1.0)
    # 20 lie between the first two and the last: 13 of them are skipped.
    assert fast.request.cost == pytest.approx(full.request.cost * 10 / 23)
    assert ("acceleration 1" in fast.label) == (kind != "image-upscaling")
    assert "acceleration" not in full.label


def test_a_family_that_cannot_do_it_refuses_it_by_name() -> None:
    swin2sr = next(model for model in MODELS if model.name == "swin2sr")
    assert admitted(swin2sr, "image-upscaling", acceleration=0.0)
    with pytest.raises(InvalidRequest, match="acceleration: swin2sr does not accept this") as caught:
        admitted(swin2sr, "image-upscaling", acceleration=0.5)
    assert caught.value.field == "acceleration"


def test_a_model_may_be_said_to_refuse_it() -> None:
    model = PAINTER.model_copy(update={"accepts": ("negative_prompt",)})
    with pytest.raises(InvalidRequest, match="does not accept this parameter"):
        admitted(model, model.kinds[0], acceleration=0.5)


@pytest.mark.parametrize("kind", ["image-to-text", "image-classification", "image-segmentation"])
def test_other_kinds_do_not_have_it(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="has no parameter 'acceleration'"):
        admit(kind, {"image": SHA256, "acceleration": 0.5}, Catalogue.load())


def stored(catalogue: Catalogue, **parameters: Any) -> dict[str, Any]:
    """What the ledger keeps of a request."""
    asked = admit("text-to-image", {"prompt": "x", **parameters}, catalogue)
    return dict(NewJob.of("a", asked, JobOptions()).request)


def test_workers_of_older_versions_can_read_requests_without_it() -> None:
    catalogue = Catalogue.load()
    assert "acceleration" not in stored(catalogue)
    assert "acceleration" not in stored(catalogue, acceleration=0)
    assert stored(catalogue, acceleration=0.5)["acceleration"] == 0.5


def test_a_repeated_job_keeps_it_whatever_the_model_says() -> None:
    eager = PAINTER.model_copy(update={"defaults": {"acceleration": 0.5}})
    catalogue = Catalogue({eager.name: eager})
    assert stored(catalogue)["acceleration"] == 0.5
    for asked, kept in ((0.0, None), (1.0, 1.0)):
        request = TextToImageRequest.model_validate(stored(catalogue, acceleration=asked))
        old = Job.model_construct(kind="text-to-image", state=JobState.SUCCEEDED, request=request)
        again = repeated(old, {})
        again.pop("kind")
        options = {name: again.pop(name) for name in ("priority", "tenant", "group")}
        assert set(options) == {"priority", "tenant", "group"}
        assert stored(catalogue, **again).get("acceleration") == kept


def test_fakes_take_it() -> None:
    client = FakeClient(auto=True)
    job = client.wait(client.submit("text-to-image", prompt="x", acceleration=0.5))
    assert job.state is JobState.SUCCEEDED
    assert job.request.acceleration == 0.5
