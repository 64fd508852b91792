"""Families that find edges, depth or poses in pictures."""

from brushwork_schemas.families.family import Family

FAMILIES = (
    Family(
        name="canny-edges",
        library="scikit-image",
        loader="brushwork_workers.families.preprocessing.edges:load",
        kinds=("image-preprocessing",),
        accepts=("low_threshold", "high_threshold"),
        defaults={"low_threshold": 100, "high_threshold": 200},
        needs=("scikit-image",),
    ),
    Family(
        name="depth-estimator",
        library="transformers",
        loader="brushwork_workers.families.preprocessing.depth:load",
        classes=(
            "DepthAnythingForDepthEstimation",
            "DPTForDepthEstimation",
            "GLPNForDepthEstimation",
        ),
        kinds=("image-preprocessing",),
    ),
    Family(
        name="pose-estimator",
        library="transformers",
        loader="brushwork_workers.families.preprocessing.pose:load",
        classes=("VitPoseForPoseEstimation",),
        kinds=("image-preprocessing",),
        accepts=("boxes",),
    ),
)
