"""Which kinds of job a pipeline class of diffusers serves, by its call and by diffusers' own tables."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

import diffusers
from diffusers.utils.outputs import BaseOutput

from brushwork_workers.models.description.call_signature import (
    ARGUMENTS,
    DENOISERS,
    call_parameters,
    control_argument,
    picture_argument,
)
from brushwork_workers.models.description.pipeline_tables import class_names_by_kind, paired

TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINTING = "text-to-image", "image-to-image", "inpainting"
IMAGE_EDITING = "image-editing"
TEXT_TO_VIDEO, IMAGE_TO_VIDEO = "text-to-video", "image-to-video"
# How diffusers names the class of another kind with the same components.
_SUFFIXES = {TEXT_TO_IMAGE: "", IMAGE_TO_IMAGE: "Img2Img", INPAINTING: "Inpaint"}
PICTURES, FRAMES = frozenset({"image", "images"}), frozenset({"frames", "video"})
# Arguments without a default that a request can fill in.
_FILLED = frozenset({"prompt", "mask_image", "control_image", *ARGUMENTS["images"], *ARGUMENTS["num_frames"]})

# Arguments that a pipeline of text cannot do without, although they have a default; `frame_size` is that of
# views of an object in three dimensions.
_UNFILLED = frozenset({"mask_image", "control_mask", "source_embeds", "frame_size"})


def kinds_of(pipeline_class: type) -> tuple[str, ...]:
    """Return the kinds that a pipeline class serves itself; none if a request cannot fill its arguments."""
    if missing_packages(pipeline_class):
        return ()
    known = call_parameters(pipeline_class)
    required = {
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    if required - _FILLED:
        return ()
    outputs, picture = output_fields(pipeline_class), picture_argument(pipeline_class)
    if outputs & FRAMES or any(name in known for name in ARGUMENTS["num_frames"]):
        return _kinds_of_video(pipeline_class, picture, required)
    if not outputs & PICTURES and not (not outputs and "num_images_per_prompt" in known):
        return ()
    if "prompt" not in known or _is_upscaler(pipeline_class):
        return ()
    if picture is None:
        return () if known.keys() & _UNFILLED else (TEXT_TO_IMAGE,)
    if "mask_image" in known:
        return (INPAINTING,)
    if "strength" in known:
        return (IMAGE_TO_IMAGE,)
    return (TEXT_TO_IMAGE, IMAGE_EDITING) if _works_without(pipeline_class, picture) else (IMAGE_EDITING,)


def missing_packages(pipeline_class: Any) -> tuple[str, ...]:
    """Return the packages without which diffusers offers only a placeholder of a class."""
    return tuple(getattr(pipeline_class, "_backends", ()))


def classes_by_kind(pipeline_class: type, component_names: frozenset[str]) -> dict[str, type]:
    """Return the pipeline class for each kind that the components of a pipeline can serve.

    Args:
        pipeline_class: The class that the folder of the model names.
        component_names: The names of the components that the model has.
    """
    found = dict.fromkeys(kinds_of(pipeline_class), pipeline_class)
    for kind in class_names_by_kind():
        names = paired(pipeline_class.__name__, kind), _of_same_name(pipeline_class, kind)
        for candidate in (getattr(diffusers, name, None) for name in names if name is not None):
            if isinstance(candidate, type) and needed_components(candidate) <= component_names:
                found |= {own: candidate for own in kinds_of(candidate) if own not in found}
    return found


@cache
def with_controlnet(class_name: str) -> type | None:
    """Return the class that does what another pipeline class does, and follows a ControlNet; else None.

    A class that takes a mask without a strength is left out: it gives the masked picture to the ControlNet,
    which has to be trained for that.

    Args:
        class_name: The name of the other class.
    """
    plain = getattr(diffusers, class_name)
    if control_argument(plain) is not None:
        return None
    names = [name for name in dir(diffusers) if "ControlNet" in name and name.endswith("Pipeline")]
    found = [getattr(diffusers, name) for name in names if name.replace("ControlNet", "") == class_name]
    wanted = {"strength"} & call_parameters(plain).keys()
    return next((each for each in found if wanted <= call_parameters(each).keys()), None)


def missing_settings(pipeline: Any) -> list[str]:
    """Return settings of the denoiser that the call of a pipeline reads, and that the denoiser does not have.

    Some classes of diffusers were copied from another architecture and fail with their own.

    Args:
        pipeline: A pipeline without weights.
    """
    tree = _parsed(inspect.unwrap(type(pipeline).__call__))
    found = []
    for node in ast.walk(tree):
        path = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else []
        if len(path) == 4 and path[0] == "self" and path[1] in DENOISERS and path[2] == "config":
            config = getattr(getattr(pipeline, path[1], None), "config", None)
            if config and not hasattr(config, path[3]):
                found.append(".".join(path[1:]))
    return found


def needed_components(pipeline_class: Any) -> frozenset[str]:
    """Return the names of the components that a pipeline class cannot be without."""
    parameters = inspect.signature(pipeline_class.__init__).parameters
    optional = set(getattr(pipeline_class, "_optional_components", ()))
    return frozenset(
        name
        for name, parameter in parameters.items()
        if name not in ("self", "args", "kwargs")
        and parameter.default is parameter.empty
        and name not in optional
    )


@cache
def output_fields(pipeline_class: type) -> frozenset[str]:
    """Return the fields of what a pipeline returns, such as `images`; none if they are not known."""
    call = inspect.unwrap(pipeline_class.__call__)
    tree = _parsed(call)
    names = (
        {node.id for node in ast.walk(tree.returns) if isinstance(node, ast.Name)} if tree.returns else set()
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
            names |= {found.id for found in ast.walk(node.value.func) if isinstance(found, ast.Name)}
    types = [call.__globals__.get(name) for name in names]
    outputs = [each for each in types if isinstance(each, type) and issubclass(each, BaseOutput)]
    return frozenset(name for each in outputs for name in getattr(each, "__dataclass_fields__", ()))


def _kinds_of_video(pipeline_class: type, picture: str | None, required: set[str]) -> tuple[str, ...]:
    known = call_parameters(pipeline_class)
    # With a picture, the strength is that of the picture; without one, that of a video to begin with.
    if ("strength" in known and picture is None) or control_argument(pipeline_class):
        return ()
    if "prompt" not in known:
        # Stable Video Diffusion begins with a picture and reads no prompt.
        return (IMAGE_TO_VIDEO,) if picture in required else ()
    if picture is None:
        return (TEXT_TO_VIDEO,)
    needs_picture = picture in required or not _works_without(pipeline_class, picture)
    return (IMAGE_TO_VIDEO,) if needs_picture else (TEXT_TO_VIDEO, IMAGE_TO_VIDEO)


def _is_upscaler(pipeline_class: type) -> bool:
    # The call does not tell it from one that edits: both take a picture and a prompt. Its result has another
    # size, which requests of no other kind expect; the family stable-diffusion-upscale serves its own class.
    return any(word in pipeline_class.__name__ for word in ("Upscale", "SuperResolution"))


def _of_same_name(pipeline_class: type, kind: str) -> str | None:
    if kind not in _SUFFIXES:
        return None
    stem = pipeline_class.__name__.removesuffix("Pipeline")
    for suffix in filter(None, _SUFFIXES.values()):
        stem = stem.removesuffix(suffix)
    return f"{stem}{_SUFFIXES[kind]}Pipeline"


@cache
def _works_without(pipeline_class: type, argument: str) -> bool:
    """Return whether a pipeline can be called without a picture, by diffusers' table or by its source."""
    tables = class_names_by_kind()
    if pipeline_class.__name__ in {*tables[TEXT_TO_IMAGE].values(), *tables[TEXT_TO_VIDEO].values()}:
        return True
    parameter = call_parameters(pipeline_class)[argument]
    if parameter.default is parameter.empty:
        return False
    checks = getattr(pipeline_class, "check_inputs", None)
    if checks is not None and _refuses_none(_parsed(checks), argument):
        return False
    tree = _parsed(inspect.unwrap(pipeline_class.__call__))
    if any(_chooses_by_none(node, argument) for node in ast.walk(tree)):
        return True
    asks = any(_asks_for_none(node, argument) for node in ast.walk(tree))
    return asks and not any(_needs_value(node, argument) for node in _unguarded(tree, argument))


