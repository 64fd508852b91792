"""A preview: a small picture of what a running job has so far."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from PIL.Image import Image


class Preview(BaseModel):
    """A JPEG of at most 256 pixels a side, made from the latents after `step` of `total` steps."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    jpeg: bytes
    step: int
    total: int

    def save(self, path: str | Path) -> Path:
        """Write the file to `path` and return it."""
        target = Path(path)
        target.write_bytes(self.jpeg)
        return target

    def pil(self) -> "Image":
        """The picture, decoded, RGB."""
        from PIL import Image

        picture = Image.open(io.BytesIO(self.jpeg), formats=["JPEG"])
        picture.load()
        return picture
