"""The best of a model's classes."""

from collections.abc import Sequence

from brushwork_schemas.kinds.image_classification import Prediction
from torch import Tensor


def best(scores: Tensor, labels: Sequence[str], top_k: int) -> tuple[Prediction, ...]:
    """The `top_k` best classes, best first; all of them where there are fewer.

    Args:
        scores: [classes], 0 to 1, float32 on the CPU.
        labels: Of the classes.
        top_k: How many.
    """
    values, indices = scores.topk(min(top_k, len(labels)))
    found = zip(indices.tolist(), values.tolist(), strict=True)
    return tuple(Prediction(label=labels[index], score=score) for index, score in found)
