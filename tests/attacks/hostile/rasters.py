"""Hostile GIF and BMP files."""

import random
import struct

from tests.attacks.hostile.parts import Rule, drawn, encoded


def _gif(*blocks: bytes, canvas: tuple[int, int] = (16, 16)) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", *canvas, 0xF0, 0, 0) + bytes(6) + b"".join(blocks) + b"\x3b"


def _frame(size: tuple[int, int] = (16, 16), codes: bytes = b"\x02\x44\x01\x00", bits: int = 2) -> bytes:
    return b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0) + bytes([bits]) + codes


def _comment(content: bytes, block: int = 255) -> bytes:
    pieces = [content[place : place + block] for place in range(0, len(content), block)]
    return b"\x21\xfe" + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def _codes(content: bytes) -> bytes:
    pieces = [content[place : place + 255] for place in range(0, len(content), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def gif_long_comment(rng: random.Random) -> bytes:
    return _gif(_comment(bytes(rng.randint(2 * 10**6, 20 * 10**6))), _frame())


def gif_many_comments(rng: random.Random) -> bytes:
    return _gif(_comment(b"x") * rng.randint(150_000, 1_000_000), _frame())


def gif_comment_of_tiny_blocks(rng: random.Random) -> bytes:
    return _gif(_comment(bytes(rng.randint(100_000, 5_000_000)), 1), _frame())


def gif_many_controls(rng: random.Random) -> bytes:
    return _gif(b"\x21\xf9\x04\0\0\0\0\0" * rng.randint(150_000, 2_000_000), _frame())


def gif_many_frames(rng: random.Random) -> bytes:
    return _gif(_frame() * rng.randint(2, 190_000))


def gif_many_pixels(rng: random.Random) -> bytes:
    return _gif(_frame((65_535, rng.randint(400, 65_535))), canvas=(65_535, 65_535))


def gif_frame_beyond_canvas(rng: random.Random) -> bytes:
    return _gif(_frame((rng.randint(6000, 65_535), rng.randint(6000, 65_535))))


def gif_endless_codes(rng: random.Random) -> bytes:
    return _gif(_frame(codes=_codes(rng.randbytes(rng.randint(10**6, 20 * 10**6)))))


def gif_clear_codes(rng: random.Random) -> bytes:
    """Codes that clear the table and draw nothing."""
    side = rng.randint(1000, 5000)
    return _gif(
        _frame((side, side), _codes(b"\x24\x49\x92" * rng.randint(10**6, 6 * 10**6))), canvas=(side, side)
    )


def gif_tiny_pixel_blocks(rng: random.Random) -> bytes:
    codes = b"\x01\x44" * rng.randint(100_000, 5_000_000) + b"\0"
    return _gif(_frame((1000, 1000), codes), canvas=(1000, 1000))


def gif_scrambled(rng: random.Random) -> bytes:
    data = bytearray(drawn(rng, "GIF", 200))
    for _ in range(rng.randint(1, 50)):
        data[rng.randrange(6, len(data))] = rng.randrange(256)
    return bytes(data)


def bmp(
    width: int, height: int, codes: bytes, compression: int, bits: int = 8, colours: int = 256, head: int = 40
) -> bytes:
    """A BMP with a palette."""
    palette = bytes(4 * colours)
    offset = 14 + head + len(palette)
    info = struct.pack(
        "<IiiHHIIiiII", head, width, height, 1, bits, compression, len(codes), 0, 0, colours, 0
    )
    return (
        b"BM"
        + struct.pack("<IHHI", offset + len(codes), 0, 0, offset)
        + info.ljust(head, b"\0")
        + palette
        + codes
    )


def bmp_rows_that_end_at_once(rng: random.Random) -> bytes:
    side = rng.randint(3000, 5000)
    return bmp(side, side, b"\1\0\0\0" * side, 1)


def bmp_runs_of_one(rng: random.Random) -> bytes:
    side = rng.randint(2000, 3600)
    return bmp(side, side, b"\1\0" * (side * side), 1)


def bmp_runs_of_one_in_4_bits(rng: random.Random) -> bytes:
    side = rng.randint(2000, 3600)
    return bmp(side, side, b"\1\0" * (side * side), 2, bits=4, colours=16)


def bmp_ends_of_rows(rng: random.Random) -> bytes:
    return bmp(16, 16, b"\0\0" * rng.randint(10**6, 12 * 10**6), 1)


def bmp_moves(rng: random.Random) -> bytes:
    side = rng.randint(100, 5000)
    return bmp(side, side, bytes([0, 2, 0, 0]) * rng.randint(10**6, 6 * 10**6), 1)


def bmp_long_moves(rng: random.Random) -> bytes:
    return bmp(rng.randint(4000, 5000), 5000, bytes([0, 2, 255, 255]) * rng.randint(2, 1000), 1)


def bmp_pieces_of_three(rng: random.Random) -> bytes:
    side = rng.randint(1000, 3000)
    return bmp(side, side, bytes([0, 3, 1, 2, 3, 0]) * (side * side // 3), 1)


def bmp_many_colours(rng: random.Random) -> bytes:
    return bmp(16, 16, bytes(256), 0, colours=rng.randint(60_000, 6 * 10**6))


def bmp_many_pixels(rng: random.Random) -> bytes:
    side = rng.randint(5100, 2**30)
    return bmp(side, rng.choice([side, -side]), bytes(999), rng.choice([0, 1]))


def bmp_odd_head(rng: random.Random) -> bytes:
    return bmp(16, 16, bytes(256), rng.choice([3, 4, 5, 6, 11]), rng.choice([1, 4, 16, 24, 32]), 2, head=124)


def bmp_cut_short(rng: random.Random) -> bytes:
    data = encoded("BMP", (3000, 3000))
    return data[: rng.randint(30, 26_000_000)][: 25 * 2**20]


RULES: tuple[Rule, ...] = (
    gif_long_comment,
    gif_many_comments,
    gif_comment_of_tiny_blocks,
    gif_many_controls,
    gif_many_frames,
    gif_many_pixels,
    gif_frame_beyond_canvas,
    gif_endless_codes,
    gif_clear_codes,
    gif_tiny_pixel_blocks,
    gif_scrambled,
    bmp_rows_that_end_at_once,
    bmp_runs_of_one,
    bmp_runs_of_one_in_4_bits,
    bmp_ends_of_rows,
    bmp_moves,
    bmp_long_moves,
    bmp_pieces_of_three,
    bmp_many_colours,
    bmp_many_pixels,
    bmp_odd_head,
    bmp_cut_short,
)
