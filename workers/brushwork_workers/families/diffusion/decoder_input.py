"""What a running pipeline would give to its decoder now: what its call does after the denoising steps.

Each pipeline unpacks, scales and shifts its latents in its own way, in the last lines of its call. These
lines are run on a copy of the pipeline whose decoder only keeps what it is given.
"""

import ast
import copy
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor


class DecoderInput(Exception):
    """What the decoder was given.

    Args:
        latents: The latents.
    """

    def __init__(self, latents: Tensor) -> None:
        super().__init__()
        self.latents = latents


class _Decoder:
    """Takes the place of a module: it keeps what it would decode, and computes nothing."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def decode(self, latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Stop with the latents."""
        raise DecoderInput(latents)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Stop: a preview must not cost as much as a step."""
        raise NotImplementedError("a module in place of the decoder")


def decoder_input(predicted: Tensor | None) -> Tensor | None:
    """Return what the pipeline that is running in this thread would decode now; None if it decodes nothing.

    Call it from a callback of the pipeline, or from its scheduler.

    Args:
        predicted: The clean latents that the last step has predicted, if they are known.

    Raises:
        Exception: The rest of the call needs something that a preview does not have.
    """
    frame = _running_call(sys._getframe())
    if frame is None:
        return None
    values = dict(frame.f_locals)
    pipeline = copy.copy(values["self"])
    for name, component in pipeline.components.items():
        # Proxies of modules have the class of the module.
        if isinstance(component, torch.nn.Module):
            pipeline.__dict__[name] = _Decoder(component)
    values["self"] = pipeline
    latents = values.get("latents")
    if predicted is not None and isinstance(latents, Tensor) and latents.shape == predicted.shape:
        values["latents"] = predicted.to(latents)
    code = frame.f_code
    call = inspect.unwrap(type(pipeline).__call__)
    rest = _rest_of(call, code, frame.f_lineno, tuple(values))
    try:
        with torch.no_grad():
            rest(**values)
    except DecoderInput as found:
        return found.latents
    return None


def _running_call(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame that is the call of a pipeline."""
    while frame is not None:
        owner = frame.f_locals.get("self") if frame.f_code.co_name == "__call__" else None
        if isinstance(owner, DiffusionPipeline):
            return frame
        frame = frame.f_back
    return None


@cache
def _rest_of(call: Any, code: CodeType, line: int, names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function of the statements of a call after the one that contains a line."""
    source, first = inspect.getsourcelines(call)
    tree = ast.parse(textwrap.dedent("".join(source))).body[0]
    assert isinstance(tree, ast.FunctionDef)  # noqa: S101 - for the type checker
    within = line - first + 1
    body = [each for each in tree.body if each.lineno > within]
    arguments = ast.arguments(
        posonlyargs=[],
        args=[],
        kwonlyargs=[ast.arg(name) for name in names],
        kw_defaults=[None] * len(names),
        defaults=[],
    )
    rest = ast.FunctionDef(name="rest", args=arguments, body=body or [ast.Pass()], decorator_list=[])
    module = ast.fix_missing_locations(ast.Module(body=[rest], type_ignores=[]))
    found: dict[str, Any] = {}
    exec(compile(module, code.co_filename, "exec"), call.__globals__, found)  # noqa: S102 - diffusers' own code
    function: Callable[..., Any] = found["rest"]
    return function
