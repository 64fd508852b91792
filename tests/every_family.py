"""A model of each family and what may be added to it, for forms and words that know all of them."""

from pathlib import Path

from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.catalogue.pipeline_description import PipelineDescription
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.kinds.registry import all_kinds

NOWHERE = Source(folder=Path("nowhere"))
UNDESCRIBED = [name for name, family in all_families().items() if not family.is_described]
MODELS = [
    Model(name=name, family=name, source=NOWHERE) for name in UNDESCRIBED if name != "classifier-training"
] + [
    # A pipeline that has every parameter of every kind that such pipelines serve.
    Model(
        name="diffusers", family="diffusers", source=NOWHERE,
        pipeline=PipelineDescription(
            class_name="AnyPipeline",
            parameters={
                kind: tuple(sorted(all_kinds()[kind].request_type.model_parameters()))
                for kind in ("image-editing",)
            },
            max_input_images=8,
        ),
    ),
    Model(
        name="simple_cnn", family="classifier-training", source=Source(architecture="simple_cnn"),
        accepts=("freeze_backbone",),
    )
]  # fmt: skip
ADD_ONS = [
    AddOn.model_validate({"name": f"{sort}-{name}", "type": sort, "family": name, "source": NOWHERE})
    for name in all_families()
    for sort in ("lora", "controlnet", "ip-adapter")
]


def of_kind(kind: str) -> list[Model]:
    """Those that serve it."""
    return [model for model in MODELS if kind in model.kinds]
