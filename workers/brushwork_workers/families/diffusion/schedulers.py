"""A scheduler for each job: the model's own, or another that says the same of its model."""

import copy
import inspect
from typing import Any

import diffusers
from brushwork_schemas.errors import InvalidRequest


def new_scheduler(own: Any, name: str | None = None) -> Any:
    """A scheduler that no other job has.

    Args:
        own: The model's, which was never run.
        name: Of the scheduler class of diffusers; by default that of `own`.

    Raises:
        InvalidRequest: diffusers has no such class, or it does not do what the model was trained for.
    """
    if name is None:
        # As good as new, for it was never run, and made five times faster than from its configuration.
        return copy.deepcopy(own)
    scheduler_type = getattr(diffusers, name, None)
    if scheduler_type is None:
        raise InvalidRequest(f"scheduler: diffusers has no {name}.", field="scheduler")
    return scheduler_type.from_config(own.config, **_converted_options(own, scheduler_type))


def check_begins_with_picture(own: Any, scheduler: Any) -> None:
    """See that it can put noise on a picture, if the model's own does so in the way of flow matching.

    Raises:
        InvalidRequest: It can't.
    """
    if hasattr(own, "scale_noise") and not hasattr(scheduler, "scale_noise"):
        raise _unsuitable(scheduler, f"can't begin with a picture for a model of {type(own).__name__}")


def _converted_options(own: Any, scheduler_type: type) -> dict[str, Any]:
    """What the new one has to be told, because it says it in other words than `own`."""
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
    raise _unsuitable(scheduler_type, f"is not for models of {trained}, as this one is")


def _unsuitable(scheduler: Any, reason: str) -> InvalidRequest:
    name = getattr(scheduler, "__name__", type(scheduler).__name__)
    return InvalidRequest(
        f"scheduler: {name} {reason}.", field="scheduler", hint="Leave it out: the model's own fits."
    )
