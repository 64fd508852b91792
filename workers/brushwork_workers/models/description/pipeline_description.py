"""Describe the pipeline of a model for its catalogue entry."""

import inspect
from collections.abc import Iterator
from typing import Annotated, Any

import diffusers
from brushwork_schemas.catalogue.pipeline_description import PipelineDescription
from brushwork_schemas.errors import UnknownModelClass
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.wording.phrase import said
from diffusers.loaders.lora_base import LoraBaseMixin
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers
from pydantic import TypeAdapter, ValidationError

from brushwork_workers.models.class_names import PIPELINE, class_name
from brushwork_workers.models.description.call_signature import (
    DENOISERS,
    OWN_FIELDS,
    argument_of,
    call_parameters,
    control_argument,
    guidance_argument,
    guider_of,
    picture_argument,
)
from brushwork_workers.models.description.empty_pipeline import empty_pipeline
from brushwork_workers.models.description.pipeline_kinds import (
    classes_by_kind,
    missing_settings,
    with_controlnet,
)
from brushwork_workers.models.description.sizes import refuses, sizes_of
from brushwork_workers.models.listing import Listing

# Schedulers for models that predict noise, each tried with Stable Diffusion.
_OF_NOISE = frozenset(
    {
        *("DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler"),
        *("DPMSolverSinglestepScheduler", "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler"),
        *("HeunDiscreteScheduler", "LMSDiscreteScheduler", "UniPCMultistepScheduler"),
    }
)

# Of jobs with a ControlNet of the catalogue.
_OF_CONTROLNETS = ("controlnet", "control_image", "controlnet_conditioning_scale")


def describe(listing: Listing) -> PipelineDescription:
    """Describe the pipeline in a folder or a repository. Only configurations are read.

    Raises:
        UnknownModelClass: diffusers has no such class, or requests cannot fill in what it needs.
    """
    name = class_name(listing) or ""
    pipeline_class = getattr(diffusers, name, None)
    # A component that is null counts: the classes of one architecture can all be without it.
    present = frozenset(found for found, value in listing.read(PIPELINE).items() if isinstance(value, list))
    classes = classes_by_kind(pipeline_class, present) if isinstance(pipeline_class, type) else {}
    classes = {kind: each for kind, each in classes.items() if kind in all_kinds()}
    if not classes:
        raise _unserved(name, pipeline_class)
    pipelines = {kind: empty_pipeline(each, listing) for kind, each in classes.items()}
    own = empty_pipeline(pipeline_class, listing)
    pipelines = {
        kind: each
        for kind, each in pipelines.items()
        if not missing_settings(each)
        and (classes[kind] is pipeline_class or _fits(kind, each, has_further=_has_further_inputs(own)))
    }
    if not pipelines:
        raise _unserved(name, pipeline_class)
    sizes = sizes_of(own)
    schedulers = _schedulers(pipeline_class)
    return PipelineDescription(
        class_name=name,
        parameters={
            kind: tuple(_fields(kind, each, has_schedulers=bool(schedulers)))
            for kind, each in pipelines.items()
        },
        required={
            kind: ("control_image",)
            for kind, each in pipelines.items()
            if control_argument(type(each)) and "control_image" in all_kinds()[kind].request_type.model_fields
        },
        multiple_of=sizes.multiple_of,
        frames_multiple_of=sizes.frames_multiple_of,
        width=sizes.width,
        height=sizes.height,
        defaults={kind: found for kind, each in pipelines.items() if (found := _defaults(kind, each))},
        arguments=_further_arguments(own),
        schedulers=schedulers,
        max_input_images=_max_input_images(pipeline_class),
    )


def _fields(kind: str, pipeline: Any, *, has_schedulers: bool) -> Iterator[str]:
    """Yield the optional request fields that a pipeline has."""
    pipeline_class = type(pipeline)
    own = {
        **dict.fromkeys(OWN_FIELDS, True),
        "controlnet": False,
        "guidance_scale": guidance_argument(pipeline) is not None or guider_of(pipeline) is not None,
        "scheduler": has_schedulers,
        "loras": issubclass(pipeline_class, LoraBaseMixin),
        "acceleration": any(getattr(pipeline, name, None) is not None for name in DENOISERS[:2])
        and getattr(pipeline, "scheduler", None) is not None,
    }
    if with_controlnet(pipeline_class.__name__) is not None:
        own |= dict.fromkeys(_OF_CONTROLNETS, True)
    for field in sorted(all_kinds()[kind].request_type.model_parameters()):
        if own[field] if field in own else argument_of(pipeline_class, field) is not None:
            yield field


