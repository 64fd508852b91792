"""The classifiers that policies need, in a worker that serves other kinds."""

import logging

import pytest
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import PolicySet
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidRequest
from brushwork_workers.execution.policies.worker_policies import WorkerPolicies
from brushwork_workers.process.model_execution import chosen_models

from tests.policy_files import stars

CATALOGUE = Catalogue.load(None)


def names(chosen: str | None, *needed: str) -> set[str]:
    return {model.name for model in chosen_models(CATALOGUE, chosen, ["text-to-image"], needed)}


def test_a_classifier_is_loaded_whatever_the_worker_serves() -> None:
    assert names("pocket-turbo") == {"pocket-turbo"}
    assert names("pocket-turbo", "pocket-classifier") == {"pocket-turbo", "pocket-classifier"}


@pytest.mark.parametrize("name", ["none-such", "pocket-turbo"])
def test_a_worker_without_the_classifier_does_not_start(name: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid policies: .*" + name) as raised:
        names(None, name)
    assert raised.value.field == "policies"


def test_a_worker_says_which_classifier_it_cannot_load(
    tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    policies = WorkerPolicies(PolicySet.load(stars(tmp_path)), DecisionLog())  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        policies.report_missing(["pocket-turbo", "pocket-classifier"])
        assert caplog.records == []
        policies.report_missing(["pocket-turbo"])
    assert "pocket-classifier of a policy is not on this machine" in caplog.text
