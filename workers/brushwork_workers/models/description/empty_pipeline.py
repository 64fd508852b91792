"""A pipeline without weights, made of the configurations of its components, to ask it for its sizes."""

import inspect
import logging
import warnings
from typing import Any

import torch
from diffusers import ModelMixin, SchedulerMixin
from diffusers.configuration_utils import FrozenDict
from diffusers.guiders.guider_utils import BaseGuidance

from brushwork_workers.models.class_names import PIPELINE, component_class, components
from brushwork_workers.models.listing import Listing

LOGGER = logging.getLogger(__name__)
_CONFIGS = ("config.json", "scheduler_config.json", "guider_config.json", "preprocessor_config.json")


class Placeholder:
    """Stands for a component without weights: it has a configuration, and refuses to compute anything."""

    def __init__(self, config: Any) -> None:
        self.config = FrozenDict(config)
        self.dtype = torch.float32
        self.device = torch.device("cpu")
        self.model_max_length = config.get("model_max_length", 77)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Stop: what is asked of the pipeline has been computed before."""
        raise NotImplementedError("a component without weights")


def empty_pipeline(pipeline_class: Any, listing: Listing) -> Any:
    """Return a pipeline of a class with components that have no weights.

    Args:
        pipeline_class: A class of diffusers that the components of the listing fit.
        listing: The files of the model, of which only configurations are read.
    """
    made = _without_registration(pipeline_class)
    parameters = inspect.signature(pipeline_class.__init__).parameters
    index = listing.read(PIPELINE)
    given = {name: value for name, value in index.items() if not isinstance(value, list)}
    given |= {name: _component(listing, name, library, found) for name, library, found in components(listing)}
    required = [
        name
        for name, each in parameters.items()
        if each.default is each.empty and name not in ("self", "args")
    ]
    arguments = {name: given[name] for name in parameters if name in given}
    pipeline = made.__new__(made)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.__init__(**{**dict.fromkeys(required), **arguments})
    # What the constructor has set until then is enough for most questions.
    except Exception as error:
        LOGGER.debug("%s without weights: %r", pipeline_class.__name__, error)
    return pipeline


def _without_registration(pipeline_class: Any) -> Any:
    """Return a subclass that takes any object as a component."""

    def register_modules(self: Any, **modules: Any) -> None:
        self.register_to_config(**dict.fromkeys(modules))
        self.__dict__.update(modules)

    return type(pipeline_class.__name__, (pipeline_class,), {"register_modules": register_modules})


def _component(listing: Listing, name: str, library: str, class_name: str) -> Any:
    file = next((f"{name}/{each}" for each in _CONFIGS if f"{name}/{each}" in listing.names), None)
    config = listing.read(file) if file is not None else {}
    found = component_class(library, class_name)
    try:
        if isinstance(found, type) and issubclass(found, ModelMixin | SchedulerMixin | BaseGuidance):
            with torch.device("meta"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return found.from_config(config)
    except Exception as error:
        LOGGER.debug("%s without weights: %r", name, error)
    return Placeholder(config)
