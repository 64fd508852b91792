"""A check of the size of an upscaled picture."""

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said
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
            said(
                "image: too large. {model} would upscale it to {width} x {height} pixels, and "
                "allows at most {max_side} pixels per side.",
                model=model.name,
                width=width,
                height=height,
                max_side=limits.max_side,
            ),
            field="image",
            hint=said(
                "Send a picture of at most {max_side} pixels per side.", max_side=limits.max_side // scale
            ),
        )
    if width * height > limits.max_pixels_per_job:
        raise InvalidImage(
            said(
                "image: too large. {model} would upscale it to {width} x {height} pixels, and "
                "allows at most {max_pixels_per_job} pixels in all.",
                model=model.name,
                width=width,
                height=height,
                max_pixels_per_job=limits.max_pixels_per_job,
            ),
            field="image",
            hint=said(
                "Send a picture of at most {max_pixels_per_job} pixels in all.",
                max_pixels_per_job=limits.max_pixels_per_job // scale**2,
            ),
        )
