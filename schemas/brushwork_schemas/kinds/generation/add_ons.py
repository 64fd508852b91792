"""What a job of image generation can add to its model: LoRA adapters, ControlNets and pictures as prompt."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Picture
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.wording.phrase import said

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Catalogue, Model


class LoraChoice(BaseModel):
    """A LoRA adapter and its weight."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(max_length=200, description="Name of the adapter in the catalogue.")
    weight: float = Field(
        1.0, ge=-4.0, le=4.0, allow_inf_nan=False, description="Weight of the adapter; 0 switches it off."
    )


class IpAdapterChoice(BaseModel):
    """An IP-Adapter, the pictures that it takes as prompt, and its weight."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(max_length=200, description="Name of the IP-Adapter in the catalogue.")
    images: Annotated[tuple[Picture, ...], Field(strict=False)] = Field(
        min_length=1, max_length=8, description="Pictures that the result should resemble."
    )
    weight: float = Field(
        1.0,
        ge=0.0,
        le=4.0,
        allow_inf_nan=False,
        description="Weight of the pictures beside the prompt; 0 switches the adapter off.",
    )


def is_empty(choices: tuple[Any, ...]) -> bool:
    """Return whether a list is left out: workers of older versions refuse fields that they do not know."""
    return not choices


IpAdapters = Annotated[
    tuple[IpAdapterChoice, ...],
    Field(
        strict=False,
        max_length=4,
        exclude_if=is_empty,
        title="Pictures as prompt",
        description="IP-Adapters of the catalogue, each with pictures that the result should resemble.",
    ),
]
PromptWeighting = Annotated[
    bool | None,
    Field(
        exclude_if=lambda weighting: not weighting,
        title="Weights in prompts",
        description="Read weights and breaks in the prompts: (word:1.3), (word), [word] and BREAK. "
        "By default these characters are plain text, unless the model has another default.",
    ),
]


def check_add_ons(request: Any, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse LoRA adapters, ControlNets and IP-Adapters that do not fit.

    Raises:
        UnknownModel: The catalogue has no such entry for the family of the model.
        InvalidRequest: The fields contradict each other.
    """
    wrong = Refusals()
    for check in (check_loras, _check_controlnet, _check_ip_adapters):
        with wrong.noted():
            check(request, model, catalogue)
    wrong.raise_any()


def check_loras(request: Any, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse LoRA adapters that do not fit.

    Raises:
        UnknownModel: The catalogue has no such adapter for the family of the model.
        InvalidRequest: One is listed twice.
    """
    for index, lora in enumerate(request.loras):
        catalogue.add_on(lora.name, "lora", model, f"loras.{index}.name")
    if len({lora.name for lora in request.loras}) < len(request.loras):
        raise InvalidRequest(
            "loras: an adapter is listed twice.",
            field="loras",
            hint="List it once, with the sum of its weights.",
        )


def _check_controlnet(request: Any, model: "Model", catalogue: "Catalogue") -> None:
    if request.controlnet is not None:
        catalogue.add_on(request.controlnet, "controlnet", model, "controlnet")
    # The pipeline of a described model may have a ControlNet of its own.
    is_own = model.pipeline is not None and "controlnet" not in model.accepts
    if not is_own and (request.controlnet is None) != (request.control_image is None):
        missing = "controlnet" if request.controlnet is None else "control_image"
        raise InvalidRequest(
            said("{field}: required, because controlnet and control_image are used together.", field=missing),
            field=missing,
            hint="Set both fields, or neither.",
        )


def _check_ip_adapters(request: Any, model: "Model", catalogue: "Catalogue") -> None:
    for index, choice in enumerate(request.ip_adapters):
        catalogue.add_on(choice.name, "ip-adapter", model, f"ip_adapters.{index}.name")
    if len({choice.name for choice in request.ip_adapters}) < len(request.ip_adapters):
        raise InvalidRequest(
            "ip_adapters: an adapter is listed twice.",
            field="ip_adapters",
            hint="List it once, with all its pictures.",
        )
