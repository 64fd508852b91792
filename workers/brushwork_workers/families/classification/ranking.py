"""Select the best classes of a classifier."""

from collections.abc import Sequence

from brushwork_schemas.kinds.image_classification import Prediction
from torch import Tensor


def best(scores: Tensor, labels: Sequence[str], top_k: int) -> tuple[Prediction, ...]:
    """Return the `top_k` best classes, best first, or all classes if there are fewer.

    Args:
        scores: [classes], 0 to 1, float32 on the CPU.
        labels: The names of the classes, in the order of `scores`.
        top_k: How many classes to return, at least 1.
    """
    values, indices = scores.topk(min(top_k, len(labels)))
    found = zip(indices.tolist(), values.tolist(), strict=True)
    return tuple(Prediction(label=labels[index], score=score) for index, score in found)
