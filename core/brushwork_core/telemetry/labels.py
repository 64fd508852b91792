"""Values of labels, limited so that no caller and no training can create a new series.

Prometheus keeps a series for every combination of values that it has ever seen.
"""

from collections.abc import Collection
from functools import cache

from brushwork_schemas.catalogue.trained_models import TRAINED
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.kinds.registry import all_kinds

# Stands for all trained models together.
TRAINED_LABEL = TRAINED.rstrip(":")
OTHER_LABEL = "other"


def trained_together(model: str) -> str:
    """Return the name of a model, or `trained` for each model that a job has trained."""
    return TRAINED_LABEL if model.startswith(TRAINED) else model


def model_label(model: str, known: Collection[str]) -> str:
    """Return the value of a label `model`.

    Args:
        model: Name of the model.
        known: Names of the models of the catalogue.

    Returns:
        The name, `trained`, or `other` for a model that the catalogue does not have.
    """
    name = trained_together(model)
    return name if name in known or name == TRAINED_LABEL else OTHER_LABEL


def kind_label(kind: str) -> str:
    """Return the name of a kind, or `other` if it is not installed."""
    return kind if kind in all_kinds() else OTHER_LABEL


def code_label(code: str) -> str:
    """Return an error code, or `other` if no error class has it. No code stays empty."""
    # A plug-in may have defined another class since the last call.
    return code if not code or code in _codes(len(_error_classes())) else OTHER_LABEL


@cache
def _codes(num_classes: int) -> frozenset[str]:
    return frozenset(error.code for error in _error_classes())


def _error_classes() -> list[type[BrushworkError]]:
    found: list[type[BrushworkError]] = [BrushworkError]
    for error in found:
        found += error.__subclasses__()
    return found
