"""The class `Family`: models that are loaded and asked in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """Models that are loaded and asked in the same way.

    Args:
        name: As a catalogue entry states it.
        library: Who loads it: diffusers, transformers, torchvision, or brushwork itself.
        classes: Names in `_class_name` of model_index.json, or in `architectures` of config.json, by which
            its folders are known. Empty where files do not tell.
        kinds: What it can do; an entry may allow less.
        accepts: Those fields of its requests that only some families know; see `Request.SPECIAL`.
        defaults: Of request fields, where the entry gives none; under a kind's name, for that kind alone.
        multiple_of: Both sides of its pictures are multiples of this, in pixels.
        requires: Of each of these groups of fields, a request sets at least one.
        schedulers: diffusers scheduler classes that its models can be asked for.
        needs: Packages besides those of the extra `workers`.
    """

    name: str
    library: str
    classes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    multiple_of: int = 8
    requires: tuple[tuple[str, ...], ...] = ()
    schedulers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
