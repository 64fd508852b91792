"""What a validated request counts for limits: its cost is known without its files."""

from typing import Any

import pytest
from brushwork.gateway.admission.job_cost import JobCost
from brushwork.inputs.intake import JobDraft
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.explanations.calls import MOST_CALLS, Grid
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.file_places import NO_FILE_YET
from brushwork_schemas.options import JobOptions

CATALOGUE = Catalogue.load()
WORDS = {"prompt": "x", "num_inference_steps": 10}
LOOK = {"image": NO_FILE_YET}
TRAINING = {"dataset": NO_FILE_YET, "num_train_epochs": 2, "image_size": 100}


@pytest.mark.parametrize(
    ("kind", "parameters", "cost"),
    [
        ("text-to-image", WORDS, 64 * 64 * 10 / 1e6),
        ("text-to-image", {**WORDS, "width": 128, "num_images_per_prompt": 2}, 2 * 128 * 64 * 10 / 1e6),
        ("image-to-image", {**WORDS, **LOOK}, 64 * 64 * 10 / 1e6),
        ("image-to-image", {**WORDS, **LOOK, "width": 128, "height": 128}, 128 * 128 * 10 / 1e6),
        ("image-to-image", {**WORDS, **LOOK, "width": 128}, 128 * 64 * 10 / 1e6),
        ("image-to-text", LOOK, 1.0),
        ("image-classification-training", TRAINING, 20.0),
        ("image-classification", LOOK, 1.0),
        # Of each extra call, too. The default grid depends on the proportions only: that of a square picture.
        ("image-classification", {**LOOK, "explain": True}, 1.0 + Grid.of(64, 64, Explain()).num_windows + 1),
        ("image-classification", {**LOOK, "explain": "grad-cam"}, 1.0 + 1),
        ("image-classification", {**LOOK, "explain": {"stride": 1, "patch_size": 1}}, 1.0 + MOST_CALLS),
        ("text-to-image", {**WORDS, "explain": {"words": ["x"]}}, 2 * 64 * 64 * 10 / 1e6),
    ],
)
def test_the_cost_of_a_request(kind: str, parameters: dict[str, Any], cost: float) -> None:
    options = JobOptions(tenant="t", idempotency_key="once")
    job = JobCost.of(JobDraft(admit(kind, parameters, CATALOGUE), options, parameters, {}))
    assert (job.kind, job.tenant, job.idempotency_key) == (kind, "t", "once")
    assert job.cost == pytest.approx(cost)
