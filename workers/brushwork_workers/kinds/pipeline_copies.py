"""A diffusers pipeline for each job: the weights shared, everything that changes while a job runs its own."""

import copy
from dataclasses import replace
from typing import Any

import diffusers
from brushwork_schemas.errors import InvalidRequest

from brushwork_workers.batching.terms import Terms
from brushwork_workers.calls import Calls, DirectCalls, StandIn

# Called as a whole, or by these methods as well.
_HEAVY = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "vae", "image_encoder")
_HEAVY_METHODS = {"vae": ("encode", "decode")}


class PipelineCopies:
    """Hands out shallow copies of one loaded pipeline, of any family.

    Args:
        pipeline: The loaded `DiffusionPipeline`; it is never run itself.
        calls: Through which the heavy modules are called.
        terms: On what terms; part and pixels are filled in here.
    """

    def __init__(self, pipeline: Any, calls: Calls, terms: Terms) -> None:
        self._pipeline = pipeline
        self._calls = calls
        self._terms = terms
        # Every method of a fast tokenizer may set the padding that another thread's call is about to use.
        self._tokenizing = DirectCalls()

    def new(self, scheduler: str | None = None, pixels: int = 1) -> Any:
        """A copy with stand-ins for the heavy modules, and a scheduler of its own.

        Args:
            scheduler: A scheduler class of diffusers; by default the pipeline's own.
            pixels: Of one picture that it will make.

        Raises:
            InvalidRequest: diffusers has no such class.
        """
        pipeline = copy.copy(self._pipeline)
        for name, component in self._pipeline.components.items():
            if component is None:
                continue
            if name in _HEAVY:
                terms = replace(self._terms, part=name, pixels_per_row=pixels)
                component = StandIn(component, self._calls, terms, _HEAVY_METHODS.get(name, ()))
            elif name.startswith("tokenizer"):
                component = StandIn(component, self._tokenizing, Terms(part=name), methods=None)
            # Past the pipeline's own setter, which would enter the stand-ins into its configuration.
            pipeline.__dict__[name] = component
        pipeline.__dict__["scheduler"] = self._new_scheduler(scheduler)
        return pipeline

    def _new_scheduler(self, name: str | None) -> Any:
        own = self._pipeline.scheduler
        if name is None:
            # As good as new, for it was never run, and made five times faster than from its configuration.
            return copy.deepcopy(own)
        scheduler_type = getattr(diffusers, name, None)
        if scheduler_type is None:
            raise InvalidRequest(f"scheduler: diffusers has no {name}.", field="scheduler")
        return scheduler_type.from_config(own.config)
