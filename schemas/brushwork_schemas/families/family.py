"""The class `Family`: models that are loaded and asked in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that are loaded and asked in the same way.

    A plug-in registers its families under the entry point group `brushwork.families`; see docs/plugins.md.

    Args:
        name: Name of the family, as catalogue entries state it.
        library: Library that loads its models: diffusers, transformers, torchvision, or another name. It
            decides which files of a folder are read; for other names `config.json` and `model.safetensors`
            (or its shards).
        loader: Function `package.module:function` that loads a model. It takes a `LoadSpec` and returns
            `LoadedModules` (`brushwork_workers.interface`). It is resolved only inside a worker.
        classes: Class names in `model_index.json` or `config.json` by which a folder's family is recognised.
            A leading `*` stands for any prefix. Empty if files do not name a class.
        kinds: Kinds that its models can serve; a catalogue entry may list fewer.
        accepts: Special request fields (`Request.SPECIAL`) that its models accept.
        defaults: Default values of request fields; under the name of a kind, values for that kind alone.
        multiple_of: Width and height of generated pictures must be multiples of this, in pixels.
        requires: Groups of request fields; a request must set at least one field of each group.
        schedulers: diffusers scheduler classes that a request may choose.
        needs: Packages that its models need in addition to the extra `workers`.
        is_described: Whether a catalogue entry describes the pipeline of its model (`Model.pipeline`). Kinds,
            parameters, sizes and defaults then come from this description.
    """

    name: str
    library: str
    loader: str
    classes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    multiple_of: int = 8
    requires: tuple[tuple[str, ...], ...] = ()
    schedulers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    is_described: bool = False
