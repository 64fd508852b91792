"""A check of the size of an upscaled picture."""

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import InvalidImage
from PIL import Image


def check_output_size(picture: Image.Image, scale: int, model: Model) -> None:
    """Check that an upscaled picture stays within the limits of the model.

    Args:
        picture: The picture before upscaling.
        scale: How many times wider and higher it becomes.
        model: The model, which has the limits.

    Raises:
        InvalidImage: The upscaled picture would be too large. The hint says how large the input may be.
    """
    width, height = picture.width * scale, picture.height * scale
    limits = model.limits
    if max(width, height) > limits.max_side:
        raise InvalidImage(
            f"image: too large. {model.name} would upscale it to {width} x {height} pixels, and allows at "
            f"most {limits.max_side} pixels per side.",
            field="image",
            hint=f"Send a picture of at most {limits.max_side // scale} pixels per side.",
        )
    if width * height > limits.max_pixels_per_job:
        raise InvalidImage(
            f"image: too large. {model.name} would upscale it to {width} x {height} pixels, and allows at "
            f"most {limits.max_pixels_per_job} pixels in all.",
            field="image",
            hint=f"Send a picture of at most {limits.max_pixels_per_job // scale**2} pixels in all.",
        )
