"""A limit on the proportions of pictures, for networks that resize the shorter side to a fixed length."""

from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said
from PIL import Image

# The most pixels of a resized picture. The longer side grows with the shorter one: without a limit, 30000 x 1
# pixels would become gigapixels.
MAX_PIXELS = 8_000_000


def check_proportions(picture: Image.Image, shorter: int) -> None:
    """Check that a picture stays below `MAX_PIXELS` after its shorter side is resized to `shorter` pixels.

    Raises:
        InvalidImage: The ratio of the longer to the shorter side is too large.
    """
    ratio = max(picture.size) / min(picture.size)
    max_ratio = MAX_PIXELS / shorter**2
    if ratio > max_ratio:
        raise InvalidImage(
            said(
                "image: {width} x {height} pixels is too long and thin for this model, which "
                "resizes the shorter side to {shorter} pixels.",
                width=picture.width,
                height=picture.height,
                shorter=shorter,
            ),
            field="image",
            hint=said(
                "Crop it so that the longer side is at most {max_ratio} times the shorter one.",
                max_ratio=int(max_ratio),
            ),
        )
