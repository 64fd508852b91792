"""A diffusers pipeline for each job: the weights shared, everything that changes while a job runs its own."""

import copy
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from diffusers import SchedulerMixin

from brushwork_workers.batching.call_options import Adapters, CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, ModuleProxy, SerialExecutor
from brushwork_workers.families.diffusion.schedulers import new_scheduler

_TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
# What adapters change.
_ADAPTABLE = ("unet", "transformer", *_TEXT_ENCODERS)
# Called as a whole; a VAE by its methods as well.
_BATCHED = (*_ADAPTABLE, "vae", "image_encoder", "controlnet", "safety_checker")
_VAE_METHODS = ("encode", "decode")
_PREPROCESSORS = ("tokenizer", "feature_extractor", "processor")


class PipelineCopies:
    """Hands out shallow copies of pipelines that are made of the same components, of any family.

    Args:
        pipeline: A loaded `DiffusionPipeline`; it is never run itself.
        model_executor: Through which the heavy modules are called.
        options: On what terms; part, pixels and adapters are filled in here.
    """

    def __init__(self, pipeline: Any, model_executor: ModelExecutor, options: CallOptions) -> None:
        self._pipeline = pipeline
        self._model_executor = model_executor
        self._options = options
        # Every method of a fast tokenizer may set the padding that another thread's call is about to use.
        self._preprocessor_executor = SerialExecutor()
        self._dtype_copies = _DtypeCopies(getattr(pipeline, "vae", None))

    @property
    def modules(self) -> list[torch.nn.Module]:
        """All that hold weights."""
        components = self._pipeline.components.values()
        own = [each for each in components if isinstance(each, torch.nn.Module)]
        return [*own, *self._dtype_copies.copies()]

    def new(
        self,
        scheduler: str | None = None,
        pixels: int = 1,
        *,
        original: Any = None,
        adapters: Adapters | None = None,
    ) -> Any:
        """A copy with stand-ins for the heavy modules, and a scheduler of its own.

        Args:
            scheduler: A scheduler class of diffusers; by default the pipeline's own.
            pixels: Of one picture that it will make.
            original: A pipeline of another class, made of the same components; by default the loaded one.
            adapters: The state in which the denoiser and the text encoders are to be.

        Raises:
            InvalidRequest: diffusers has no such class, or it does not suit the model.
        """
        original = self._pipeline if original is None else original
        options = replace(self._options, pixels_per_row=pixels, adapters=adapters)
        pipeline = copy.copy(original)
        for name, component in original.components.items():
            if component is not None and name != "scheduler":
                # Past the pipeline's own setter, which would enter the stand-ins into its configuration.
                pipeline.__dict__[name] = self._own(name, component, options)
        pipeline.__dict__["scheduler"] = new_scheduler(self._pipeline.scheduler, scheduler)
        return pipeline

    def _own(self, name: str, component: Any, options: CallOptions) -> Any:
        """What a job has in place of a component."""
        if name == "vae":
            options = replace(options, part=name, adapters=None)
            return _AutoencoderProxy(component, self._model_executor, options, self._dtype_copies)
        if name in _BATCHED:
            adapters = options.adapters if name in _ADAPTABLE else None
            proxy_class = _TextEncoderProxy if name in _TEXT_ENCODERS else ModuleProxy
            return proxy_class(
                component, self._model_executor, replace(options, part=name, adapters=adapters)
            )
        if name.startswith(_PREPROCESSORS):
            return _PreprocessorProxy(component, self._preprocessor_executor, name)
        return copy.deepcopy(component) if isinstance(component, SchedulerMixin) else component


class _PreprocessorProxy(ModuleProxy):
    """A stand-in for a tokenizer or a processor, one call at a time; a job may set attributes for itself.

    Sana sets the side on which its tokenizer pads.
    """

    def __init__(self, component: Any, model_executor: ModelExecutor, part: str) -> None:
        super().__init__(component, model_executor, CallOptions(part=part), methods=None)
        self.__dict__["_overrides"] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        self._overrides[name] = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the component, with what the job has set."""
        return self._call(self._with_overrides, self._module, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["_overrides"]:
            return self.__dict__["_overrides"][name]
        own = getattr(self._module, name)
        return partial(self._call, self._with_overrides, own) if callable(own) else own

    def _with_overrides(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        previous = {name: getattr(self._module, name) for name in self._overrides}
        try:
            for name, value in self._overrides.items():
                setattr(self._module, name, value)
            return function(*args, **kwargs)
        finally:
            for name, value in previous.items():
                setattr(self._module, name, value)


class _TextEncoderProxy(ModuleProxy):
    """A stand-in for a text encoder that has its layers where Stable Diffusion looks for them.

    To skip the last of them its pipelines (diffusers 0.42) take `text_model.final_layer_norm`; in
    transformers 5 a `CLIPTextModel` is itself what it had under that name.
    """

    def __init__(self, module: Any, model_executor: ModelExecutor, options: CallOptions) -> None:
        super().__init__(module, model_executor, options)
        plain = replace(options, adapters=None)
        self.__dict__["_layers"] = ModuleProxy(module, model_executor, plain, methods=("final_layer_norm",))

    def __getattr__(self, name: str) -> Any:
        if name == "text_model" and not hasattr(self._module, name):
            return self._layers
        return super().__getattr__(name)


class _DtypeCopies:
    """A VAE in several number formats: at once in those that its pipelines will want, else when one does."""

    def __init__(self, module: Any) -> None:
        self._own = module
        self._by_dtype: dict[torch.dtype | None, Any] = {getattr(module, "dtype", None): module}
        self._lock = threading.Lock()
        if getattr(module, "dtype", None) is torch.float16 and getattr(module.config, "force_upcast", False):
            self.in_dtype(torch.float32)

    def in_dtype(self, dtype: torch.dtype) -> Any:
        with self._lock:
            if dtype not in self._by_dtype:
                self._by_dtype[dtype] = copy.deepcopy(self._own).to(dtype)
            return self._by_dtype[dtype]

    def copies(self) -> list[Any]:
        return [made for made in self._by_dtype.values() if made is not self._own]


class _AutoencoderProxy(ModuleProxy):
    """A stand-in for a VAE that its job may cast, and only for itself.

    Stable Diffusion XL casts a VAE in half precision to float32 around its calls, and back. The one that all
    jobs share stays as it is.
    """

    def __init__(
        self, module: Any, model_executor: ModelExecutor, options: CallOptions, dtype_copies: _DtypeCopies
    ) -> None:
        super().__init__(module, model_executor, options, _VAE_METHODS)
        self.__dict__["_dtype_copies"] = dtype_copies

    def to(self, *args: Any, dtype: torch.dtype | None = None) -> Self:
        """Stand for the module in another number format; its device is everybody's."""
        wanted_dtype = next((value for value in args if isinstance(value, torch.dtype)), dtype)
        if wanted_dtype is not None:
            self.__dict__["_module"] = self._dtype_copies.in_dtype(wanted_dtype)
        return self
