"""Families whose jobs train models."""

from brushwork_schemas.families.family import Family

FAMILIES = (
    Family(
        name="classifier-training",
        library="brushwork",
        loader="brushwork_workers.families.training.classifier_training:load",
        kinds=("image-classification-training",),
        accepts=("freeze_backbone",),
    ),
)
