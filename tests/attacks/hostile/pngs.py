"""Hostile PNG files: many parts, and parts that unpack to far more than they have."""

import random
import struct
import zlib

from tests.attacks.hostile.parts import Rule, chunk, drawn, encoded, exif, last_bytes_of_zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = chunk(b"IEND", b"")
_HEAD = 33


def header(width: int, height: int, bits: int = 8, colours: int = 2, interlace: int = 0) -> bytes:
    """Signature and header."""
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlace))


def with_chunks(*chunks: bytes) -> bytes:
    """A small valid PNG with these chunks before its pixels."""
    data = encoded("PNG")
    return data[:_HEAD] + b"".join(chunks) + data[_HEAD:]


def _many(rng: random.Random, name: bytes, content: bytes = b"") -> bytes:
    return with_chunks(chunk(name, content) * rng.randint(210_000, 1_500_000))


def many_unknown_chunks(rng: random.Random) -> bytes:
    return _many(rng, b"prVt")


def many_texts(rng: random.Random) -> bytes:
    return _many(rng, rng.choice([b"tEXt", b"zTXt"]), b"key\0\0" + zlib.compress(b"word"))


def many_palettes(rng: random.Random) -> bytes:
    return with_chunks(chunk(b"PLTE", rng.randbytes(3)) * rng.randint(150_000, 199_000))


def many_gammas(rng: random.Random) -> bytes:
    return with_chunks(
        chunk(b"gAMA", struct.pack(">I", rng.randint(1, 10**6))) * rng.randint(150_000, 199_000)
    )


def many_transparent_colours(rng: random.Random) -> bytes:
    return with_chunks(chunk(b"tRNS", rng.randbytes(6)) * rng.randint(150_000, 199_000))


def many_orientations(rng: random.Random) -> bytes:
    content = b"XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation" + rng.randbytes(4).hex().encode()
    return with_chunks(chunk(b"iTXt", content) * rng.randint(100_000, 199_000))


def empty_pixels(rng: random.Random) -> bytes:
    data = encoded("PNG")
    begin = data.index(b"IDAT") - 4
    return data[:begin] + chunk(b"IDAT", b"") * rng.randint(150_000, 1_500_000) + data[begin:]


def pixels_of_one_byte_each(rng: random.Random) -> bytes:
    packed = zlib.compress(b"".join(b"\0" + rng.randbytes(600) for _ in range(200)))
    parts = b"".join(chunk(b"IDAT", packed[place : place + 1]) for place in range(len(packed)))
    return header(200, 200) + parts + _END


def compressed_text(rng: random.Random) -> bytes:
    content = last_bytes_of_zlib(rng.randint(10**8, 10**9))
    name, head = rng.choice([(b"zTXt", b"key\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")])
    return with_chunks(chunk(name, head + content))


def compressed_profile(rng: random.Random) -> bytes:
    return with_chunks(chunk(b"iCCP", b"name\0\0" + last_bytes_of_zlib(rng.randint(10**8, 10**9))))


def more_pixels_than_said(rng: random.Random) -> bytes:
    return header(16, 16) + chunk(b"IDAT", last_bytes_of_zlib(rng.randint(10**8, 10**9))) + _END


def many_pixels(rng: random.Random) -> bytes:
    bits, colours, per_byte = rng.choice([(1, 0, 8), (8, 0, 1), (1, 3, 8)])
    width, height = rng.randint(6000, 9000), rng.randint(6000, 9000)
    palette = chunk(b"PLTE", bytes(6)) if colours == 3 else b""
    rows = last_bytes_of_zlib((width // per_byte + 2) * height)
    return header(width, height, bits, colours) + palette + chunk(b"IDAT", rows) + _END


def huge_sides(rng: random.Random) -> bytes:
    width = rng.choice([2**31 - 1, 2**24, 10**6])
    return header(width, rng.choice([1, 2**31 - 1, 10**5])) + chunk(b"IDAT", zlib.compress(bytes(99))) + _END


def deep_and_interlaced(rng: random.Random) -> bytes:
    """25 megapixels of 16 bits, RGBA, in seven passes: the most work that is allowed."""
    side = rng.randint(1500, 4999)
    return (
        header(side, side, 16, 6, 1) + chunk(b"IDAT", last_bytes_of_zlib(8 * side * side + 2 * side)) + _END
    )


def narrow(rng: random.Random) -> bytes:
    height = rng.randint(10**6, 24 * 10**6)
    return header(1, height) + chunk(b"IDAT", last_bytes_of_zlib(4 * height)) + _END


def frames(rng: random.Random) -> bytes:
    pixels = zlib.compress((b"\0" + bytes(48)) * 16)
    number = rng.randint(2, 20_000)
    parts = [header(16, 16), chunk(b"acTL", struct.pack(">II", rng.choice([number, 2**31 - 1]), 0))]
    for index in range(number):
        place = struct.pack(">IIIIIHHBB", max(0, 2 * index - 1), 16, 16, 0, 0, 1, 10, 0, 0)
        parts.append(chunk(b"fcTL", place))
        parts.append(
            chunk(b"fdAT", struct.pack(">I", 2 * index) + pixels) if index else chunk(b"IDAT", pixels)
        )
    return b"".join([*parts, _END])


def many_tags(rng: random.Random) -> bytes:
    tags = [(1 + number, 3, 1, rng.randint(0, 9)) for number in range(65_000)]
    return with_chunks(chunk(b"eXIf", exif(*tags)))


def tags_of_one_place(rng: random.Random) -> bytes:
    size = rng.randint(10**5, 10**6)
    tags = [(1 + number, 7, size, 8) for number in range(5000)]
    return with_chunks(chunk(b"eXIf", exif(*tags) + bytes(size)))


def tags_in_a_circle(rng: random.Random) -> bytes:
    tags = [(0x0112, 3, 1, rng.randint(1, 8)), (0x8769, 4, 1, 8), (0x8825, 4, 1, 8)]
    return with_chunks(chunk(b"eXIf", exif(*tags)[:-4] + struct.pack("<I", 8)))


def cut_short(rng: random.Random) -> bytes:
    data = drawn(rng, "PNG", 300)
    return data[: rng.randint(20, len(data) - 20)]


def scrambled(rng: random.Random) -> bytes:
    data = bytearray(drawn(rng, "PNG", 300))
    for _ in range(rng.randint(1, 50)):
        data[rng.randrange(8, len(data))] = rng.randrange(256)
    return bytes(data)


RULES: tuple[Rule, ...] = (
    many_unknown_chunks,
    many_texts,
    many_palettes,
    many_gammas,
    many_transparent_colours,
    many_orientations,
    empty_pixels,
    pixels_of_one_byte_each,
    compressed_text,
    compressed_profile,
    more_pixels_than_said,
    many_pixels,
    huge_sides,
    deep_and_interlaced,
    narrow,
    frames,
    many_tags,
    tags_of_one_place,
    tags_in_a_circle,
    cut_short,
    scrambled,
)
