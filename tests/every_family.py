"""A model of each family and what may be added to it, for forms and words that know all of them."""

from pathlib import Path

from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.families.registry import all_families

NOWHERE = Source(folder=Path("nowhere"))
MODELS = [
    Model(name=name, family=name, source=NOWHERE) for name in all_families() if name != "classifier-training"
] + [
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
