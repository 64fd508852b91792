"""Replacements of the shared parts of a pipeline in the copy of one job."""

import copy
import itertools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import nn

from brushwork_workers.batching.arguments import owner_of
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, ModuleProxy
from brushwork_workers.families.diffusion.pipeline_copies.module_state import copy_with_shared_weights
from brushwork_workers.families.diffusion.prompt_tokens import TokenCounter, chunk_of
from brushwork_workers.families.diffusion.run_checks import RunChecks

AUTOENCODER_METHODS = ("encode", "decode")
_UNSHARED = itertools.count()


class UnsharedCall:
    """A function whose calls share no batch with any other call.

    Args:
        function: A module, or a bound method of one.
        around: Surrounds the call, in the thread that runs it.
        owner: The module; by default the one of the function.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
        owner: Any = None,
    ) -> None:
        self._function = function
        self._around = around
        # The owner and the name of a function tell the batcher which calls are alike.
        self.__self__ = owner_of(function) if owner is None else owner
        self.__name__ = f"{getattr(function, '__name__', '')} unshared {next(_UNSHARED)}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        with self._around():
            return self._function(*args, **kwargs)


class ComponentProxy(ModuleProxy):
    """Replaces a module of a pipeline in the copy of one job.

    The job may set attributes of it and change its number format. It then gets a copy of the module with the
    same weights, so other jobs do not notice.

    Args:
        module: The module.
        model_executor: Runs its calls.
        options: Options of these calls.
        dtype_copies: Copies of the module in other number formats.
        methods: Methods whose calls share batches, besides the call itself.
        is_own: Whether no other job has this module.
    """

    def __init__(
        self,
        module: Any,
        model_executor: ModelExecutor,
        options: CallOptions,
        dtype_copies: "DtypeCopies",
        methods: tuple[str, ...] = (),
        *,
        is_own: bool = False,
    ) -> None:
        super().__init__(module, model_executor, options, methods)
        self.__dict__.update(_dtype_copies=dtype_copies, _is_own=is_own)

    def __setattr__(self, name: str, value: Any) -> None:
        if not self._is_own:
            self.__dict__.update(_module=copy_with_shared_weights(self._module), _is_own=True)
        setattr(self._module, name, value)

    def __getattr__(self, name: str) -> Any:
        own = super().__getattr__(name)
        return partial(self._call, UnsharedCall(own)) if _computes(name) and callable(own) else own

    def to(self, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Self:
        """Use a copy of the module in another number format. The device does not change."""
        wanted = next((value for value in args if isinstance(value, torch.dtype)), dtype)
        if wanted is not None and wanted is not getattr(self._module, "dtype", None):
            # Not in place: the weights of a copy for one job are those of all jobs, too.
            is_own = self._is_own
            cast = copy.deepcopy(self._module).to(wanted) if is_own else self._dtype_copies.in_dtype(wanted)
            self.__dict__["_module"] = cast
        return self


class TextEncoderProxy(ComponentProxy):
    """A proxy of a text encoder that also has the attribute `text_model`.

    For `clip_skip`, the Stable Diffusion pipelines of diffusers 0.42 use `text_model.final_layer_norm`. In
    transformers 5, `CLIPTextModel` has no `text_model`: the layers belong to the model itself.
    """

    def __init__(
        self, module: Any, model_executor: ModelExecutor, options: CallOptions, *rest: Any, **named: Any
    ) -> None:
        super().__init__(module, model_executor, options, *rest, **named)
        plain = replace(options, adapters=None)
        self.__dict__["_layers"] = ModuleProxy(module, model_executor, plain, methods=("final_layer_norm",))

    def __getattr__(self, name: str) -> Any:
        if name == "text_model" and not hasattr(self._module, name):
            return self._layers
        return super().__getattr__(name)


class AutoencoderProxy(ComponentProxy):
    """A proxy of an autoencoder, whose answers are checked.

    Stable Diffusion XL casts a half-precision VAE to float32 before its calls, and back after them. The
    shared VAE stays unchanged. A half-precision VAE whose values overflow is called once more in float32.

    Args:
        module: The autoencoder.
        model_executor: Runs its calls.
        options: Options of these calls.
        dtype_copies: Copies of the module in other number formats.
        checks: Checks the answers; None to check nothing.
        is_own: Whether no other job has this module.
    """

    def __init__(
        self,
        module: Any,
        model_executor: ModelExecutor,
        options: CallOptions,
        dtype_copies: "DtypeCopies",
        checks: RunChecks | None,
        *,
        is_own: bool = False,
    ) -> None:
        super().__init__(module, model_executor, options, dtype_copies, AUTOENCODER_METHODS, is_own=is_own)
        self.__dict__["_checks"] = checks

    def __getattr__(self, name: str) -> Any:
        own = super().__getattr__(name)
        is_checked = name in AUTOENCODER_METHODS and self._checks is not None
        return partial(self._checked, name, own) if is_checked else own

    def _checked(self, name: str, method: Callable[..., Any], values: Any, *args: Any, **kwargs: Any) -> Any:
        def in_float32() -> Any:
            larger = getattr(self._dtype_copies.in_dtype(torch.float32), name)
            return self._call(larger, values.float(), *args, **kwargs)

        answer = method(values, *args, **kwargs)
        return self._checks.autoencoder_answer(values, answer, self._module, in_float32)


class DtypeCopies:
    """Copies of a module in several number formats, made when they are first needed.

    The float32 copy of a half-precision VAE with `force_upcast` is made at once, because every run needs it.

    Args:
        module: The module.
    """

    def __init__(self, module: nn.Module) -> None:
        self._own = module
        self._by_dtype: dict[torch.dtype | None, Any] = {getattr(module, "dtype", None): module}
        self._lock = threading.Lock()
        config = getattr(module, "config", None)
        if getattr(module, "dtype", None) is torch.float16 and getattr(config, "force_upcast", False):
            self.in_dtype(torch.float32)

    def in_dtype(self, dtype: torch.dtype) -> Any:
        """Return the copy in a number format, or the module itself if it has this format."""
        with self._lock:
            if dtype not in self._by_dtype:
                self._by_dtype[dtype] = copy.deepcopy(self._own).to(dtype)
            return self._by_dtype[dtype]

    def copies(self) -> list[Any]:
        """Return all copies so far."""
        return [made for made in self._by_dtype.values() if made is not self._own]


class PreprocessorProxy(ModuleProxy):
    """A proxy of a tokenizer or processor that runs one call at a time.

    Attributes that a job sets apply only to calls of that job. The pipeline of Sana, for example, sets the
    padding side of its tokenizer. The attribute `chunk` is the number of the chunk of a long prompt that the
    calls of a tokenizer return; see `chunk_of`.

    Args:
        component: The tokenizer or processor.
        model_executor: Runs its calls.
        part: Its name.
        counter: Finds prompts that it has cut; None to find none.
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

    def __len__(self) -> int:
        """Return the number of tokens of a tokenizer."""
        return len(self._module)

    def __bool__(self) -> bool:
        """Return True: only tokenizers have a length."""
        return True

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


def is_autoencoder(module: nn.Module) -> bool:
    """Return whether a module encodes and decodes."""
    return all(callable(getattr(module, name, None)) for name in AUTOENCODER_METHODS)


def _computes(name: str) -> bool:
    """Return whether a method computes much, by the names that transformers and diffusers use."""
    return name == "generate" or name.startswith(
        ("get_text_features", "get_image_features", "encode_", "decode_")
    )
