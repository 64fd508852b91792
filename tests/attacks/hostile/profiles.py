"""Hostile colour profiles, each inside of a PNG."""

import random
import struct
import zlib

from tests.attacks.hostile.parts import Rule, chunk, last_bytes_of_zlib
from tests.attacks.hostile.pngs import header


def _profile(tags: list[tuple[bytes, bytes]], version: int = 0x04300000, colours: bytes = b"RGB ") -> bytes:
    offset = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, tag in tags:
        table += struct.pack(">4sII", name, offset + len(content), len(tag))
        content += tag + bytes(-len(tag) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", offset + len(content), version, b"mntr", colours, b"XYZ ", b"acsp")
    head += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + content


def _picture(profile: bytes, side: int = 64) -> bytes:
    packed = b"name\0\0" + zlib.compress(profile, 9)
    rows = chunk(b"IDAT", last_bytes_of_zlib(side * (3 * side + 1), b"\x01"))
    return header(side, side) + chunk(b"iCCP", packed) + rows + chunk(b"IEND", b"")


def _elements(number: int) -> bytes:
    """A pipeline of very many matrices."""
    matrix = (
        b"matf\0\0\0\0"
        + struct.pack(">HH", 3, 3)
        + struct.pack(">12f", *[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])
    )
    place = 16 + 8 * number
    table = b"".join(struct.pack(">II", place, len(matrix)) for _ in range(number))
    return b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, number) + table + matrix


def _curve(points: int) -> bytes:
    return (
        b"curv\0\0\0\0"
        + struct.pack(">I", points)
        + b"".join(struct.pack(">H", (n * 65535) // points) for n in range(points))
    )


def _lut(channels: int, grid: int, curve_points: int = 256) -> bytes:
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    head = b"mft2\0\0\0\0" + struct.pack(">BBBB", channels, 3, grid, 0) + matrix
    curves = struct.pack(">HH", curve_points, curve_points)
    return (
        head
        + curves
        + bytes(2 * channels * curve_points)
        + bytes(2 * 3 * grid**channels)
        + bytes(2 * 3 * curve_points)
    )


def many_stages(rng: random.Random) -> bytes:
    number = rng.randint(1000, 30_000)
    tags = [(b"D2B0", _elements(number)), (b"A2B0", _elements(number)), (b"D2B1", _elements(number))]
    return _picture(_profile(tags))


def many_tags(rng: random.Random) -> bytes:
    return _picture(_profile([(rng.randbytes(4), b"") for _ in range(rng.randint(1000, 50_000))]))


def large_table(rng: random.Random) -> bytes:
    return _picture(_profile([(b"A2B0", _lut(3, rng.randint(60, 110)))], 0x02400000), 1500)


def table_of_many_channels(rng: random.Random) -> bytes:
    channels = rng.choice([4, 5, 6])
    colours = {4: b"CMYK", 5: b"5CLR", 6: b"6CLR"}[channels]
    grid = {4: 30, 5: 17, 6: 10}[channels]
    return _picture(_profile([(b"A2B0", _lut(channels, grid))], 0x02400000, colours))


def long_curves(rng: random.Random) -> bytes:
    curve = _curve(rng.randint(10**6, 2 * 10**6))
    tags = [(name, b"XYZ \0\0\0\0" + bytes(12)) for name in (b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt")]
    return _picture(_profile([*tags, (b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)]))


def random_profile(rng: random.Random) -> bytes:
    tags = [(name, rng.randbytes(rng.randint(1, 9999))) for name in (b"A2B0", b"rTRC", b"gTRC", b"rXYZ")]
    return _picture(_profile(tags))


RULES: tuple[Rule, ...] = (
    many_stages,
    many_tags,
    large_table,
    table_of_many_channels,
    long_curves,
    random_profile,
)
