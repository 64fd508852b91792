"""Colours of all kinds as sRGB of 8 bits. LittleCMS, through Pillow's ImageCms, converts by profiles.

The intent is relative colorimetric, with compensation of the black point. A profile that is damaged, or made
for another kind of colours than the picture has, is ignored: the colours then count as sRGB.
"""

import io
import math
import struct
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import Phrase, said
from PIL import Image, ImageCms

from brushwork_core.media import icc_profile
from brushwork_core.media.icc_profile import HDR_TRANSFERS, Colours

_TO_8_BITS = [value // 257 for value in range(65536)]
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
# Modes that a profile of this colour space can be applied to.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
# Within this, colours count as the same: LittleCMS rounds.
_SAME = 1
_PLAUSIBLE_GAMMAS = (0.1, 10.0)
# Where `nclx` is: before the pixels of an AVIF or HEIC.
_HEAD_BYTES = 2**16


def in_8_bits(picture: Image.Image, field: str) -> Image.Image:
    """Return the picture with 8 bits per channel. Values of 16 bits are scaled.

    Args:
        picture: A picture of any mode.
        field: Field of the request, for error messages.

    Raises:
        InvalidImage: Values are floating-point numbers, or have another range than 8 or 16 bits.
    """
    if picture.mode == "F":
        raise _refused(field, said("its values are floating-point numbers, whose range is not known"))
    if not picture.mode.startswith("I"):
        return picture
    whole = picture.convert("I")
    low, high = cast("tuple[int, int]", whole.getextrema())
    if picture.mode == "I" and (low < 0 or high > 65535):
        raise _refused(field, said("its values reach from {low} to {high}", low=low, high=high))
    if picture.mode == "I" and 0 < high <= 255:
        raise _refused(
            field, said("its values of 32 bits reach to {high}, so they may mean 8 bits or 16", high=high)
        )
    scaled = whole.point(_TO_8_BITS, "L")
    if isinstance(clear := picture.info.get("transparency"), int) and picture.mode != "I":
        scaled.putalpha(whole.point([0 if value == clear else 255 for value in range(65536)], "L"))
    return scaled


def in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture as RGB in sRGB. Transparency is lost.

    Args:
        picture: A picture of 8 bits per channel, without alpha.
        profile: ICC profile of its colours; None for sRGB.
    """
    if picture.mode == "LAB":
        lab = _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")
        return _applied(picture, lab)
    transform = _transform_of(picture, profile) if profile else None
    if transform is None:
        return picture.convert("RGB")
    try:
        return _applied(picture, transform)
    except ImageCms.PyCMSError:
        return picture.convert("RGB")


def profile_of(info: Mapping[Any, Any], data: bytes, format_name: str | None, field: str) -> bytes | None:
    """Return the ICC profile of a picture's colours; None for sRGB.

    Args:
        info: What Pillow found in the file: `icc_profile`, or the `gamma` and `chromaticity` of a PNG; and
            `cicp`, if it was read from a PNG.
        data: The file; empty if it is not known.
        format_name: Pillow's name of the format.
        field: Field of the request, for error messages.

    Raises:
        InvalidImage: The picture is HDR.
    """
    code_points = info.get("cicp")
    if format_name in ("AVIF", "HEIF") and not info.get("icc_profile"):
        code_points = _nclx(data)
    if code_points is not None:
        if (name := HDR_TRANSFERS.get(code_points[1])) is not None:
            raise InvalidImage(
                said("{field}: the picture is HDR ({name}), which is not supported.", field=field, name=name),
                field=field,
                hint="Export it with a standard dynamic range, as sRGB.",
            )
        return _built(Colours.of_code_points(*code_points))
    if given := info.get("icc_profile"):
        return bytes(given)
    if "srgb" in info or format_name not in ("PNG", None):
        return None
    return _of_numbers(info.get("gamma"), info.get("chromaticity"))


def _of_numbers(gamma: object, points: object) -> bytes | None:
    """A profile for gAMA and cHRM of a PNG. The usual gamma, 1/2.2, stands for the curve of sRGB."""
    colours = Colours()
    if isinstance(points, tuple) and len(points) == 8:
        white, red, green, blue = (points[index : index + 2] for index in (0, 2, 4, 6))
        colours = Colours(red, green, blue, white)
    if isinstance(gamma, float) and _PLAUSIBLE_GAMMAS[0] <= gamma <= _PLAUSIBLE_GAMMAS[1]:
        is_usual = math.isclose(gamma, 1 / 2.2, abs_tol=0.001)
        if not (is_usual and colours == Colours()):
            exponent = None if is_usual and _is_bt709(colours) else 1 / gamma
            colours = Colours(colours.red, colours.green, colours.blue, colours.white, exponent)
    return _built(colours)


def _is_bt709(colours: Colours) -> bool:
    usual = Colours()
    names = ("red", "green", "blue", "white")
    pairs = [
        (a, b) for name in names for a, b in zip(getattr(colours, name), getattr(usual, name), strict=True)
    ]
    return all(math.isclose(a, b, abs_tol=0.001) for a, b in pairs)


@cache
def _built(colours: Colours) -> bytes | None:
    if colours.gamma is None and _is_bt709(colours):
        return None
    try:
        return icc_profile.built(colours)
    # Points on one line, or outside what the format of profiles can hold.
    except (ArithmeticError, ValueError, struct.error):
        return None


def _nclx(data: bytes) -> tuple[int, int] | None:
    found = data.find(b"colrnclx", 0, _HEAD_BYTES)
    if found < 0 or found + 12 > len(data):
        return None
    primaries, transfer = struct.unpack_from(">HH", data, found + 8)
    return primaries, transfer


def _transform_of(picture: Image.Image, profile: bytes) -> "ImageCms.ImageCmsTransform | None":
    """The transform from a profile to sRGB; None if it does not fit, or changes nothing."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile.without_pipelines(profile)))
        mode = _MODES.get(opened.profile.xcolor_space.strip())
        if mode is None or mode != _mode_for(picture, mode):
            return None
        transform = _transform(opened, mode)
        if mode == "RGB" and _changes_nothing(transform):
            return None
        return transform
    # What LittleCMS says of a damaged profile has several types.
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None


def _mode_for(picture: Image.Image, mode: str) -> str:
    """The mode in which a profile can be applied. Greys have a place in RGB, but not vice versa."""
    if picture.mode in ("1", "L"):
        return mode if mode in ("L", "RGB") else "L"
    return picture.mode if picture.mode in ("CMYK", "LAB") else "RGB"


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(profile, _srgb(), mode, "RGB", _INTENT, _FLAGS)


def _applied(picture: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    given = picture if picture.mode == transform.input_mode else picture.convert(transform.input_mode)
    found = ImageCms.applyTransform(given, transform)
    if found is None:
        raise ImageCms.PyCMSError("the profile cannot be applied")
    return found


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    given = _samples()
    pairs = zip(given.tobytes(), _applied(given, transform).tobytes(), strict=True)
    return all(abs(before - after) <= _SAME for before, after in pairs)


@cache
def _samples() -> Image.Image:
    """Colours from all parts of RGB, and all greys."""
    steps = range(0, 256, 17)
    cube = bytes(value for r in steps for g in steps for b in steps for value in (r, g, b))
    greys = bytes(value for grey in range(256) for value in (grey, grey, grey))
    return Image.frombytes("RGB", (16, 272), cube + greys)


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _refused(field: str, reason: Phrase) -> InvalidImage:
    return InvalidImage(
        said(
            "{field}: {reason}. Accepted are 8 bits per channel (0 to 255) and 16 bits (0 to 65535).",
            field=field,
            reason=reason,
        ),
        field=field,
        hint="Scale its values to whole numbers of 8 or 16 bits first.",
    )
