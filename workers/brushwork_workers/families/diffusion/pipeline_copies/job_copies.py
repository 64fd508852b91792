"""A copy of a pipeline for each job. Copies share the weights; all state that a run changes is their own."""

import copy
import functools
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from torch import nn

from brushwork_workers.batching.call_options import Adapters, CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.pipeline_copies.component_proxies import (
    AutoencoderProxy,
    ComponentProxy,
    DtypeCopies,
    PreprocessorProxy,
    TextEncoderProxy,
    is_autoencoder,
)
from brushwork_workers.families.diffusion.pipeline_copies.module_state import copy_with_shared_weights
from brushwork_workers.families.diffusion.pipeline_copies.observation import (
    Isolation,
    Run,
    is_foreign,
    observe,
)
from brushwork_workers.families.diffusion.pipeline_copies.own_draws import OwnDraws
from brushwork_workers.families.diffusion.pipeline_copies.run_executor import RunExecutor
from brushwork_workers.families.diffusion.pipeline_copies.shared_parts import SharedParts
from brushwork_workers.families.diffusion.run_checks import RunChecks
from brushwork_workers.families.diffusion.schedulers import new_scheduler

LOGGER = logging.getLogger(__name__)
_TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
# The modules that adapters can change, besides those that a pipeline names itself.
_ADAPTABLE = ("unet", "transformer", *_TEXT_ENCODERS)


