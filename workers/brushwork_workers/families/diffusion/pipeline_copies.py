"""A copy of a pipeline for each job. Copies share the weights; all state that a run changes is their own."""

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
from brushwork_workers.families.diffusion.prompt_tokens import TokenCounter, chunk_of
from brushwork_workers.families.diffusion.run_checks import RunChecks
from brushwork_workers.families.diffusion.schedulers import new_scheduler

_TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
# The modules that adapters can change.
_ADAPTABLE = ("unet", "transformer", *_TEXT_ENCODERS)
# The modules whose calls run in batches. A VAE is called by its methods.
_BATCHED = (*_ADAPTABLE, "vae", "image_encoder", "controlnet", "safety_checker")
_VAE_METHODS = ("encode", "decode")
_PREPROCESSORS = ("tokenizer", "feature_extractor", "processor")


class PipelineCopies:
    """Makes shallow copies of pipelines that share the same components, for any family.

    Args:
        pipeline: The loaded `DiffusionPipeline`. It is never run itself.
        model_executor: Runs the calls of the heavy modules.
        options: Options of these calls. Part, pixels and adapters are set for each copy.
    """

    def __init__(self, pipeline: Any, model_executor: ModelExecutor, options: CallOptions) -> None:
        self._pipeline = pipeline
        self._model_executor = model_executor
        self._options = options
        # One call at a time: a fast tokenizer keeps its padding as state, and every method may change it.
        self._preprocessor_executor = SerialExecutor()
        self._dtype_copies = _DtypeCopies(getattr(pipeline, "vae", None))

    @property
    def modules(self) -> list[torch.nn.Module]:
        """All modules with weights."""
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
        checks: RunChecks | None = None,
    ) -> Any:
        """Return a copy with proxies of the heavy modules and its own scheduler.

        Args:
            scheduler: The name of a scheduler class of diffusers; by default that of the pipeline.
            pixels: The pixels of one picture that the copy will generate.
            original: A pipeline of another class with the same components; by default the loaded one.
            adapters: The adapters of the denoiser and the text encoders.
            checks: Checks the values of the run; None to check nothing.

        Raises:
            InvalidRequest: diffusers has no such scheduler, or it does not fit the model.
        """
        original = self._pipeline if original is None else original
        options = replace(self._options, pixels_per_row=pixels, adapters=adapters)
        pipeline = copy.copy(original)
        for name, component in original.components.items():
            if component is not None and name != "scheduler":
                # Not through the setter of the pipeline, which would write the proxies into its
                # configuration.
                pipeline.__dict__[name] = self._own(name, component, options, checks)
        pipeline.__dict__["scheduler"] = new_scheduler(self._pipeline.scheduler, scheduler)
        return pipeline

    def _own(self, name: str, component: Any, options: CallOptions, checks: RunChecks | None) -> Any:
        """Return the proxy or copy of a component that a job uses."""
        executor = self._model_executor if checks is None else checks.executor(self._model_executor)
        if name == "vae":
            options = replace(options, part=name, adapters=None)
            return _AutoencoderProxy(component, executor, options, self._dtype_copies, checks)
        if name in _BATCHED:
            adapters = options.adapters if name in _ADAPTABLE else None
            own = replace(options, part=name, adapters=adapters, keeps_answers=name in _TEXT_ENCODERS)
            proxy_class = _TextEncoderProxy if name in _TEXT_ENCODERS else ModuleProxy
            return proxy_class(component, executor, own)
        if name.startswith(_PREPROCESSORS):
            counter = checks.tokens if checks is not None and name.startswith("tokenizer") else None
            return _PreprocessorProxy(component, self._preprocessor_executor, name, counter)
        return copy.deepcopy(component) if isinstance(component, SchedulerMixin) else component


class _PreprocessorProxy(ModuleProxy):
    """A proxy of a tokenizer or processor that runs one call at a time.

    Attributes that a job sets apply only to calls of that job. The pipeline of Sana, for example, sets the
    padding side of its tokenizer. The attribute `chunk` is the number of the chunk of a long prompt that the
    calls of a tokenizer return; see `chunk_of`.
    """

    def __init__(
        self, component: Any, model_executor: ModelExecutor, part: str, counter: TokenCounter | None = None
    ) -> None:
        super().__init__(component, model_executor, CallOptions(part=part), methods=None)
        self.__dict__.update(_overrides={}, _part=part, _counter=counter, _chunk=None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "chunk":
            self.__dict__["_chunk"] = value
        else:
            self._overrides[name] = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the component with the attributes that the job has set."""
        if self._chunk is not None:
            texts = [args[0]] if isinstance(args[0], str) else args[0]
            return self._call(self._with_overrides, chunk_of, self._module, texts, self._chunk)
        answer = self._call(self._with_overrides, self._module, *args, **kwargs)
        if self._counter is not None and args:
            self._call(self._with_overrides, self._counter.check, self._part, self._module, args[0], kwargs)
        return answer

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
    """A proxy of a text encoder that also has the attribute `text_model`.

    For `clip_skip`, the Stable Diffusion pipelines of diffusers 0.42 use `text_model.final_layer_norm`. In
    transformers 5, `CLIPTextModel` has no `text_model`: the layers belong to the model itself.
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
    """Copies of a VAE in several number formats, made when they are first needed.

    The float32 copy of a half-precision VAE with `force_upcast` is made at once, because every run needs it.
    """

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
    """A proxy of a VAE whose number format a job can change without affecting other jobs.

    Stable Diffusion XL casts a half-precision VAE to float32 before its calls, and back after them. The
    shared VAE stays unchanged. A half-precision VAE whose values overflow is called once more in float32.
    """

    def __init__(
        self,
        module: Any,
        model_executor: ModelExecutor,
        options: CallOptions,
        dtype_copies: _DtypeCopies,
        checks: RunChecks | None,
    ) -> None:
        super().__init__(module, model_executor, options, _VAE_METHODS)
        self.__dict__.update(_dtype_copies=dtype_copies, _checks=checks)

    def __getattr__(self, name: str) -> Any:
        own = super().__getattr__(name)
        is_checked = name in _VAE_METHODS and self._checks is not None
        return partial(self._checked, name, own) if is_checked else own

    def _checked(self, name: str, method: Callable[..., Any], values: Any, *args: Any, **kwargs: Any) -> Any:
        def in_float32() -> Any:
            larger = getattr(self._dtype_copies.in_dtype(torch.float32), name)
            return self._call(larger, values.float(), *args, **kwargs)

        answer = method(values, *args, **kwargs)
        return self._checks.autoencoder_answer(values, answer, self._module, in_float32)

    def to(self, *args: Any, dtype: torch.dtype | None = None) -> Self:
        """Use a copy of the module in another number format. The device does not change."""
        wanted_dtype = next((value for value in args if isinstance(value, torch.dtype)), dtype)
        if wanted_dtype is not None:
            self.__dict__["_module"] = self._dtype_copies.in_dtype(wanted_dtype)
        return self
