"""The catalogue: which models there are, what each can do, and where its files come from."""

from brushwork_schemas.catalogue.catalogue import Catalogue
from brushwork_schemas.catalogue.entries import AddOn, Dtype, Limits, Model
from brushwork_schemas.catalogue.source import Source
from brushwork_schemas.catalogue.trained_models import TRAINED, trained_model, trains_for

__all__ = [
    "TRAINED",
    "AddOn",
    "Catalogue",
    "Dtype",
    "Limits",
    "Model",
    "Source",
    "trained_model",
    "trains_for",
]
