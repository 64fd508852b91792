"""Blurs pictures so that nobody can see or compute what they showed."""

from collections.abc import Mapping
from typing import Any

from brushwork_schemas.artifact import Artifact
from PIL import Image, ImageFilter
from pydantic import BaseModel

# Pixels of the longer side that are left of a picture. They are its colours, and no shapes.
LEFT = 8


def blurred(picture: Image.Image) -> Image.Image:
    """Return a picture of the same size and mode RGB that has only the rough colours of another one.

    The picture is reduced to `LEFT` pixels on its longer side first. So, unlike after a convolution, nothing
    more than these pixels can be recovered.
    """
    width, height = picture.size
    factor = LEFT / max(width, height)
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    reduced = picture.convert("RGB").resize(small, Image.Resampling.BOX)
    return reduced.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.BoxBlur(1))


def replaced(value: Any, by: Mapping[str, Artifact]) -> Any:
    """Return fields of a result with other files in the place of some.

    Args:
        value: A value of a result: a model, a list, a mapping, a file or anything else.
        by: New files by the SHA-256 of those that they replace.
    """
    if isinstance(value, Artifact):
        return by.get(value.sha256, value)
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        changed = {name: new for name, old in fields.items() if (new := replaced(old, by)) is not old}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, tuple | list):
        return type(value)(replaced(each, by) for each in value)
    if isinstance(value, Mapping):
        return {name: replaced(each, by) for name, each in value.items()}
    return value
