"""A scheduler for each job: a copy of the model's own, or another class with an equivalent configuration."""

import copy
import inspect
from typing import Any

import diffusers
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said


def new_scheduler(own: Any, name: str | None = None) -> Any:
    """Return a new scheduler.

    Args:
        own: The scheduler of the model, which was never run.
        name: The name of a scheduler class of diffusers; by default that of `own`.

    Raises:
        InvalidRequest: diffusers has no such class, or it does not fit the training of the model.
    """
    if name is None:
        # `own` was never run, so a copy is like new. It is five times faster than `from_config`.
        return copy.deepcopy(own)
    scheduler_type = getattr(diffusers, name, None)
    if scheduler_type is None:
        raise InvalidRequest(
            said("scheduler: diffusers has no {name}.", name=name),
            field="scheduler",
            hint="Use the name of a scheduler class such as EulerDiscreteScheduler, or leave scheduler out.",
        )
    return scheduler_type.from_config(own.config, **_converted_options(own, scheduler_type))


def check_begins_with_picture(own: Any, scheduler: Any) -> None:
    """Check that a scheduler can add noise to a picture in the way that a flow matching model needs.

    Args:
        own: The scheduler of the model. Only those of flow matching models are checked.
        scheduler: The scheduler of the job.

    Raises:
        InvalidRequest: The scheduler cannot do this.
    """
    if hasattr(own, "scale_noise") and not hasattr(scheduler, "scale_noise"):
        raise _unsuitable(scheduler, f"cannot start from a picture for models with {type(own).__name__}")


def _converted_options(own: Any, scheduler_type: type) -> dict[str, Any]:
    """Return the options of the new scheduler that have other names than in `own`."""
    config = own.config
    known = inspect.signature(scheduler_type).parameters
    is_of_flow = scheduler_type.__name__.startswith("FlowMatch")
    flows = hasattr(own, "scale_noise") or config.get("prediction_type") == "flow_prediction"
    shift = config.get("shift", config.get("flow_shift", 1.0))
    if not flows and not is_of_flow:
        return {}
    if flows and is_of_flow:
        return {"shift": shift}
    if flows and "use_flow_sigmas" in known:
        return {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": shift}
    trained = "flow matching" if flows else "noise prediction"
    raise _unsuitable(scheduler_type, f"is not for models trained with {trained}, like this one")


def _unsuitable(scheduler: Any, reason: str) -> InvalidRequest:
    name = getattr(scheduler, "__name__", type(scheduler).__name__)
    return InvalidRequest(
        said("scheduler: {name} {reason}.", name=name, reason=reason),
        field="scheduler",
        hint="Leave scheduler out to use that of the model.",
    )
