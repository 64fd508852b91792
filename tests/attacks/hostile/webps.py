"""Hostile WebP files."""

import random
import struct

from tests.attacks.hostile.parts import Rule, drawn, encoded, exif, riff


def _bits24(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _extended(width: int, height: int, flags: int) -> tuple[bytes, bytes]:
    return b"VP8X", bytes([flags, 0, 0, 0]) + _bits24(width - 1) + _bits24(height - 1)


def _pixels(data: bytes) -> bytes:
    return data[20 : 20 + struct.unpack_from("<I", data, 16)[0]]


def _frames(number: int, size: int = 16, canvas: tuple[int, int] = (16, 16)) -> bytes:
    pixels = encoded("WEBP", (size, size), lossless=True)
    place = bytes(6) + _bits24(size - 1) * 2 + _bits24(100) + b"\0"
    frame = (b"ANMF", place + pixels[12:])
    return riff(_extended(*canvas, 2), (b"ANIM", bytes(6)), *[frame] * number)


def many_chunks(rng: random.Random) -> bytes:
    data = encoded("WEBP")
    more = [(b"junk", b"")] * rng.randint(210_000, 1_500_000)
    return riff(_extended(16, 16, 0), (b"VP8 ", _pixels(data)), *more)


def many_frames(rng: random.Random) -> bytes:
    return _frames(rng.randint(2, 150_000))


def huge_canvas(rng: random.Random) -> bytes:
    return _frames(rng.choice([1, 2]), canvas=(16_384, 16_384))


def huge_canvas_of_a_still(rng: random.Random) -> bytes:
    side = rng.choice([6000, 16_384, 2**24])
    return riff(_extended(side, side if side < 2**24 else 256, 0), (b"VP8 ", _pixels(encoded("WEBP"))))


def said_to_be_huge(rng: random.Random) -> bytes:
    data = bytearray(encoded("WEBP"))
    struct.pack_into("<HH", data, 26, 16_383, rng.choice([16_383, 2000]))
    return bytes(data)


def said_to_be_huge_and_lossless(rng: random.Random) -> bytes:
    data = bytearray(encoded("WEBP", lossless=True))
    bits = struct.unpack_from("<I", data, 21)[0] | 0x0FFF_FFFF
    struct.pack_into("<I", data, 21, bits)
    return bytes(data)


def random_lossless(rng: random.Random) -> bytes:
    """Random bits choose random transforms and trees of codes."""
    side = rng.randint(100, 4999)
    head = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14)
    return riff((b"VP8L", head + rng.randbytes(rng.randint(10**4, 5 * 10**6))))


def random_lossy(rng: random.Random) -> bytes:
    side = rng.randint(1000, 4999)
    data = bytearray(_pixels(encoded("WEBP", (16, 16))))
    struct.pack_into("<HH", data, 6, side, side)
    return riff((b"VP8 ", bytes(data) + rng.randbytes(rng.randint(10**4, 5 * 10**6))))


def one_colour(rng: random.Random) -> bytes:
    side = rng.randint(4000, 5000)
    return encoded("WEBP", (side, side), quality=rng.randint(1, 50))


def many_tags(rng: random.Random) -> bytes:
    tags = [(1 + number, 3, 1, 1) for number in range(65_000)]
    return riff(_extended(16, 16, 8), (b"VP8 ", _pixels(encoded("WEBP"))), (b"EXIF", exif(*tags)))


def long_text(rng: random.Random) -> bytes:
    text = b"tiff:Orientation" * (rng.randint(5, 20) * 2**16)
    return riff(_extended(16, 16, 4), (b"VP8 ", _pixels(encoded("WEBP"))), (b"XMP ", text))


def cut_short(rng: random.Random) -> bytes:
    data = drawn(rng, "WEBP", 300, lossless=rng.random() < 0.5)
    return data[: rng.randint(20, len(data) - 20)]


def scrambled(rng: random.Random) -> bytes:
    data = bytearray(drawn(rng, "WEBP", 300, lossless=rng.random() < 0.5))
    for _ in range(rng.randint(1, 50)):
        data[rng.randrange(20, len(data))] = rng.randrange(256)
    return bytes(data)


RULES: tuple[Rule, ...] = (
    many_chunks,
    many_frames,
    huge_canvas,
    huge_canvas_of_a_still,
    said_to_be_huge,
    said_to_be_huge_and_lossless,
    random_lossless,
    random_lossy,
    one_colour,
    many_tags,
    long_text,
    cut_short,
    scrambled,
)
