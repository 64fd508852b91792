"""A diffusers pipeline for each job: the weights shared, everything that changes while a job runs its own."""

import copy
import threading
from dataclasses import replace
from typing import Any, Self

import diffusers
import torch
from brushwork_schemas.errors import InvalidRequest
from diffusers import SchedulerMixin

from brushwork_workers.batching.terms import Terms
from brushwork_workers.calls import Calls, DirectCalls, StandIn

# Called as a whole; a VAE by its methods as well.
_HEAVY = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "vae", "image_encoder")
_OF_A_VAE = ("encode", "decode")


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
        self._casts = _Casts(getattr(pipeline, "vae", None))

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
                component = self._stand_in(name, component, terms)
            elif name.startswith("tokenizer"):
                component = StandIn(component, self._tokenizing, Terms(part=name), methods=None)
            elif name != "scheduler" and isinstance(component, SchedulerMixin):
                component = copy.deepcopy(component)
            # Past the pipeline's own setter, which would enter the stand-ins into its configuration.
            pipeline.__dict__[name] = component
        pipeline.__dict__["scheduler"] = self._new_scheduler(scheduler)
        return pipeline

    def _stand_in(self, name: str, module: Any, terms: Terms) -> StandIn:
        if name == "vae":
            return _Autoencoder(module, self._calls, terms, self._casts)
        return StandIn(module, self._calls, terms)

    def _new_scheduler(self, name: str | None) -> Any:
        own = self._pipeline.scheduler
        if name is None:
            # As good as new, for it was never run, and made five times faster than from its configuration.
            return copy.deepcopy(own)
        scheduler_type = getattr(diffusers, name, None)
        if scheduler_type is None:
            raise InvalidRequest(f"scheduler: diffusers has no {name}.", field="scheduler")
        return scheduler_type.from_config(own.config)


class _Casts:
    """One module in several number formats, each made when a job first wants it."""

    def __init__(self, module: Any) -> None:
        self._made: dict[torch.dtype | None, Any] = {getattr(module, "dtype", None): module}
        self._own = module
        self._making = threading.Lock()

    def of(self, dtype: torch.dtype) -> Any:
        with self._making:
            if dtype not in self._made:
                self._made[dtype] = copy.deepcopy(self._own).to(dtype)
            return self._made[dtype]


class _Autoencoder(StandIn):
    """A stand-in for a VAE that its job may cast, and only for itself.

    Stable Diffusion XL casts a VAE in half precision to float32 around its calls, and back. The one that all
    jobs share stays as it is.
    """

    def __init__(self, module: Any, calls: Calls, terms: Terms, casts: _Casts) -> None:
        super().__init__(module, calls, terms, _OF_A_VAE)
        self.__dict__["_casts"] = casts

    def to(self, *args: Any, dtype: torch.dtype | None = None) -> Self:
        """Stand for the module in another number format; its device is everybody's."""
        wanted = next((value for value in args if isinstance(value, torch.dtype)), dtype)
        if wanted is not None:
            self.__dict__["_module"] = self._casts.of(wanted)
        return self
