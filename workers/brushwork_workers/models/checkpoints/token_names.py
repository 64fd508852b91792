"""The layouts of files of textual inversions: which tensor belongs to which text encoder.

- diffusers and most trainers: one tensor, whose name is the token.
- A1111 and ComfyUI: one tensor `emb_params` (or `*`); the token is the name of the file.
- Two text encoders (SDXL): `clip_l` and `clip_g`, or `text_encoder` and `text_encoder_2`, or
  `text_encoders_0` and `text_encoders_1`.
"""

from collections.abc import Collection

_NAMELESS = ("emb_params", "*")
_BY_ENCODER = {
    "text_encoder": ("clip_l", "text_encoder", "text_encoders_0"),
    "text_encoder_2": ("clip_g", "text_encoder_2", "text_encoders_1"),
}


def named_token(keys: Collection[str]) -> str | None:
    """Return the token that a file names; None if its layout names none.

    Args:
        keys: The names of its tensors.
    """
    known = {name for names in _BY_ENCODER.values() for name in names}
    others = [key for key in keys if key not in known and key not in _NAMELESS]
    return others[0] if len(others) == 1 and len(keys) == 1 else None


def tensors_of(keys: Collection[str]) -> dict[str, str]:
    """Return the name of the tensor for each text encoder, by the name of the component.

    A file for one text encoder has the key `text_encoder`, also if that is not the first of the model.

    Args:
        keys: The names of the tensors of the file.

    Raises:
        ValueError: The layout is not known.
    """
    found = {component: name for component, names in _BY_ENCODER.items() for name in names if name in keys}
    if found and len(found) == len(keys):
        return found
    if len(keys) == 1:
        return {"text_encoder": next(iter(keys))}
    if names := [key for key in keys if key in _NAMELESS]:
        return {"text_encoder": names[0]}
    raise ValueError("the names of its tensors are of no known layout")
