"""Trained models by HTTP: each tenant sees and asks for its own; a running training shows its curve."""

import base64

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.image_classification_training import Epoch
from starlette.testclient import TestClient

from tests.archives import png
from tests.gateways import bearer, key
from tests.jobs import begun, new_job, picture

TRAINS, SERVES = "image-classification-training", "image-classification"

PICTURE = f"data:image/png;base64,{base64.b64encode(png()).decode()}"


@pytest.fixture
def acme(settings: Settings, ledger: Ledger) -> dict[str, str]:
    """Its key; one of its trainings has ended well."""
    ledger.submit([new_job("job-1", kind=TRAINS, tenant="acme")])
    files = {"config": picture("1").model_dump(), "weights": picture("2").model_dump()}
    assert ledger.complete("job-1", begun(ledger, "job-1"), files) is WriteOutcome.APPLIED
    return bearer(key(settings, "acme"))


@pytest.fixture
def rival(settings: Settings) -> dict[str, str]:
    return bearer(key(settings, "rival"))


def models(http: TestClient, headers: dict[str, str]) -> list[str]:
    return [each["name"] for each in http.get(f"/v1/models?kind={SERVES}", headers=headers).json()["models"]]


def test_a_tenant_sees_its_own_behind_the_catalogues(
    http: TestClient, acme: dict[str, str], rival: dict[str, str]
) -> None:
    mine, theirs = models(http, acme), models(http, rival)
    assert mine == [*theirs, "trained:job-1"]
    assert theirs[0] == "pocket-classifier"


def test_a_tenant_asks_for_its_own_and_for_nobody_elses(
    http: TestClient, acme: dict[str, str], rival: dict[str, str]
) -> None:
    asked = {"kind": SERVES, "model": "trained:job-1", "image": PICTURE}
    assert http.post("/v1/jobs", json=asked, headers=acme).status_code == 201
    refused = http.post("/v1/jobs", json=asked, headers=rival)
    unknown = http.post("/v1/jobs", json={**asked, "model": "trained:job-2"}, headers=acme)
    assert refused.status_code == unknown.status_code == 422
    # Nobody finds out which jobs others have.
    one, other = refused.json(), unknown.json()
    assert one["code"] == other["code"] == "unknown_model"
    assert one["detail"].replace("job-1", "") == other["detail"].replace("job-2", "")


def test_a_running_training_shows_its_curve(
    http: TestClient, settings: Settings, ledger: Ledger, database: Database, acme: dict[str, str]
) -> None:
    ledger.submit([new_job("job-9", kind=TRAINS, tenant="acme")])
    curve = [Epoch(epoch=1, train_loss=0.5, train_accuracy=0.75, seconds=2.0).model_dump(mode="json")]
    JobCheckpoints(database).note("job-9", begun(ledger, "job-9"), curve, picture("3"))
    shown = http.get("/v1/jobs/job-9", headers=acme).json()
    assert shown["state"] == "running"
    assert shown["curve"] == curve
