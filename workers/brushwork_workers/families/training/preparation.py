"""The preprocessing of pictures, which is the same in training and in use."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms


@dataclass(frozen=True)
class Preparation:
    """Preprocesses pictures for a network.

    Args:
        image_size: The side to which pictures are resized, in pixels. Their proportions are not kept.
        mean: The mean of red, green and blue, 0 to 1.
        std: The standard deviation of red, green and blue, 0 to 1.
    """

    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def pixels(self, picture: Image.Image) -> Tensor:
        """Resize an RGB picture: uint8 [3, image_size, image_size]."""
        side = (self.image_size, self.image_size)
        # When Pillow makes a picture smaller, it averages the pixels that become one.
        resized: Tensor = transforms.pil_to_tensor(picture.resize(side, Image.Resampling.BILINEAR))
        return resized

    def normalised(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 pixels [n, 3, side, side] to float32 around 0, on the same device."""
        mean, std = (
            torch.tensor(values, device=pixels.device)[:, None, None] for values in (self.mean, self.std)
        )
        return (pixels.float() / 255 - mean) / std
