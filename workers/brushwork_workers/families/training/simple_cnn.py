"""The small convolutional network that is trained from nothing."""

from torch import Tensor, nn

# So many by so many values of each feature reach the dense layers at most: of larger pictures the features
# are averaged to that, for the first dense layer would else hold a billion weights.
LARGEST_MAP = 16


class SimpleCNN(nn.Module):
    """Conv 32 3x3, ReLU, max-pool; conv 64 3x3, ReLU, max-pool; dense 128, ReLU; dense, a value a class.

    Without padding, as the network is usually shown; pictures of 28 pixels give 5 x 5 x 64 features.

    Args:
        num_classes: How many.
        image_size: Side of its pictures, at least 16 pixels.
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
        """Logits [n, classes] of normalised pictures [n, 3, image_size, image_size]."""
        logits: Tensor = self.classifier(self.features(pixels))
        return logits
