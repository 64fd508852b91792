"""ICC profiles for colours that a picture states by numbers: primaries, white and a transfer curve.

A PNG states them in gAMA, cHRM or cICP; AVIF and HEIC in `nclx`, with the code points of ITU-T H.273.
LittleCMS applies profiles, but its binding in Pillow cannot build them.
"""

import struct
from dataclasses import dataclass

Matrix = tuple[tuple[float, float, float], ...]
Chromaticity = tuple[float, float]
_D65, _DCI_WHITE, _C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
# The white of profiles, by definition of the format.
_D50_XYZ = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# LittleCMS refuses profiles with more.
_MOST_TAGS = 100
# Red, green, blue and white, by the number of H.273.
_PRIMARIES: dict[int, tuple[Chromaticity, Chromaticity, Chromaticity, Chromaticity]] = {
    1: _BT709,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI_WHITE),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
# PQ and HLG: their brightness has no fixed place in sRGB.
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True)
class Colours:
    """How the numbers of a picture are meant.

    Args:
        red: Chromaticity x and y of red.
        green: Likewise of green.
        blue: Likewise of blue.
        white: Likewise of white.
        gamma: Exponent of the transfer curve; None for the curve of sRGB.
    """

    red: Chromaticity = _BT709[0]
    green: Chromaticity = _BT709[1]
    blue: Chromaticity = _BT709[2]
    white: Chromaticity = _BT709[3]
    gamma: float | None = None

    @classmethod
    def of_code_points(cls, primaries: int, transfer: int) -> "Colours":
        """Return the colours of two code points of H.273. Unknown and unspecified ones count as sRGB.

        The curves of video (BT.709, BT.601, BT.2020) count as that of sRGB, as in browsers.
        """
        red, green, blue, white = _PRIMARIES.get(primaries, _BT709)
        return cls(red, green, blue, white, _GAMMAS.get(transfer))


def built(colours: Colours) -> bytes:
    """Return a profile of version 4.3.

    Raises:
        ValueError, ZeroDivisionError: The chromaticities are on one line, or have no white.
    """
    columns = [_xyz(each) for each in (colours.red, colours.green, colours.blue)]
    primaries: Matrix = tuple(zip(*columns, strict=True))
    white = _xyz(colours.white)
    scale = _times(_inverse(primaries), white)
    adapted = [_adapted([value * scale[index] for value in columns[index]], white) for index in range(3)]
    curve = _curve(colours.gamma)
    tags = {b"wtpt": _xyz_tag(_D50_XYZ)}
    tags |= {name: _xyz_tag(each) for name, each in zip((b"rXYZ", b"gXYZ", b"bXYZ"), adapted, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags |= {b"desc": _text(), b"cprt": _text()}
    return _file(tags)


def without_pipelines(profile: bytes) -> bytes:
    """Return a profile without its pipelines of floating-point steps, `D2B0` to `B2D3`.

    Each only refines a table of the same profile, such as `A2B0`. It may have any number of steps, and
    LittleCMS applies each of them to all points of its grid.
    """
    number = int.from_bytes(profile[128:132])
    changed = bytearray(profile)
    for place in range(132, 132 + 12 * min(number, _MOST_TAGS), 12):
        if profile[place : place + 3] in (b"D2B", b"B2D"):
            changed[place : place + 4] = b"none"
    return bytes(changed)


def _file(tags: dict[bytes, bytes]) -> bytes:
    offset, table, content = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, offset + len(content), len(tag))
        content += tag + bytes(-len(tag) % 4)
    size = offset + len(content)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head + bytes(28) + _fixed(*_D50_XYZ)).ljust(128, b"\0") + table + content


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz_tag(values: "tuple[float, ...] | list[float]") -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _curve(gamma: float | None) -> bytes:
    kind, values = (3, _SRGB_CURVE) if gamma is None else (0, (gamma,))
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(*values)


def _text() -> bytes:
    words = "brushwork".encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(words), 28) + words


def _xyz(chromaticity: Chromaticity) -> list[float]:
    x, y = chromaticity
    return [x / y, 1.0, (1 - x - y) / y]


def _adapted(colour: list[float], white: list[float]) -> list[float]:
    """The colour as it looks under D50, by Bradford's method."""
    cones, target = _times(_BRADFORD, white), _times(_BRADFORD, list(_D50_XYZ))
    seen = _times(_BRADFORD, colour)
    return _times(_inverse(_BRADFORD), [seen[index] * target[index] / cones[index] for index in range(3)])


def _times(matrix: Matrix, vector: list[float]) -> list[float]:
    return [sum(factor * value for factor, value in zip(row, vector, strict=True)) for row in matrix]


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        ((e * i - f * h) / determinant, (c * h - b * i) / determinant, (b * f - c * e) / determinant),
        ((f * g - d * i) / determinant, (a * i - c * g) / determinant, (c * d - a * f) / determinant),
        ((d * h - e * g) / determinant, (b * g - a * h) / determinant, (a * e - b * d) / determinant),
    )
