"""A request is admitted once on its way through the gateway, with a key as without one."""

from pathlib import Path
from typing import Any

import pytest
from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest

from tests.gateways import bearer, gateway, settings_at

JOB = {"kind": "text-to-image", "prompt": "x", "width": 64, "height": 64, "num_inference_steps": 10}
# As the caller gave it, complete with the defaults of the model, and as it is read back from the database.
PER_JOB = 3


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_at(sqlite_url, tmp_path, max_queued=1000, max_job_cost=100.0)


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every validation of a request of this kind."""
    seen: list[Any] = []
    validate = TextToImageRequest.model_validate

    def counted(given: Any, **options: Any) -> TextToImageRequest:
        seen.append(given)
        return validate(given, **options)

    monkeypatch.setattr(TextToImageRequest, "model_validate", counted)
    return seen


def test_limits_validate_nothing_again(settings: Settings, validations: list[Any]) -> None:
    database = Database(settings.database_url.get_secret_value())
    bounds = {"daily_budget": 100.0, "max_open_jobs": 100, "requests_per_minute": 1000}
    with gateway(settings) as http:
        assert http.post("/v1/jobs", json=JOB).status_code == 201
        assert len(validations) <= PER_JOB
        without_key = len(validations)
        key = bearer(ApiKeys(database).create("bounded", tenant="a", **bounds))  # type: ignore[arg-type]
        validations.clear()
        answer = http.post("/v1/jobs", json=JOB, headers={**key, "Idempotency-Key": "once"})
        assert (answer.status_code, len(validations)) == (201, without_key)
        validations.clear()
        batch = http.post("/v1/jobs:batch", json={"requests": [JOB] * 4}, headers=key)
        assert (batch.status_code, len(validations)) == (201, 4 * without_key)
    database.close()
