"""Hostile JPEG files: many scans, segments and restarts."""

import io
import random
import struct

from PIL import Image

from tests.attacks.hostile.parts import Rule, drawn, encoded, exif, segment


def _large(side: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def scans(side: int, number: int, **options: object) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = _large(side, progressive=True, **options)
    begin = data.rindex(b"\xff\xda")
    return data[:-2] + data[begin:-2] * number + b"\xff\xd9"


def thousands_of_scans(rng: random.Random) -> bytes:
    return scans(rng.randint(500, 4000), rng.randint(1000, 4000))


def as_many_scans_as_are_allowed(rng: random.Random) -> bytes:
    return scans(rng.randint(4500, 5000), rng.randint(60, 88))


def full_scans(rng: random.Random) -> bytes:
    """Scans that say something of each block."""
    data = drawn(rng, "JPEG", 1200, progressive=True, quality=95)
    begin = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    end = data.index(b"\xff\xc4", begin) if b"\xff\xc4" in data[begin:] else len(data) - 2
    return data[:-2] + data[begin:end] * rng.randint(20, 85) + b"\xff\xd9"


def scans_of_one_component(rng: random.Random) -> bytes:
    data = _large(rng.randint(1000, 4000))
    begin = data.rindex(b"\xff\xda")
    size = struct.unpack_from(">H", data, begin + 2)[0]
    pixels = data[begin + 2 + size : -2]
    one = segment(0xDA, bytes([1, rng.randint(1, 3), 0, 0, 63, 0])) + pixels[:64]
    return data[:begin] + one * rng.randint(80, 5000) + b"\xff\xd9"


def narrow_and_subsampled(rng: random.Random) -> bytes:
    data = bytearray(encoded("JPEG", (1, 65_000), progressive=True, subsampling=2))
    begin = data.rindex(b"\xff\xda")
    return bytes(data[:-2]) + bytes(data[begin:-2]) * rng.randint(50, 88) + b"\xff\xd9"


def many_segments(rng: random.Random) -> bytes:
    data = encoded("JPEG")
    mark = rng.choice([0xFE, 0xE5, 0xED])
    return data[:2] + segment(mark) * rng.randint(210_000, 3_000_000) + data[2:]


def many_tables(rng: random.Random) -> bytes:
    data = encoded("JPEG")
    begin = data.index(b"\xff\xdb")
    size = struct.unpack_from(">H", data, begin + 2)[0]
    table = data[begin : begin + 2 + size]
    return data[:begin] + table * rng.randint(100_000, 199_000) + data[begin:]


def many_huffman_tables(rng: random.Random) -> bytes:
    data = encoded("JPEG")
    begin = data.index(b"\xff\xc4")
    size = struct.unpack_from(">H", data, begin + 2)[0]
    return data[:begin] + data[begin : begin + 2 + size] * rng.randint(50_000, 190_000) + data[begin:]


def many_intervals(rng: random.Random) -> bytes:
    data = encoded("JPEG")
    return data[:2] + segment(0xDD, b"\0\1") * rng.randint(150_000, 199_000) + data[2:]


def fill_bytes(rng: random.Random) -> bytes:
    data = encoded("JPEG")
    return data[:2] + b"\xff" * rng.randint(10**7, 2 * 10**7) + data[2:]


def restarts(rng: random.Random) -> bytes:
    data = _large(rng.randint(1500, 3000), restart_marker_blocks=1)
    return data


def restarts_in_disorder(rng: random.Random) -> bytes:
    data = bytearray(_large(rng.randint(1500, 3000), restart_marker_blocks=1))
    for place in range(len(data) - 2_000, 700, -rng.randint(3, 9)):
        if data[place] == 0xFF and 0xD0 <= data[place + 1] <= 0xD7:
            data[place + 1] = 0xD0 + rng.randrange(8)
    return bytes(data)


def stray_restarts(rng: random.Random) -> bytes:
    data = encoded("JPEG")
    return data[:-2] + b"".join(
        bytes([0xFF, 0xD0 + number % 8]) for number in range(rng.randint(10**5, 10**7))
    )


def pixels_that_end_early(rng: random.Random) -> bytes:
    data = _large(rng.randint(2000, 5000))
    begin = data.rindex(b"\xff\xda")
    return data[: begin + 40] + b"\xff\xd9"


def huge_sides(rng: random.Random) -> bytes:
    data = bytearray(encoded("JPEG"))
    begin = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, begin + 5, 65_500, rng.choice([65_500, 2000, 400]))
    return bytes(data)


def arithmetic(rng: random.Random) -> bytes:
    """Arithmetic coding: the same header, another mark, random pixels."""
    side = rng.randint(2000, 4999)
    data = bytearray(encoded("JPEG", (16, 16)))
    begin = data.index(b"\xff\xc0")
    data[begin + 1] = 0xC9
    struct.pack_into(">HH", data, begin + 5, side, side)
    return bytes(data[:-2]) + rng.randbytes(rng.randint(10**6, 10**7)).replace(b"\xff", b"") + b"\xff\xd9"


def arithmetic_and_progressive(rng: random.Random) -> bytes:
    data = bytearray(scans(rng.randint(2000, 4000), rng.randint(5, 30)))
    data[data.index(b"\xff\xc2") + 1] = 0xCA
    return bytes(data)


def many_tags(rng: random.Random) -> bytes:
    tags = [(1 + number, 3, 1, rng.randint(0, 9)) for number in range(5000)]
    data = encoded("JPEG")
    return data[:2] + segment(0xE1, b"Exif\0\0" + exif(*tags)) + data[2:]


def profile_of_many_parts(rng: random.Random) -> bytes:
    data = encoded("JPEG")
    part = segment(0xE2, b"ICC_PROFILE\0" + bytes([1, 255]) + rng.randbytes(60_000))
    return data[:2] + part * rng.randint(200, 400) + data[2:]


def cut_short(rng: random.Random) -> bytes:
    data = drawn(rng, "JPEG", 300, progressive=rng.random() < 0.5)
    return data[: rng.randint(20, len(data) - 20)]


def scrambled(rng: random.Random) -> bytes:
    data = bytearray(drawn(rng, "JPEG", 300, progressive=rng.random() < 0.5))
    for _ in range(rng.randint(1, 50)):
        data[rng.randrange(2, len(data))] = rng.randrange(256)
    return bytes(data)


RULES: tuple[Rule, ...] = (
    thousands_of_scans,
    as_many_scans_as_are_allowed,
    full_scans,
    scans_of_one_component,
    narrow_and_subsampled,
    many_segments,
    many_tables,
    many_huffman_tables,
    many_intervals,
    fill_bytes,
    restarts,
    restarts_in_disorder,
    stray_restarts,
    pixels_that_end_early,
    huge_sides,
    arithmetic,
    arithmetic_and_progressive,
    many_tags,
    profile_of_many_parts,
    cut_short,
    scrambled,
)
