"""Select the best classes of a classifier."""

from collections.abc import Sequence

from brushwork_schemas.kinds.image_classification import ImageClassificationRequest, Prediction
from brushwork_schemas.warnings import result_warning
from torch import Tensor

from brushwork_workers.interface import JobContext

_DEFAULT_TOP_K = ImageClassificationRequest.model_fields["top_k"].default


def best(
    scores: Tensor, labels: Sequence[str], request: ImageClassificationRequest, context: JobContext
) -> tuple[Prediction, ...]:
    """Return the `top_k` best classes, best first, or all classes and a warning if there are fewer.

    Args:
        scores: [classes], 0 to 1, float32 on the CPU.
        labels: The names of the classes, in the order of `scores`.
        request: The request. Nobody is warned of its default.
        context: The context of the job, which gets the warning.
    """
    top_k = request.top_k
    if top_k > len(labels) and top_k != _DEFAULT_TOP_K:
        context.warn(result_warning("top_k_reduced", "top_k", given=top_k, used=len(labels)))
    values, indices = scores.topk(min(top_k, len(labels)))
    found = zip(indices.tolist(), values.tolist(), strict=True)
    return tuple(Prediction(label=labels[index], score=score) for index, score in found)
