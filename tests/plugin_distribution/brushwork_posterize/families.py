"""The families of this plug-in. This module must not import torch: clients load it too."""

from brushwork_schemas.families.family import Family

FAMILIES = (
    Family(
        name="posterizer",
        library="brushwork-posterize",
        loader="brushwork_posterize.posterizer:load",
        kinds=("image-posterization",),
    ),
    # A new family of a kind that exists already.
    Family(
        name="brightness",
        library="brushwork-posterize",
        loader="brushwork_posterize.brightness:load",
        kinds=("image-classification",),
    ),
)
