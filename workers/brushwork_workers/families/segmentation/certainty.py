"""How sure a model is of the class of each pixel: confidence and entropy."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

Floats = npt.NDArray[np.float32]
# Scores are enlarged for so many classes at a time: each takes as much memory as a map of the whole picture.
CLASSES_AT_ONCE = 4
# Keeps the logarithm of a weight of 0 finite; a weight this small changes no result.
_LEAST_WEIGHT = 1e-12


@dataclass(frozen=True)
class Certainty:
    """How sure a model is of each pixel.

    Args:
        confidence: Probability of the best class, 0 to 1: [height, width].
        entropy: Shannon entropy of the probabilities of all classes in nats, from 0 to the logarithm of
            their number: [height, width].
    """

    confidence: Floats
    entropy: Floats


class PixelScores(Protocol):
    """What a model says about the pixels of a picture, at the size of its own output."""

    def certainty(self, size: tuple[int, int]) -> Certainty:
        """Return how sure the model is of each pixel.

        Args:
            size: Height and width of the picture, in pixels.
        """
        ...

    def probability(self, label: str) -> Tensor:
        """Return the probability that each pixel belongs to a class: [height, width], 0 to 1."""
        ...

    def region(self, label: str) -> Tensor:
        """Return where the model sees the class: [height, width], bool."""
        ...


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Scores of classes of which each pixel has one.

    Args:
        values: [classes, height, width], float32 on the CPU.
        labels: Name of each class. Classes of one name count as one class.
        are_logits: Whether the probabilities are the softmax of the values. Otherwise the values are weights,
            at least 0, and the probabilities are their shares.
    """

    values: Tensor
    labels: tuple[str, ...]
    are_logits: bool = True

    def certainty(self, size: tuple[int, int]) -> Certainty:
        """Enlarge the scores as `best_class` does, and return how sure the model is of each pixel.

        The sums over the classes are taken in parts: all classes at the size of a large picture would not
        fit into memory.
        """
        highest = torch.full(size, -torch.inf)
        total, weighted = torch.zeros(size), torch.zeros(size)
        for start in range(0, len(self.values), CLASSES_AT_ONCE):
            logits = self._enlarged(self.values[start : start + CLASSES_AT_ONCE], size)
            higher = torch.maximum(highest, logits.amax(dim=0))
            # The sums are relative to the highest logit so far. They shrink where a higher one is found.
            shrink = (highest - higher).exp()
            shares = (logits - higher).exp()
            # For the first classes `highest` is minus infinity, the sums are 0, and so is `shrink`.
            before = torch.where(total > 0, weighted + total * (highest - higher), 0.0)
            weighted = before * shrink + (shares * (logits - higher)).sum(dim=0)
            total = total * shrink + shares.sum(dim=0)
            highest = higher
        # With p = share / total: -sum(p log p) = log(total) - sum(share * log(share)) / total.
        entropy = (total.log() - weighted / total).clamp(min=0)
        return Certainty((1 / total).numpy(), entropy.numpy())

    def probability(self, label: str) -> Tensor:
        """Return the probability of a class for each pixel, at the size of the scores."""
        values = self.values if self.are_logits else self.values.clamp(min=_LEAST_WEIGHT).log()
        return values.softmax(dim=0)[self._indices(label)].sum(dim=0)

    def region(self, label: str) -> Tensor:
        """Return where the class is the best one."""
        return torch.isin(self.values.argmax(dim=0), torch.tensor(self._indices(label)))

    def _indices(self, label: str) -> list[int]:
        return [index for index, name in enumerate(self.labels) if name == label]

    def _enlarged(self, values: Tensor, size: tuple[int, int]) -> Tensor:
        large = _enlarged(values, size)
        return large if self.are_logits else large.clamp(min=_LEAST_WEIGHT).log()


@dataclass(frozen=True, eq=False)
class ObjectScores:
    """Scores of objects that were found independently of each other: a pixel may belong to several of them.

    Args:
        logits: The probability of each object is the sigmoid of it: [objects, height, width], float32 on the
            CPU.
        labels: Name of each object.
        background: Name of what belongs to no object.
    """

    logits: Tensor
    labels: tuple[str, ...]
    background: str

    def certainty(self, size: tuple[int, int]) -> Certainty:
        """Enlarge the logits bilinearly, as SAM 2 does, and return how sure the model is of each pixel.

        It is as sure of a pixel as of the object of which it is least sure there.
        """
        confidence, entropy = torch.ones(size), torch.zeros(size)
        for logits in self.logits:
            distance = _enlarged(logits[None], size)[0].abs()
            sure = torch.sigmoid(distance)
            confidence = torch.minimum(confidence, sure)
            # The entropy of a yes or no with the logit x is log(1 + e^-|x|) + |x| * (1 - sigmoid(|x|)).
            entropy = torch.maximum(entropy, functional.softplus(-distance) + distance * (1 - sure))
        return Certainty(confidence.numpy(), entropy.numpy())

    def probability(self, label: str) -> Tensor:
        """Return the probability of an object for each pixel, at the size of the logits."""
        shares = torch.sigmoid(self.logits)
        return 1 - shares.amax(dim=0) if label == self.background else shares[self.labels.index(label)]

    def region(self, label: str) -> Tensor:
        """Return where the object is."""
        return self.probability(label) > 0.5


def _enlarged(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return [n, height, width] at another height and width."""
    return functional.interpolate(values[None], size=size, mode="bilinear", align_corners=False)[0]
