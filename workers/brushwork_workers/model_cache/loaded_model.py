"""A model that is loaded, with its handlers and what a result's provenance says about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.plugins import FAMILIES, distribution_of
from brushwork_schemas.wording.phrase import said
from torch import nn

from brushwork_workers.interface import Handler


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model.

    Args:
        model: Its catalogue entry.
        handlers: One handler per kind.
        revision: Revision of its files.
        device: Readable name of its device.
        dtype: Name of its number format, for example `bfloat16`.
        loading_s: Seconds that the load took.
        modules: The modules that may be moved between devices; empty if something else moves them.
        size_bytes: Bytes that it takes of the memory budget.
        engine: Name of the engine that runs its modules where possible.
        engine_precision: Number format that the engine computes in.
    """

    model: Model
    handlers: Mapping[str, Handler]
    revision: str
    device: str
    dtype: str
    loading_s: float
    modules: Sequence[nn.Module] = ()
    size_bytes: int = 0
    engine: str = "torch"
    engine_precision: str = "float32"

    def handler_of(self, kind: str) -> Handler:
        """Return the handler of a kind.

        Raises:
            ModelUnavailable: The loader of the family returned none.
        """
        if kind in self.handlers:
            return self.handlers[kind]
        owner = distribution_of(FAMILIES, self.model.family)
        raise ModelUnavailable(
            said(
                "The loader of the family {family} returned no handler for {kind}. The "
                "distribution {owner} registers this family.",
                family=self.model.family,
                kind=kind,
                owner=owner,
            ),
            field="family",
            hint=said("Update, repair or uninstall {owner}.", owner=owner),
        )