def _parsed(function: Any) -> ast.FunctionDef:
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    assert isinstance(tree, ast.FunctionDef)  # noqa: S101 - for the type checker
    return tree


def _asks_for_none(node: ast.AST, name: str) -> bool:
    """Return whether a node compares a variable with None."""
    return (
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == name
        and any(isinstance(each, ast.Constant) and each.value is None for each in node.comparators)
    )


def _chooses_by_none(node: ast.AST, name: str) -> bool:
    """Return whether a node is a choice between two values, by whether a variable is None."""
    choice = (
        node.test if isinstance(node, ast.IfExp) else node.value if isinstance(node, ast.Assign) else None
    )
    return choice is not None and _asks_for_none(choice, name)


def _refuses_none(tree: ast.FunctionDef, name: str) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and any(isinstance(inner, ast.Raise) for inner in node.body):
            test = node.test
            is_compared = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is)
            if is_compared and _asks_for_none(test, name):
                return True
    return False


def _unguarded(node: ast.AST, name: str) -> Iterator[ast.AST]:
    """Yield the nodes of a function that are not under a condition about a variable."""
    for child in ast.iter_child_nodes(node):
        is_choice = isinstance(child, ast.If | ast.IfExp | ast.BoolOp)
        if not is_choice or not any(_asks_for_none(inner, name) for inner in ast.walk(child)):
            yield child
            yield from _unguarded(child, name)


def _needs_value(node: ast.AST, name: str) -> bool:
    """Return whether a node uses the value of a variable, which None does not have."""
    if isinstance(node, ast.Attribute | ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == name
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "preprocess" in node.func.attr:
        return any(isinstance(given, ast.Name) and given.id == name for given in node.args)
    return False
