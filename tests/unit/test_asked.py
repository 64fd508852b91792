"""What a request asks of the queue: its cost is known without its files."""

from typing import Any

import pytest
from brushwork.gateway.admission.job_cost import JobCost
from brushwork_schemas.catalogue import Catalogue

from tests.clients import png

CATALOGUE = Catalogue.load()
WORDS = {"prompt": "x", "num_inference_steps": 10}


@pytest.mark.parametrize(
    ("kind", "parameters", "cost"),
    [
        ("text-to-image", WORDS, 64 * 64 * 10 / 1e6),
        ("text-to-image", {**WORDS, "width": 128, "num_images_per_prompt": 2}, 2 * 128 * 64 * 10 / 1e6),
        ("image-to-image", {**WORDS, "image": png()}, 64 * 64 * 10 / 1e6),
        ("image-to-image", {**WORDS, "image": png(), "width": 128, "height": 128}, 128 * 128 * 10 / 1e6),
        ("image-to-text", {"image": "f" * 64}, 1.0),
        ("image-classification-training", {"dataset": "any", "num_train_epochs": 2, "image_size": 100}, 20.0),
    ],
)
def test_the_cost_of_a_request(kind: str, parameters: dict[str, Any], cost: float) -> None:
    asked = JobCost.by({"kind": kind, "tenant": "t", **parameters}, CATALOGUE)
    assert asked is not None
    assert (asked.kind, asked.tenant) == (kind, "t")
    assert asked.cost == pytest.approx(cost)


@pytest.mark.parametrize("request_", [None, [], {}, {"kind": "none"}, {"kind": "text-to-image", "prompt": 5}])
def test_what_is_wrong_is_left_for_the_submit_to_refuse(request_: Any) -> None:
    assert JobCost.by(request_, CATALOGUE) is None