def _defaults(kind: str, pipeline: Any) -> dict[str, Any]:
    """Return the defaults of the call, of those request fields that may have this value."""
    found: dict[str, Any] = {}
    for field in _fields(kind, pipeline, has_schedulers=False):
        argument = (
            guidance_argument(pipeline) if field == "guidance_scale" else argument_of(type(pipeline), field)
        )
        known = call_parameters(type(pipeline))
        value = known[argument].default if argument is not None and argument in known else None
        if field == "guidance_scale" and argument is None:
            value = guider_of(pipeline).guidance_scale
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_allowed(kind, field, value):
            found[field] = value
    # Sizes come from the components.
    return {name: value for name, value in found.items() if name not in ("width", "height")}


def _is_allowed(kind: str, field: str, value: Any) -> bool:
    info: Any = all_kinds()[kind].request_type.model_fields[field]
    if value == info.get_default(call_default_factory=True):
        return False
    try:
        TypeAdapter(Annotated[info.annotation, info]).validate_python(value)
    except ValidationError:
        return False
    return True


def _further_arguments(pipeline: Any) -> dict[str, Any]:
    """Return arguments of the call that are the same for every job."""
    known = call_parameters(type(pipeline))
    found: dict[str, Any] = {}
    # Caption cleaning needs optional packages and removes Chinese characters.
    if "clean_caption" in known:
        found["clean_caption"] = False
    # Bins of sizes exist only for the resolutions of the published models.
    if "use_resolution_binning" in known and refuses(pipeline, use_resolution_binning=True):
        found["use_resolution_binning"] = False
    return found


def _schedulers(pipeline_class: Any) -> tuple[str, ...]:
    """Return the schedulers that the constructor of a pipeline names."""
    parameter = inspect.signature(pipeline_class.__init__).parameters.get("scheduler")
    if parameter is None:
        return ()
    if parameter.annotation is KarrasDiffusionSchedulers or "KarrasDiffusionSchedulers" in str(
        parameter.annotation
    ):
        return tuple(sorted(_OF_NOISE))
    return ()


def _fits(kind: str, pipeline: Any, *, has_further: bool) -> bool:
    """Return whether the components of a model fit another class than that of its folder."""
    # Inpainting that does not begin with the picture gives picture and mask to the denoiser.
    takes_mask = kind == "inpainting" and "strength" not in call_parameters(type(pipeline))
    return has_further == takes_mask


def _has_further_inputs(pipeline: Any) -> bool:
    """Return whether the denoiser also takes a picture or a mask: such a model serves only its own class."""
    unet = getattr(pipeline, "unet", None)
    autoencoder = getattr(pipeline, "vae", None) or getattr(pipeline, "movq", None)
    taken = getattr(getattr(unet, "config", None), "in_channels", None)
    given = getattr(getattr(autoencoder, "config", None), "latent_channels", None)
    return taken is not None and given is not None and taken > given


def _max_input_images(pipeline_class: Any) -> int:
    """Return how many pictures a pipeline takes: several if one of its methods has an argument for them."""
    argument = picture_argument(pipeline_class)
    if argument is None:
        return 1
    functions = [each for each in vars(pipeline_class).values() if inspect.isfunction(each)]
    names = {name for each in functions for name in inspect.signature(each).parameters}
    return _MOST_PICTURES if argument != "image" or names & {"images", "input_images"} else 1


_MOST_PICTURES = 8


def _unserved(name: str, pipeline_class: Any) -> UnknownModelClass:
    if pipeline_class is None:
        return UnknownModelClass(
            said("The configuration names the class {name}, which diffusers does not have.", name=name),
            field="source",
            hint="Install a version of diffusers that has this class.",
        )
    return UnknownModelClass(
        said("{name} of diffusers cannot be served: no kind of job gives what its call needs.", name=name),
        field="source",
        hint="Choose a pipeline that makes pictures from a prompt or from a picture and a prompt.",
    )
