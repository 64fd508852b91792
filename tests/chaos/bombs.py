"""Pictures that are small as files and large, endless or something else when opened."""

import io
import struct
import zlib

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ENDLESS = 2**31 - 1
SIDE = 9000
TEXTS = 100_000


def all_bombs() -> dict[str, bytes]:
    """Each by its name."""
    return {
        "10 kB of 81 megapixels": of_many_pixels(),
        "EPS named .png": eps(),
        "truncated JPEG": truncated_jpeg(),
        "endless APNG": animation(ENDLESS, frames=1),
        "APNG of 5,000 frames": animation(5000, frames=5000),
        "100,000 texts": texts(b"tEXt", b"key\0word"),
        "100,000 texts that unpack to 1 kB each": texts(b"zTXt", b"key\0\0" + zlib.compress(bytes(1024))),
        "100,000 texts that unpack to 100 kB each": texts(b"zTXt", b"key\0\0" + zlib.compress(bytes(102400))),
    }


def chunk(name: bytes, data: bytes) -> bytes:
    """One of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header(side: int, *, bits: int, colours: int) -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, colours, 0, 0, 0))


def of_many_pixels() -> bytes:
    """One bit each, all the same."""
    rows = bytes(1 + SIDE // 8) * SIDE
    return header(SIDE, bits=1, colours=0) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def animation(claimed: int, *, frames: int) -> bytes:
    """A PNG that says how many frames follow, and how many do."""
    pixels = zlib.compress((b"\0" + bytes(16)) * 16)
    parts = [header(16, bits=8, colours=0), chunk(b"acTL", struct.pack(">II", claimed, 0))]
    for number in range(frames):
        control = struct.pack(">IIIIIHHBB", max(0, 2 * number - 1), 16, 16, 0, 0, 1, 10, 0, 0)
        data = (
            chunk(b"IDAT", pixels) if number == 0 else chunk(b"fdAT", struct.pack(">I", 2 * number) + pixels)
        )
        parts += [chunk(b"fcTL", control), data]
    return b"".join([*parts, chunk(b"IEND", b"")])


def texts(name: bytes, data: bytes) -> bytes:
    """A picture of 16 x 16 behind very many words."""
    pixels = zlib.compress((b"\0" + bytes(16)) * 16)
    return (
        header(16, bits=8, colours=0)
        + chunk(name, data) * TEXTS
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def truncated_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((512, 512), 50).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


def eps() -> bytes:
    """A program in PostScript, for whoever has Ghostscript."""
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n(owned) (w) file closefile\n%%EOF\n"
