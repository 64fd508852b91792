"""A diffusers pipeline from its folder, and what serves each kind with it."""

from brushwork_workers.kinds.diffusion.text_to_image import TextToImage
from brushwork_workers.served import Loaded, Place


def load(place: Place) -> Loaded:
    """The pipeline's performers."""
    text_to_image = TextToImage(place)
    return Loaded({"text-to-image": text_to_image}, text_to_image.modules)
