"""What a validated request counts for limits: its kind, its tenant and its cost."""

from dataclasses import dataclass

from brushwork_schemas.admission import Admitted
from brushwork_schemas.kinds.explanations.calls import estimated_calls

from brushwork.inputs.intake import JobDraft


@dataclass(frozen=True)
class JobCost:
    """What one request counts for limits.

    Args:
        kind: Kind of the job.
        tenant: Tenant of the job.
        cost: `Request.cost` of the job, for most kinds megapixels x steps; once more for each extra call of
            its explanation.
        idempotency_key: Idempotency key of the request; None if it has none.
    """

    kind: str
    tenant: str
    cost: float
    idempotency_key: str | None

    @classmethod
    def of(cls, draft: JobDraft) -> "JobCost":
        """Return what a validated request counts."""
        admitted, options = draft.admitted, draft.options
        return cls(admitted.kind.name, options.tenant, _cost(admitted), options.idempotency_key)


def _cost(admitted: Admitted) -> float:
    """Return the cost, as if the kind had left out no default of the model.

    A kind leaves out the default size where the result has the size of an input picture. The file is not read
    yet, so the default size of the model stands for the size of the picture.
    """
    request = admitted.request
    defaults = admitted.model.defaults_of(admitted.kind.name)
    left_out = {
        name: value
        for name, value in defaults.items()
        if name in type(request).model_fields and getattr(request, name) is None
    }
    own = (request.model_copy(update=left_out) if left_out else request).cost
    return own * (1 + estimated_calls(request))