class PipelineCopies:
    """Makes copies of pipelines that share the same weights, for any pipeline of diffusers.

    A copy has proxies of all modules, tokenizers and processors, wherever the pipeline refers to them, also
    in pipelines inside of it. Everything else is copied: schedulers, guiders, image processors, and the inner
    pipelines themselves.

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
        self._parts: dict[int, tuple[Any, SharedParts]] = {}
        self._dtype_copies: dict[int, DtypeCopies] = {}
        self._isolation = Isolation()
        if pipeline is not None:
            self._parts_of(pipeline)

    @property
    def modules(self) -> list[nn.Module]:
        """All modules with weights of the loaded pipeline, and the copies of them in other number formats."""
        own = list(self._parts_of(self._pipeline).modules.values())
        return [*own, *(copied for each in own for copied in self._dtype_copies[id(each)].copies())]

    @property
    def has_foreign_modules(self) -> bool:
        """Whether a module has a class of no library whose modules are known."""
        return any(map(is_foreign, self._parts_of(self._pipeline).modules.values()))

    def observe(self, run: Run, original: Any = None) -> None:
        """Find out what keeps the jobs of a pipeline apart. Call it once, before any job runs.

        Args:
            run: Makes a copy with `new` for a job with the given seed, and runs it.
            original: The pipeline that it copies; by default the loaded one.

        Raises:
            ModelUnavailable: Its jobs cannot be kept apart.
        """
        parts = self._parts_of(self._pipeline if original is None else original)
        observe(self._options.model, parts.modules, self._isolation, run)

    def new(
        self,
        scheduler: str | None = None,
        pixels: int = 1,
        *,
        original: Any = None,
        adapters: Adapters | None = None,
        checks: RunChecks | None = None,
        seed: int | None = None,
    ) -> Any:
        """Return a copy with proxies of the heavy modules and its own scheduler.

        Args:
            scheduler: The name of a scheduler class of diffusers; by default that of the pipeline.
            pixels: The pixels of one picture that the copy will generate.
            original: A pipeline of another class with the same components; by default the loaded one.
            adapters: The adapters of the denoiser and the text encoders.
            checks: Checks the values of the run; None to check nothing.
            seed: The seed of the job, for draws from global random generators; None to leave these draws.

        Raises:
            InvalidRequest: diffusers has no such scheduler, or it does not fit the model.
        """
        original = self._pipeline if original is None else original
        parts = self._parts_of(original)
        draws = self._draws(seed, has_other_scheduler=scheduler is not None)
        options = replace(self._options, pixels_per_row=pixels, adapters=adapters)
        copied = _Copy(self._executor(draws, checks), options, checks, self._isolation, self._dtype_copies)
        memo: dict[int, Any] = {id(each): each for each in parts.frozen}
        for name, module in parts.modules.items():
            memo[id(module)] = copied.module(name, module, name in _adaptable(original))
        for name, component in parts.preprocessors.items():
            memo[id(component)] = copied.preprocessor(name, component, self._preprocessor_executor)
        own = getattr(self._pipeline, "scheduler", None)
        made = _scheduler(own, scheduler, self._pipeline)
        memo[id(own)] = made
        pipeline = _copy_of(original, memo)
        if made is not None:
            # A pipeline of another class may have been given a scheduler of its own.
            pipeline.__dict__["scheduler"] = made
        if draws is not None:
            pipeline.__dict__["_own_draws"] = draws
            kind: Any = type(pipeline)
            pipeline.__class__ = _with_own_draws(kind)
        return pipeline

    def _parts_of(self, original: Any) -> SharedParts:
        if id(original) not in self._parts:
            parts = SharedParts.of(original)
            for inner in parts.pipelines:
                inner.set_progress_bar_config(disable=True)
            for module in parts.modules.values():
                if id(module) not in self._dtype_copies:
                    self._dtype_copies[id(module)] = DtypeCopies(module)
                    if is_foreign(module):
                        self._isolation.own.add(id(module))
            # The number of an object is its own only as long as the object lives.
            self._parts[id(original)] = original, parts
        return self._parts[id(original)][1]

    def _draws(self, seed: int | None, *, has_other_scheduler: bool) -> OwnDraws | None:
        isolation = self._isolation
        if isolation.watch is not None:
            draws = OwnDraws(seed or 0, of_python=isolation.draws_of_python)
            isolation.watch.draws.append(draws)
            return draws
        # Some schedulers draw from global generators, and none but the model's own was observed.
        if seed is None or not (isolation.has_draws or has_other_scheduler):
            return None
        return OwnDraws(seed, of_python=isolation.draws_of_python)

    def _executor(self, draws: OwnDraws | None, checks: RunChecks | None) -> ModelExecutor:
        executor = self._model_executor if checks is None else checks.executor(self._model_executor)
        isolation = self._isolation
        if draws is None and not isolation.dependent:
            return executor
        return RunExecutor(executor, draws, isolation.drawing, isolation.dependent, isolation.watch)


class _Copy:
    """Makes the parts of the copy of one job."""

    def __init__(
        self,
        executor: ModelExecutor,
        options: CallOptions,
        checks: RunChecks | None,
        isolation: Isolation,
        dtype_copies: dict[int, DtypeCopies],
    ) -> None:
        self._executor = executor
        self._options = options
        self._checks = checks
        self._isolation = isolation
        self._dtype_copies = dtype_copies

    def module(self, name: str, module: nn.Module, is_adaptable: bool) -> ComponentProxy:
        """Return the proxy of a module."""
        copies, is_own = self._dtype_copies[id(module)], id(module) in self._isolation.own
        is_text_encoder = name in _TEXT_ENCODERS
        options = replace(
            self._options,
            part=name,
            adapters=self._options.adapters if is_adaptable else None,
            keeps_answers=is_text_encoder and not is_own and id(module) not in self._isolation.drawing,
        )
        module = copy_with_shared_weights(module) if is_own else module
        if is_autoencoder(module):
            return AutoencoderProxy(module, self._executor, options, copies, self._checks, is_own=is_own)
        proxy_class = TextEncoderProxy if is_text_encoder else ComponentProxy
        return proxy_class(module, self._executor, options, copies, is_own=is_own)

    def preprocessor(self, name: str, component: Any, executor: ModelExecutor) -> PreprocessorProxy:
        """Return the proxy of a tokenizer or processor."""
        counter = self._checks.tokens if self._checks is not None and name.startswith("tokenizer") else None
        return PreprocessorProxy(component, executor, name, counter)


def _adaptable(original: Any) -> tuple[str, ...]:
    return (*_ADAPTABLE, *getattr(original, "_lora_loadable_modules", ()))


def _scheduler(own: Any, name: str | None, pipeline: Any) -> Any:
    if own is not None:
        return new_scheduler(own, name)
    if name is not None:
        raise InvalidRequest(
            said("scheduler: {pipeline} has no scheduler.", pipeline=type(pipeline).__name__),
            field="scheduler",
            hint="Leave scheduler out.",
        )
    return None


def _copy_of(original: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of a pipeline, with the given replacements of some of its parts."""
    kind: Any = type(original)
    pipeline = kind.__new__(kind)
    memo[id(original)] = pipeline
    for name, value in vars(original).items():
        try:
            # Not through the setter of the pipeline, which would write the proxies into its configuration.
            pipeline.__dict__[name] = copy.deepcopy(value, memo)
        # Anything may refuse to be copied. It is shared then, and an observation tells whether that is safe.
        except Exception as error:
            LOGGER.debug("%s.%s cannot be copied: %r", type(original).__name__, name, error)
            pipeline.__dict__[name] = value
    return pipeline


@functools.cache
def _with_own_draws(kind: Any) -> Any:
    """Return a pipeline class whose calls draw from the job's own generators."""
    call: Callable[..., Any] = kind.__call__

    @functools.wraps(call)
    def drawing(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.__dict__["_own_draws"]:
            return call(self, *args, **kwargs)

    return type(kind.__name__, (kind,), {"__call__": drawing, "__module__": kind.__module__})
