"""Pictures much longer than wide, for networks that want the shorter side of a given length."""

from brushwork_schemas.errors import InvalidImage
from PIL import Image

# What a resized picture may have. The longer side grows with the shorter: 30000 x 1 would become gigapixels.
MOST_PIXELS = 8_000_000


def check_proportions(picture: Image.Image, shorter: int) -> None:
    """The picture is of bounded size once its shorter side has so many pixels.

    Raises:
        InvalidImage: It is too long for its width, or too high.
    """
    ratio = max(picture.size) / min(picture.size)
    most = MOST_PIXELS / shorter**2
    if ratio > most:
        raise InvalidImage(
            f"image: {picture.width} x {picture.height} is too long and thin for this model, which makes "
            f"the shorter side {shorter} pixels.",
            field="image",
            hint=f"Cut it into pieces that are at most {int(most)} times as long as wide.",
        )
