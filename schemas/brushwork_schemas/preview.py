"""A preview: a small picture of the intermediate result of a running job."""

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
        """Write the JPEG to `path`, and return that path."""
        target = Path(path)
        target.write_bytes(self.jpeg)
        return target

    def pil(self) -> "Image":
        """Decode the picture as RGB."""
        from PIL import Image

        picture = Image.open(io.BytesIO(self.jpeg), formats=["JPEG"])
        picture.load()
        return picture
