"""Another scheduler in place of the model's own: told what the model is, or refused."""

from typing import Any

import pytest
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.families.registry import all_families
from brushwork_workers.families.diffusion.schedulers import check_begins_with_picture, new_scheduler
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
)

FLOW = FlowMatchEulerDiscreteScheduler(shift=3.0)
NOISE = DDIMScheduler(beta_end=0.02, prediction_type="v_prediction")
# As Sana's checkpoints have it.
SOLVER = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def test_without_a_name_it_is_the_models_own_and_nobody_elses() -> None:
    made = new_scheduler(FLOW)
    assert made is not FLOW
    assert (type(made), made.config) == (type(FLOW), FLOW.config)


def test_what_the_model_was_trained_for_is_kept() -> None:
    made = new_scheduler(NOISE, "EulerDiscreteScheduler")
    assert (made.config.beta_end, made.config.prediction_type) == (0.02, "v_prediction")


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
def test_one_that_can_match_flows_is_told_so(name: str) -> None:
    config = new_scheduler(FLOW, name).config
    told = (config.prediction_type, config.use_flow_sigmas, config.flow_shift)
    assert told == ("flow_prediction", True, 3.0)


def test_the_shift_is_kept_the_other_way_round_too() -> None:
    assert new_scheduler(SOLVER, "FlowMatchEulerDiscreteScheduler").config.shift == 3.0


@pytest.mark.parametrize(
    ("own", "name", "words"),
    [
        (FLOW, "DDIMScheduler", "DDIMScheduler is not for models trained with flow matching"),
        (SOLVER, "EulerDiscreteScheduler", "not for models trained with flow matching"),
        (NOISE, "FlowMatchEulerDiscreteScheduler", "not for models trained with noise prediction"),
        (NOISE, "NoSuchScheduler", "diffusers has no NoSuchScheduler"),
    ],
)
def test_one_that_does_not_suit_is_refused(own: Any, name: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        new_scheduler(own, name)
    assert caught.value.field == "scheduler"


def test_to_begin_with_a_picture_needs_the_noise_of_flow_matching() -> None:
    check_begins_with_picture(NOISE, new_scheduler(NOISE, "EulerDiscreteScheduler"))
    check_begins_with_picture(FLOW, new_scheduler(FLOW))
    with pytest.raises(InvalidRequest, match="cannot start from a picture"):
        check_begins_with_picture(FLOW, new_scheduler(FLOW, "UniPCMultistepScheduler"))


def test_families_offer_schedulers_that_their_own_allows() -> None:
    owns = {"stable-diffusion-3": FLOW, "flux": FLOW, "qwen-image": FLOW, "sana": SOLVER}
    offering = [family for family in all_families().values() if family.schedulers]
    assert len(offering) == 7
    for family in offering:
        for name in family.schedulers:
            assert type(new_scheduler(owns.get(family.name, NOISE), name)).__name__ == name
