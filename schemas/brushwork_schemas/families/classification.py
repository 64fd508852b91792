"""Families of models that classify pictures."""

from brushwork_schemas.families.family import Family

FAMILIES = (
    Family(
        name="image-classifier",
        library="transformers",
        loader="brushwork_workers.families.classification.transformers_classifier:load",
        classes=("*ForImageClassification",),
        kinds=("image-classification",),
    ),
    Family(
        name="clip",
        library="transformers",
        loader="brushwork_workers.families.classification.zero_shot:load",
        classes=("CLIPModel",),
        kinds=("image-classification",),
        accepts=("candidate_labels", "hypothesis_template"),
        defaults={"hypothesis_template": "This is a photo of {}."},
        requires=(("candidate_labels",),),
    ),
    Family(
        name="siglip",
        library="transformers",
        loader="brushwork_workers.families.classification.zero_shot:load",
        classes=("SiglipModel", "Siglip2Model"),
        kinds=("image-classification",),
        accepts=("candidate_labels", "hypothesis_template"),
        defaults={"hypothesis_template": "This is a photo of {}."},
        requires=(("candidate_labels",),),
    ),
    Family(
        name="torchvision-classifier",
        library="torchvision",
        loader="brushwork_workers.families.classification.torchvision_classifier:load",
        kinds=("image-classification",),
    ),
    Family(
        name="trained-classifier",
        library="brushwork",
        loader="brushwork_workers.families.classification.trained_classifier:load",
        kinds=("image-classification",),
    ),
)
