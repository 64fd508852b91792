"""Checks of the values of one pipeline run, and the search for the part whose values are not finite.

A run checks only what its autoencoder returns. If that is wrong, the pipeline runs once more, and the output
of every part is checked.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from brushwork_schemas.errors import NotFinite
from brushwork_schemas.warnings import ResultWarning, result_warning
from brushwork_schemas.wording.phrase import said
from torch import Tensor
from torch.utils import _pytree as pytree

from brushwork_workers.batching.arguments import owner_of
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.families.diffusion.prompt_tokens import TokenCounter
from brushwork_workers.families.finite import is_finite, not_finite

LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")
HALF_PRECISION = (torch.float16, torch.bfloat16)
# What the job does itself between the calls of the parts: guidance and the steps of the scheduler.
DENOISING = "denoising"
_NAMES = {
    "unet": "UNet",
    "vae": "VAE",
    "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder",
    "text_encoder_3": "third text encoder",
    "image_encoder": "image encoder",
    "controlnet": "ControlNet",
    "safety_checker": "safety checker",
}


class WrongValues(Exception):
    """Values of a run are not finite.

    Args:
        part: The part that computed them; None if it is not known yet.
        module: The module of the part.
    """

    def __init__(self, part: str | None, module: Any = None) -> None:
        super().__init__(part)
        self.part = part
        self.module = module

    def error(self, model: str) -> NotFinite:
        """Return the error of the job."""
        if self.part == DENOISING:
            return NotFinite(
                said(
                    "The denoising steps of {model} computed values that are not finite. The values of all "
                    "its parts are finite.",
                    model=model,
                ),
                fault="caller",
                field="guidance_scale",
                hint="Use a smaller guidance_scale, or leave scheduler out.",
            )
        part = self.part or "pipeline"
        return not_finite(model, _NAMES.get(part, part), self.module)


class RunChecks:
    """The checks of one run.

    Args:
        warn: Called with a warning for the result.
        prompts: The texts of the request by field. Tokens that are left out are told of.
        is_search: Whether the output of every part is checked.
    """

    def __init__(
        self,
        warn: Callable[[ResultWarning], None],
        prompts: Mapping[str, str],
        *,
        is_search: bool = False,
    ) -> None:
        self.warn = warn
        self.tokens = TokenCounter(prompts, warn)
        self._is_search = is_search

    def executor(self, own: ModelExecutor) -> ModelExecutor:
        """Return what runs the calls of the parts."""
        return _SearchingExecutor(own) if self._is_search else own

    def autoencoder_answer(self, values: Any, answer: Any, module: Any, in_float32: Callable[[], Any]) -> Any:
        """Return the answer of an autoencoder, or that of its float32 copy if only that one is finite.

        Args:
            values: What the autoencoder was given.
            answer: What it returned.
            module: The autoencoder.
            in_float32: Runs the call again in float32.

        Raises:
            WrongValues: The values are not finite.
        """
        if is_finite(answer):
            return answer
        if not is_finite(values):
            raise WrongValues(DENOISING if self._is_search else None)
        dtype = getattr(module, "dtype", None)
        if dtype in HALF_PRECISION:
            again = _converted(in_float32(), dtype)
            if is_finite(again):
                self.warn(result_warning("vae_float32", dtype=str(dtype).removeprefix("torch.")))
                return again
        raise WrongValues("vae", module)


def run_checked(
    run: Callable[[RunChecks], Any],
    *,
    model: str,
    prompts: Mapping[str, str],
    warn: Callable[[ResultWarning], None],
    without_adapters: Callable[[RunChecks], Any] | None = None,
) -> Any:
    """Run a pipeline and return its output, whose values are finite.

    Args:
        run: Runs the pipeline with the given checks. It may be called a second time.
        model: The name of the model.
        prompts: The texts of the request by field.
        warn: Called with a warning for the result.
        without_adapters: Like `run`, but without the adapters of the job, if it has any.

    Raises:
        NotFinite: The values are not finite. The error names the part that is the cause.
    """
    try:
        return run(RunChecks(warn, prompts))
    except WrongValues as wrong:
        found = wrong
    if found.part is None:
        LOGGER.warning("%s computed values that are not finite; it runs again to find the part", model)
        try:
            return run(RunChecks(warn, prompts, is_search=True))
        except WrongValues as wrong:
            found = wrong
    if without_adapters is not None and _is_finite_run(without_adapters):
        raise NotFinite(
            said(
                "With these adapters, {model} computes values that are not finite; without them it does not.",
                model=model,
            ),
            fault="caller",
            field="loras",
            hint="Use smaller weights, fewer adapters, or another adapter.",
        )
    raise found.error(model)


def _is_finite_run(run: Callable[[RunChecks], Any]) -> bool:
    try:
        run(RunChecks(lambda warning: None, {}, is_search=True))
    except WrongValues:
        return False
    return True


class _SearchingExecutor:
    """A `ModelExecutor` that checks the values of every call of a part."""

    def __init__(self, own: ModelExecutor) -> None:
        self._own = own

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a call and check its answer. An autoencoder is checked by `RunChecks.autoencoder_answer`."""
        answer = self._own.call(options, function, *args, **kwargs)
        if options.part != "vae" and not is_finite(answer):
            # Every answer before was finite, so wrong values were computed between the calls.
            is_given = not is_finite(_first_tensor((args, kwargs)))
            raise WrongValues(DENOISING) if is_given else WrongValues(options.part, owner_of(function))
        return answer

    def job(self, *args: Any, **kwargs: Any) -> AbstractContextManager[None]:
        """Surround the calls of a job."""
        return self._own.job(*args, **kwargs)

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a function that makes many calls."""
        return self._own.run(function)

    def run_beside(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Run functions of the current job at once."""
        return self._own.run_beside(functions, on_done=on_done)

    def close(self) -> None:
        """Do nothing: the executor belongs to the worker."""


def _first_tensor(arguments: Any) -> Tensor | None:
    # Others may be masks, which hold infinities on purpose.
    leaves = pytree.tree_leaves(arguments)
    tensors = (leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point())
    return next(tensors, None)


def _converted(value: Any, dtype: torch.dtype) -> Any:
    leaves, spec = pytree.tree_flatten(value)
    converted = [leaf.to(dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    return pytree.tree_unflatten(converted, spec)
