"""Hostile TIFF files: directories, strips, tiles and what they unpack to."""

import io
import random
import struct
import zlib

from PIL import Image

from tests.attacks.hostile.jpegs import scans
from tests.attacks.hostile.parts import Rule, drawn, encoded, last_bytes_of_zlib, tiff

_BYTE, _SHORT, _LONG, _UNDEFINED = 1, 3, 4, 7
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _LOOK, _STRIPS, _SAMPLES = 256, 257, 258, 259, 262, 273, 277
_ROWS, _SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 278, 279, 322, 323, 324, 325
_DEFLATE, _LZW, _PACKBITS, _JPEG, _GROUP_4, _LZMA, _ZSTD, _WEBP = 8, 5, 32773, 7, 4, 34925, 50000, 50001


def _strip(width: int, height: int, content: bytes, compression: int, **more: int) -> bytes:
    """A grey picture in one strip, at offset 8."""
    tags = {
        _WIDTH: width,
        _HEIGHT: height,
        _BITS: 8,
        _COMPRESSION: compression,
        _LOOK: 1,
        _STRIPS: 8,
        _SAMPLES: 1,
        _ROWS: height,
        _SIZES: len(content),
    }
    return tiff([(number, _LONG, 1, value) for number, value in tags.items()], content)


def _tiled(
    width: int, height: int, tile: tuple[int, int], content: bytes, compression: int, count: int
) -> bytes:
    """A grey picture of `count` tiles that are all in one place, at offset 8."""
    places = struct.pack("<I", 8) * count
    sizes = struct.pack("<I", len(content)) * count
    body = content + bytes(-len(content) % 4) + places + sizes
    first = 8 + len(content) + -len(content) % 4
    tags = [
        (_WIDTH, _LONG, 1, width),
        (_HEIGHT, _LONG, 1, height),
        (_BITS, _SHORT, 1, 8),
        (_COMPRESSION, _SHORT, 1, compression),
        (_LOOK, _SHORT, 1, 1),
        (_SAMPLES, _SHORT, 1, 1),
        (_TILE_WIDTH, _LONG, 1, tile[0]),
        (_TILE_HEIGHT, _LONG, 1, tile[1]),
        (_TILES, _LONG, count, first if count > 1 else 8),
        (_TILE_SIZES, _LONG, count, first + 4 * count if count > 1 else len(content)),
    ]
    return tiff(tags, body)


def many_tags(rng: random.Random) -> bytes:
    own = [(number, _LONG, 1, 8) for number in range(300, 65_000)]
    return tiff([*own, (_WIDTH, _LONG, 1, 16), (_HEIGHT, _LONG, 1, 16)], bytes(rng.randint(300, 999)))


def tags_of_one_place(rng: random.Random) -> bytes:
    size = rng.randint(10**5, 10**6)
    own = [(1000 + number, rng.choice([_BYTE, _UNDEFINED]), size, 8) for number in range(9000)]
    return tiff([*own, (_WIDTH, _LONG, 1, 16), (_HEIGHT, _LONG, 1, 16)], bytes(size))


def tag_of_many_values(rng: random.Random) -> bytes:
    count = rng.randint(600_000, 6_000_000)
    kind = rng.choice([_SHORT, _LONG, 5, 10, 12])
    tags = [(_WIDTH, _LONG, 1, 16), (_HEIGHT, _LONG, 1, 16), (_STRIPS, kind, count, 8)]
    return tiff(tags, bytes(24_000_000))


def directories_in_a_circle(rng: random.Random) -> bytes:
    data = bytearray(_strip(16, 16, bytes(256), 1))
    data[-4:] = struct.pack("<I", struct.unpack_from("<I", data, 4)[0])
    return bytes(data)


def many_directories(rng: random.Random) -> bytes:
    one = encoded("TIFF", (1, 1))
    pages = [Image.new("L", (1, 1)) for _ in range(rng.randint(2, 2000))]
    buffer = io.BytesIO()
    Image.open(io.BytesIO(one)).save(buffer, "TIFF", save_all=True, append_images=pages)
    return buffer.getvalue()


