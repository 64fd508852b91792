"""How large a picture may become."""

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import InvalidImage
from PIL import Image


def check_output_size(picture: Image.Image, scale: int, model: Model) -> None:
    """Refuse a picture that the model's limits have no room for once it is larger.

    Raises:
        InvalidImage: The hint says how large it may be.
    """
    width, height = picture.width * scale, picture.height * scale
    limits = model.limits
    if max(width, height) > limits.max_side:
        raise InvalidImage(
            f"image: {model.name} would make it {width} x {height}; it allows at most {limits.max_side} "
            "pixels a side.",
            field="image",
            hint=f"Send one of at most {limits.max_side // scale} pixels a side.",
        )
    if width * height > limits.max_pixels_per_job:
        raise InvalidImage(
            f"image: {model.name} would make it {width} x {height}; it allows at most "
            f"{limits.max_pixels_per_job} pixels.",
            field="image",
            hint=f"Send one of at most {limits.max_pixels_per_job // scale**2} pixels.",
        )
