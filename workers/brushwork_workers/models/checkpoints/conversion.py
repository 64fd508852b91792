"""Modules of diffusers and transformers from the tensors of a checkpoint in its original layout.

diffusers has the rules by which names and tensors are converted, and they are used as they are. Its own
`from_single_file` would leave tensors that the file lacks on the device `meta`, and would replace the text
projection of Stable Diffusion 3 by the identity.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import transformers
from accelerate import init_empty_weights
from brushwork_schemas.wording.phrase import said
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint
from torch import Tensor, nn

from brushwork_workers.models.checkpoints.contents import (
    DENOISER_PREFIX,
    CheckpointContents,
)

State = dict[str, Tensor]
DENOISERS = ("unet", "transformer")
_T5 = ("T5EncoderModel", "UMT5EncoderModel")
_CLIP = ("CLIPTextModel", "CLIPTextModelWithProjection")
# What the rules of diffusers raise for tensors that are missing or of another shape.
_RULE_ERRORS = (KeyError, IndexError, ValueError, RuntimeError, AttributeError, TypeError)


class DoesNotFit(Exception):
    """The tensors of a file do not fit a module. The message says which."""


@dataclass(frozen=True)
class PipelinePart:
    """A module of a pipeline that a file may have.

    Args:
        name: Name of the component: unet, transformer, vae, text_encoder, ...
        class_name: Its class in diffusers or transformers, by `model_index.json`.
        folder: The folder of the pipeline whose configuration is used.
    """

    name: str
    class_name: str
    folder: Path

    @property
    def is_denoiser(self) -> bool:
        """Whether it is the UNet or the transformer, of which nothing may be missing."""
        return self.name in DENOISERS

    def names(self, contents: CheckpointContents) -> Mapping[str, str]:
        """Return the full names of its tensors in a file by the name without prefix; empty if it has none."""
        if self.class_name in _T5:
            return contents.t5()
        if self.class_name in _CLIP:
            return contents.clip(self.name)[1]
        if self.is_denoiser:
            return contents.denoiser
        return contents.vae if self.name == "vae" else {}

    def empty(self) -> nn.Module:
        """Return the module without memory for its weights."""
        # Buffers that are not saved get their values here.
        with init_empty_weights(include_buffers=False):
            if self.class_name in (*_T5, *_CLIP):
                made_of = getattr(transformers, self.class_name)
                config = made_of.config_class.from_pretrained(
                    self.folder, subfolder=self.name, local_files_only=True
                )
                module: nn.Module = made_of(config)
                return module
            made_of = getattr(diffusers, self.class_name)
            module = made_of.from_config(self._config())
            return module

    def converted(
        self, contents: CheckpointContents, read: Callable[[str], Tensor]
    ) -> tuple[nn.Module, State]:
        """Return the empty module, and the tensors of the file with the names that the module has for them.

        Args:
            contents: What the file has.
            read: Returns a tensor of the file by its full name, also one of the device `meta`.

        Raises:
            DoesNotFit: The tensors are those of another module.
        """
        names, module = self.names(contents), self.empty()
        expected = module.state_dict()
        if expected.keys() <= names.keys():
            state = {name: read(names[name]) for name in expected}
        else:
            try:
                state = self._by_rules(contents, {name: read(full) for name, full in names.items()}, module)
            except _RULE_ERRORS as error:
                raise DoesNotFit(
                    said("{name} has other weights: {error}", name=self.name, error=error)
                ) from error
        self._check(expected, state)
        return module, {name: tensor for name, tensor in state.items() if name in expected}

    def _by_rules(self, contents: CheckpointContents, weights: State, module: nn.Module) -> State:
        if self.class_name in _T5:
            return weights
        if self.class_name in _CLIP:
            return _clip(contents.clip(self.name)[0], weights, module)
        rules: Any = SINGLE_FILE_LOADABLE_CLASSES.get(self.class_name)
        if rules is None:
            raise ValueError(said("diffusers cannot read {name} from a single file", name=self.class_name))
        prefix = DENOISER_PREFIX if self.is_denoiser else "first_stage_model."
        original = {prefix + name: tensor for name, tensor in weights.items()}
        convert: Any = rules["checkpoint_mapping_fn"]
        state: State = convert(config=self._config(), checkpoint=original)
        return state

    def _check(self, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
        """Check shapes, and for the denoiser that nothing is missing and nothing is left over."""
        for name, tensor in state.items():
            if name in expected and tensor.shape != expected[name].shape:
                raise DoesNotFit(
                    said(
                        "{part}.{name} has the shape {found} in the file, and {expected} in the base",
                        part=self.name,
                        name=name,
                        found=_shape(tensor),
                        expected=_shape(expected[name]),
                    )
                )
        if not self.is_denoiser:
            return
        for names, message in (
            (expected.keys() - state.keys(), "{number} weights of {part} are missing, for example {example}"),
            (
                state.keys() - expected.keys(),
                "{part} of the base has no {example}, and {number} such weights",
            ),
        ):
            if names:
                raise DoesNotFit(said(message, number=len(names), part=self.name, example=min(names)))

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = getattr(diffusers, self.class_name).load_config(
            self.folder, subfolder=self.name, local_files_only=True
        )
        return config


def _clip(prefix: str, weights: State, module: nn.Module) -> State:
    """Return the tensors of a CLIP encoder with the names of transformers."""
    if prefix.endswith(".model."):
        # The layout of OpenCLIP.
        weights = convert_open_clip_checkpoint(
            module, {prefix + name: tensor for name, tensor in weights.items()}, prefix=prefix
        )
    # Old files have the layers without `text_model`, new versions of transformers too.
    plain = {name.removeprefix("text_model."): tensor for name, tensor in weights.items()}
    if not hasattr(module, "text_model"):
        return plain
    outer = {name for name in module.state_dict() if not name.startswith("text_model.")}
    return {name if name in outer else f"text_model.{name}": tensor for name, tensor in plain.items()}


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
