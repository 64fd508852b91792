"""Pictures made ready for a network, in training and afterwards alike."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms


@dataclass(frozen=True)
class Preparation:
    """How pictures become what a network takes.

    Args:
        image_size: Side to which they are resized, whatever their proportions.
        mean: Of red, green and blue, 0 to 1.
        std: Likewise.
    """

    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def pixels(self, picture: Image.Image) -> Tensor:
        """An RGB picture as uint8 [3, image_size, image_size]."""
        side = (self.image_size, self.image_size)
        # Pillow averages what falls into one pixel where it makes smaller.
        resized: Tensor = transforms.pil_to_tensor(picture.resize(side, Image.Resampling.BILINEAR))
        return resized

    def normalised(self, pixels: Tensor) -> Tensor:
        """uint8 pixels [n, 3, side, side] as float32 around 0, on the device where they are."""
        mean, std = (
            torch.tensor(values, device=pixels.device)[:, None, None] for values in (self.mean, self.std)
        )
        return (pixels.float() / 255 - mean) / std
