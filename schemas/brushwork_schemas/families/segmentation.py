"""Families of models that segment pictures."""

from brushwork_schemas.families.family import Family

FAMILIES = (
    Family(
        name="semantic-segmenter",
        library="transformers",
        loader="brushwork_workers.families.segmentation.semantic:load",
        classes=("*ForSemanticSegmentation",),
        kinds=("image-segmentation",),
    ),
    Family(
        name="universal-segmenter",
        library="transformers",
        loader="brushwork_workers.families.segmentation.universal:load",
        classes=("Mask2FormerForUniversalSegmentation", "MaskFormerForInstanceSegmentation"),
        kinds=("image-segmentation",),
        accepts=("task", "threshold"),
        defaults={"task": "semantic"},
        needs=("scipy",),
    ),
    Family(
        name="oneformer",
        library="transformers",
        loader="brushwork_workers.families.segmentation.universal:load",
        classes=("OneFormerForUniversalSegmentation",),
        kinds=("image-segmentation",),
        accepts=("task", "threshold"),
        defaults={"task": "semantic"},
        needs=("scipy",),
    ),
    Family(
        name="sam-2",
        library="transformers",
        loader="brushwork_workers.families.segmentation.sam2:load",
        classes=("Sam2Model", "Sam2VideoModel"),
        kinds=("image-segmentation",),
        accepts=("points", "boxes"),
        requires=(("points", "boxes"),),
    ),
    Family(
        name="torchvision-segmenter",
        library="torchvision",
        loader="brushwork_workers.families.segmentation.torchvision_segmenter:load",
        kinds=("image-segmentation",),
    ),
)