def strips_of_one_row(rng: random.Random) -> bytes:
    height = rng.randint(100_000, 240_000)
    places, sizes = struct.pack("<I", 8) * height, struct.pack("<I", 50) * height
    body = bytes(52) + places + sizes
    tags = [
        (_WIDTH, _LONG, 1, 50),
        (_HEIGHT, _LONG, 1, height),
        (_BITS, _SHORT, 1, 8),
        (_COMPRESSION, _SHORT, 1, rng.choice([1, _PACKBITS, _DEFLATE])),
        (_LOOK, _SHORT, 1, 1),
        (_STRIPS, _LONG, height, 60),
        (_SAMPLES, _SHORT, 1, 1),
        (_ROWS, _LONG, 1, 1),
        (_SIZES, _LONG, height, 60 + 4 * height),
    ]
    return tiff(tags, body)


def tiles_far_larger_than_the_picture(rng: random.Random) -> bytes:
    side = rng.choice([8192, 16_384, 32_768])
    content = last_bytes_of_zlib(side * side // 4)
    return _tiled(16, 16, (side, side), content, _DEFLATE, 1)


def tiny_tiles(rng: random.Random) -> bytes:
    side = rng.randint(2000, 4900)
    count = ((side + 15) // 16) ** 2
    return _tiled(side, side, (16, 16), zlib.compress(bytes(256)), _DEFLATE, count)


def tiles_of_many_scans(rng: random.Random) -> bytes:
    """JPEG inside: the scans of a JPEG are counted, those of a tile must be, too."""
    side = rng.choice([512, 1024, 2048])
    content = scans(side, rng.randint(1000, 4000))
    return _tiled(side, side, (side, side), content, _JPEG, 1)


def strip_of_many_scans(rng: random.Random) -> bytes:
    side = rng.randint(1000, 4000)
    return _strip(side, side, scans(side, rng.randint(1000, 3000)), _JPEG)


def inflating_strip(rng: random.Random) -> bytes:
    return _strip(16, 16, last_bytes_of_zlib(rng.randint(10**8, 10**9)), _DEFLATE)


def many_pixels(rng: random.Random) -> bytes:
    side = rng.randint(5100, 2**31 - 1)
    return _strip(side, side, bytes(100), rng.choice([1, _LZW, _DEFLATE, _GROUP_4]))


def rare_compression(rng: random.Random) -> bytes:
    compression = rng.choice([6, 7, _LZMA, _ZSTD, _WEBP, 34887, 32909, 2, 3, _GROUP_4])
    return _strip(2000, 2000, rng.randbytes(rng.randint(100, 10**6)), compression)


def zeros_of_packbits(rng: random.Random) -> bytes:
    """Codes that unpack to nothing."""
    return _strip(1000, 1000, b"\x80" * rng.randint(10**6, 20 * 10**6), _PACKBITS)


def random_lzw(rng: random.Random) -> bytes:
    return _strip(4000, 4000, b"\x80" + rng.randbytes(rng.randint(10**5, 10**7)), _LZW)


def many_samples(rng: random.Random) -> bytes:
    tags = [
        (_WIDTH, _LONG, 1, 1000),
        (_HEIGHT, _LONG, 1, 1000),
        (_SAMPLES, _SHORT, 1, 65_535),
        (_BITS, _SHORT, 65_535, 8),
        (_STRIPS, _LONG, 1, 8),
        (_SIZES, _LONG, 1, 9999),
    ]
    return tiff(tags, bytes(rng.randint(131_070, 200_000)))


def big_tiff(rng: random.Random) -> bytes:
    number = rng.choice([2**63, 2**32, 10**6])
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, number) + rng.randbytes(20_000)


def scrambled(rng: random.Random) -> bytes:
    data = bytearray(drawn(rng, "TIFF", 200, compression=rng.choice(["tiff_lzw", "tiff_deflate", "raw"])))
    for _ in range(rng.randint(1, 50)):
        data[rng.randrange(4, len(data))] = rng.randrange(256)
    return bytes(data)


RULES: tuple[Rule, ...] = (
    many_tags,
    tags_of_one_place,
    tag_of_many_values,
    directories_in_a_circle,
    many_directories,
    strips_of_one_row,
    tiles_far_larger_than_the_picture,
    tiny_tiles,
    tiles_of_many_scans,
    strip_of_many_scans,
    inflating_strip,
    many_pixels,
    rare_compression,
    zeros_of_packbits,
    random_lzw,
    many_samples,
    big_tiff,
    scrambled,
)
