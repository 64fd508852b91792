"""Short forms of list parameters, for the command line and forms: `points=12,30`, `loras=ink:0.8`.

Items are separated by line breaks or semicolons; labels and LoRA adapters may be separated by commas instead.
The pictures of an IP-Adapter follow it: `ip_adapters="face:0.8 = me.png, you.png"`. JSON is accepted too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork.inputs.strict_json import parsed_json

_ON = {"on": True, "off": False}


@dataclass(frozen=True)
class _Form:
    """The short form of the items of one parameter.

    Args:
        item: Parses one item.
        word: Writes one item.
        example: Shown in the hint of an error.
        commas: Whether commas may separate items.
    """

    item: Callable[[str], Any]
    word: Callable[[Any], str]
    example: str
    commas: bool = False


def read(field: str, text: str) -> Any:
    """Parse the short form of a list parameter.

    Args:
        field: Name of the parameter, a key of `FORMS`.
        text: Items in their short form, or JSON.

    Raises:
        InvalidRequest: An item can't be parsed, or the JSON is invalid.
    """
    form = FORMS[field]
    if text.lstrip().startswith(("[", "{")):
        return _json(field, text)
    lines = [part for line in text.splitlines() for part in line.split(";")]
    if form.commas and len(lines) == 1:
        lines = lines[0].split(",")
    words = [line.strip() for line in lines if line.strip()]
    return [_read(field, form, word) for word in words]


def written(field: str, value: Any) -> str:
    """Return `value` in its short form, one item a line. `read` parses it again."""
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return "\n".join(FORMS[field].word(item) for item in items)


def _json(field: str, text: str) -> Any:
    try:
        return parsed_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        message = said("{field}: invalid JSON: {reason}.", field=field, reason=error.args[0])
        raise InvalidRequest(message, field=field) from None


def _read(field: str, form: _Form, word: str) -> Any:
    try:
        return form.item(word)
    except (ValueError, KeyError):
        raise InvalidRequest(
            said("{field}: {value!r} can't be parsed.", field=field, value=word[:60]),
            field=field,
            hint=said("Write {example}.", example=form.example),
        ) from None


def _adapter(word: str) -> dict[str, Any]:
    name, colon, weight = word.rpartition(":")
    # A name may contain colons.
    try:
        return {"name": name.strip(), "weight": float(weight)} if colon else {"name": word}
    except ValueError:
        return {"name": word}


def _adapter_word(item: Mapping[str, Any]) -> str:
    return f"{item['name']}:{item['weight']:g}" if item.get("weight", 1) != 1 else str(item["name"])


def _picture_prompt(word: str) -> dict[str, Any]:
    adapter, _, pictures = word.partition("=")
    images = [part.strip() for part in pictures.split(",") if part.strip()]
    # A form has its pictures beside the text.
    return {**_adapter(adapter.strip()), **({"images": images} if images else {})}


def _picture_prompt_word(item: Mapping[str, Any]) -> str:
    images = ", ".join(map(str, item.get("images", ())))
    return f"{_adapter_word(item)} = {images}" if images else _adapter_word(item)


def _point(word: str) -> dict[str, Any]:
    x, y, *more = (part.strip() for part in word.split(","))
    point: dict[str, Any] = {"x": float(x), "y": float(y)}
    for part in more:
        if part in _ON:
            point["is_on"] = _ON[part]
        else:
            point["object"] = int(part)
    return point


def _point_word(item: Mapping[str, Any]) -> str:
    off = [] if item.get("is_on", True) else ["off"]
    number = [str(item["object"])] if item.get("object") else []
    return ", ".join([f"{item['x']:g}", f"{item['y']:g}", *off, *number])


_CORNERS = ("x_min", "y_min", "x_max", "y_max")


def _box(word: str) -> dict[str, Any]:
    return {name: float(part) for name, part in zip(_CORNERS, word.split(","), strict=True)}


def _box_word(item: Mapping[str, Any]) -> str:
    return ", ".join(f"{item[name]:g}" for name in _CORNERS)


FORMS: dict[str, _Form] = {
    "candidate_labels": _Form(str, str, "a cat, a dog", commas=True),
    "ip_adapters": _Form(_picture_prompt, _picture_prompt_word, "name:0.8 = picture.png, other.png"),
    "loras": _Form(_adapter, _adapter_word, "name:0.8", commas=True),
    "points": _Form(_point, _point_word, "x, y; optionally followed by `off` and the number of an object"),
    "boxes": _Form(_box, _box_word, "x_min, y_min, x_max, y_max"),
}
