"""A small convolutional network for training from random weights."""

from torch import Tensor, nn

# The largest side of the feature map that enters the dense layers. Larger maps are averaged down to it:
# without that, the first dense layer could have a billion weights.
LARGEST_MAP = 16


class SimpleCNN(nn.Module):
    """Conv 32 3x3, ReLU, max-pool; conv 64 3x3, ReLU, max-pool; dense 128, ReLU; dense, one output per class.

    The convolutions have no padding, as in the usual description of this network. Pictures of 28 x 28 pixels
    give 5 x 5 x 64 features.

    Args:
        num_classes: The number of classes, at least 1.
        image_size: The side of the pictures, at least 16 pixels.
    """

    def __init__(self, num_classes: int, image_size: int) -> None:
        super().__init__()
        side = min(((image_size - 2) // 2 - 2) // 2, LARGEST_MAP)
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(side),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(64 * side * side, 128), nn.ReLU(), nn.Linear(128, num_classes)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, [n, classes], of normalised pictures, [n, 3, image_size, image_size]."""
        logits: Tensor = self.classifier(self.features(pixels))
        return logits
