"""The labels in the metadata of a picture: IPTC's `DigitalSourceType`, and the label of GB 45438-2025."""

import json
from collections.abc import Iterator
from typing import Any

from brushwork_schemas.artifact.provenance_report import AigcLabel, Labels

from brushwork_core.provenance.reading.text_blocks import TextBlocks
from brushwork_core.provenance.reading.xmp import Properties

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
# Sources in which a trained model has made or changed something, and those in which none has. What was
# `algorithmicallyEnhanced` may be either.
_BY_MODEL = {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"}
_NOT_BY_MODEL = {
    "digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm", "print", "humanEdits",
    "digitalCreation", "screenCapture", "virtualRecording", "algorithmicMedia",
}  # fmt: skip
_AIGC = "AIGC"
_GENERATED = "1"
# Wrapped by another object, as the key of the standard.
_MOST_WRAPPERS = 3
_LONGEST = 2000


def labels(texts: TextBlocks, xmp: Properties) -> Labels:
    """Return the labels of a picture.

    Args:
        texts: The texts of its file.
        xmp: The properties of its XMP packet.
    """
    source = _source(_first(xmp, _IPTC, "DigitalSourceType"))
    aigc = _aigc(texts, xmp)
    program = (texts.iptc.get("OriginatingProgram", ""), texts.iptc.get("ProgramVersion", ""))
    software = (
        _first(xmp, _XMP, "CreatorTool")
        or texts.chunks.get("Software")
        or texts.exif.get("Software")
        or " ".join(filter(None, program))
    )
    return Labels(
        digital_source_type=source,
        is_ai=_is_ai(source, aigc),
        software=_short(software),
        ai_system=_short(_first(xmp, _IPTC, "AISystemUsed")),
        credit=_short(_first(xmp, _PHOTOSHOP, "Credit") or texts.iptc.get("Credit")),
        aigc=aigc,
    )


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text is; None if it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text, parse_constant=_no_number)
        # Half of a pair of surrogates is no text that could be sent on.
        json.dumps(found, ensure_ascii=False).encode()
    # Python limits the depth of nesting, and the number of digits.
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_number(name: str) -> None:
    raise ValueError(name)


def _first(xmp: Properties, space: str, name: str) -> str | None:
    return next(iter(xmp.get((space, name), ())), None)


def _short(text: str | None) -> str | None:
    return text[:_LONGEST] if text else None


def _source(given: str | None) -> str | None:
    return _short(given.rstrip("/").rpartition("/")[2]) if given else None


def _is_ai(source: str | None, aigc: AigcLabel | None) -> bool | None:
    if source in _BY_MODEL or (aigc is not None and aigc.Label == _GENERATED):
        return True
    return False if source in _NOT_BY_MODEL else None


def _aigc(texts: TextBlocks, xmp: Properties) -> AigcLabel | None:
    for where, text in _places(texts, xmp):
        if (found := _label_in(text, is_label=where in ("xmp", "png_text"))) is not None:
            return AigcLabel(where=where, **found)
    # As the fields of a structure, where the property has no text of its own.
    fields = _only_known({name: values[0] for (space, name), values in xmp.items() if _AIGC in space})
    return AigcLabel(where="xmp", **fields) if fields else None


def _places(texts: TextBlocks, xmp: Properties) -> Iterator[tuple[str, str]]:
    for (_, name), values in xmp.items():
        if name == _AIGC:
            yield from (("xmp", value) for value in values)
    if _AIGC in texts.chunks:
        yield "png_text", texts.chunks[_AIGC]
    for name in ("UserComment", "ImageDescription"):
        if text := texts.exif.get(name):
            yield "exif", text
    for name in ("Caption", "SpecialInstructions"):
        if text := texts.iptc.get(name):
            yield "iptc", text
    if texts.comment:
        yield "comment", texts.comment


def _label_in(text: str, *, is_label: bool) -> dict[str, str] | None:
    """The fields of the label, which may be wrapped as the value of `AIGC`, also as text."""
    found: Any = json_object(text)
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(found, dict) or _AIGC not in found:
            break
        inner, is_label = found[_AIGC], True
        found = json_object(inner) if isinstance(inner, str) else inner
    if not is_label or not isinstance(found, dict):
        return None
    return _only_known(found)


def _only_known(fields: dict[str, Any]) -> dict[str, str]:
    names = AigcLabel.model_fields.keys() - {"where"}
    return {
        name: str(value)[:_LONGEST]
        for name, value in fields.items()
        if name in names and isinstance(value, str | int)
    }
