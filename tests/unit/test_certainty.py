"""How sure a segmenter is of each pixel, and the score of a class: compared with the plain formulas."""

import numpy as np
import pytest
import torch
from brushwork_workers.families.segmentation.certainty import ClassScores, ObjectScores
from brushwork_workers.families.segmentation.class_map import best_class
from torch import Tensor
from torch.nn import functional

SIZE = (31, 20)


def noise(*shape: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def names(number: int) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(number))


def enlarged(values: Tensor) -> Tensor:
    return functional.interpolate(values[None], size=SIZE, mode="bilinear", align_corners=False)[0].double()


def entropy(shares: Tensor) -> Tensor:
    return -(shares * shares.clamp(min=1e-300).log()).sum(dim=0)


@pytest.mark.parametrize("num_classes", [1, 2, 4, 5, 50])
@pytest.mark.parametrize("scale", [0.1, 3.0, 40.0])
def test_logits_give_the_softmax_of_all_classes_at_once(num_classes: int, scale: float) -> None:
    logits = noise(num_classes, 9, 7, scale=scale)
    shares = enlarged(logits).softmax(dim=0)
    found = ClassScores(logits, names(num_classes)).certainty(SIZE)
    assert np.abs(found.confidence - shares.amax(dim=0).numpy()).max() < 1e-5
    assert np.abs(found.entropy - entropy(shares).numpy()).max() < 1e-4
    assert found.entropy.min() >= 0
    assert found.entropy.max() <= np.log(num_classes) + 1e-5


def test_weights_give_their_shares() -> None:
    weights = noise(7, 9, 7).clamp(min=0)
    weights[0] += 0.1
    shares = enlarged(weights) / enlarged(weights).sum(dim=0)
    found = ClassScores(weights, names(7), are_logits=False).certainty(SIZE)
    assert np.abs(found.confidence - shares.amax(dim=0).numpy()).max() < 1e-5
    assert np.abs(found.entropy - entropy(shares).numpy()).max() < 1e-4


def test_the_confidence_is_that_of_the_class_in_the_mask() -> None:
    logits = noise(9, 9, 7)
    chosen = torch.from_numpy(best_class(logits, SIZE)).long()
    shares = enlarged(logits).softmax(dim=0)
    of_mask = shares.gather(0, chosen[None])[0].numpy()
    assert np.abs(ClassScores(logits, names(9)).certainty(SIZE).confidence - of_mask).max() < 1e-5


def test_logits_of_any_size_stay_finite() -> None:
    logits = torch.tensor([1e4, -1e4, 0.0])[:, None, None].expand(3, 2, 2).contiguous()
    found = ClassScores(logits, names(3)).certainty((2, 2))
    assert (found.confidence == 1).all()
    assert (found.entropy == 0).all()


def test_classes_of_one_name_count_together() -> None:
    scores = ClassScores(noise(3, 4, 4), ("dog", "cat", "dog"))
    shares = scores.values.softmax(dim=0)
    assert torch.allclose(scores.probability("dog"), shares[0] + shares[2])
    assert torch.equal(scores.region("cat"), scores.values.argmax(dim=0) == 1)


def test_of_several_objects_the_least_sure_counts() -> None:
    logits = noise(3, 9, 7)
    found = ObjectScores(logits, names(3), "background").certainty(SIZE)
    yes = torch.sigmoid(enlarged(logits))
    each = torch.stack([entropy(torch.stack([share, 1 - share])) for share in yes])
    assert np.abs(found.confidence - torch.maximum(yes, 1 - yes).amin(dim=0).numpy()).max() < 1e-5
    assert np.abs(found.entropy - each.amax(dim=0).numpy()).max() < 1e-5


def test_what_is_no_object_is_background() -> None:
    scores = ObjectScores(noise(2, 4, 4), ("object 1", "object 3"), "background")
    shares = torch.sigmoid(scores.logits)
    assert torch.allclose(scores.probability("object 3"), shares[1])
    assert torch.allclose(scores.probability("background"), 1 - shares.amax(dim=0))
    assert torch.equal(scores.region("background"), (scores.logits < 0).all(dim=0))
