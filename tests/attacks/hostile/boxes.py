"""Hostile AVIF and HEIC files: boxes, items, grids and sizes that are not those of the pixels."""

import random
import struct

from tests.attacks.hostile.parts import Rule, box, drawn, encoded
from tests.heic_samples import TURNED, TWO_HALVES

_AVIF_KIND = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
_HEIC_KIND = box(b"ftyp", b"heic\0\0\0\0mif1heic")


def _kind(rng: random.Random) -> bytes:
    return rng.choice([_AVIF_KIND, _HEIC_KIND])


def _small(rng: random.Random) -> bytes:
    return rng.choice([encoded("AVIF", (64, 64)), TWO_HALVES, TURNED])


def _meta(*boxes: bytes) -> bytes:
    handler = box(b"hdlr", bytes(4) + b"pict" + bytes(13), 0)
    return box(b"meta", b"".join([handler, *boxes]), 0)


def _item(number: int, kind: bytes) -> bytes:
    return box(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", 2)


def many_items(rng: random.Random) -> bytes:
    number, codec = rng.randint(20_000, 65_000), rng.choice([b"av01", b"hvc1"])
    items = b"".join(_item(1 + index, codec) for index in range(number))
    return (
        _kind(rng)
        + _meta(box(b"pitm", b"\0\1", 0), box(b"iinf", struct.pack(">H", number) + items, 0))
        + box(b"mdat", b"")
    )


def many_places(rng: random.Random) -> bytes:
    number = rng.randint(20_000, 65_000)
    places = b"".join(struct.pack(">HHHII", 1 + index, 0, 1, 8, 8) for index in range(number))
    head = struct.pack(">BBH", 0x44, 0, number)
    return _kind(rng) + _meta(box(b"pitm", b"\0\1", 0), box(b"iloc", head + places, 0)) + box(b"mdat", b"")


def many_properties(rng: random.Random) -> bytes:
    sizes = box(b"ispe", struct.pack(">II", 16, 16), 0) * rng.randint(50_000, 500_000)
    return _kind(rng) + _meta(box(b"pitm", b"\0\1", 0), box(b"iprp", box(b"ipco", sizes)))


def many_associations(rng: random.Random) -> bytes:
    number = rng.randint(100_000, 2_000_000)
    one = b"".join(struct.pack(">HBB", 1 + index % 65_000, 1, 0x81) for index in range(65_000))
    content = struct.pack(">I", number) + (one * (number // 65_000 + 1))[: 4 * number]
    shape = box(b"ipco", box(b"ispe", struct.pack(">II", 16, 16), 0))
    return _kind(rng) + _meta(box(b"pitm", b"\0\1", 0), box(b"iprp", shape + box(b"ipma", content, 0)))


def many_references(rng: random.Random) -> bytes:
    number = rng.randint(20_000, 65_000)
    one = box(b"dimg", struct.pack(">HH", 1, number) + b"\0\2" * number)
    return _kind(rng) + _meta(box(b"pitm", b"\0\1", 0), box(b"iref", one * rng.randint(1, 100), 0))


def many_boxes(rng: random.Random) -> bytes:
    data = _small(rng)
    return data + box(rng.choice([b"free", b"skip", b"uuid"]), b"") * rng.randint(210_000, 2_000_000)


def many_boxes_first(rng: random.Random) -> bytes:
    data = _small(rng)
    end = struct.unpack_from(">I", data)[0]
    return data[:end] + box(b"free", b"") * rng.randint(210_000, 2_000_000) + data[end:]


def nested_boxes(rng: random.Random) -> bytes:
    inner = b""
    for _ in range(rng.randint(100, 2000)):
        inner = box(rng.choice([b"meta", b"iprp", b"ipco", b"moov", b"trak"]), inner)
    return _kind(rng) + inner


def huge_sides(rng: random.Random) -> bytes:
    data = bytearray(_small(rng))
    place = data.index(b"ispe") + 8
    struct.pack_into(
        ">II", data, place, rng.choice([2**31, 60_000, 16_384, 5100]), rng.choice([16_384, 5100])
    )
    return bytes(data)


def said_to_be_tiny(rng: random.Random) -> bytes:
    """The header says 16 x 16, the pixels are of 4 megapixels."""
    data = bytearray(encoded("AVIF", (2000, 2000), speed=10))
    struct.pack_into(">II", data, data.index(b"ispe") + 8, 16, 16)
    return bytes(data)


def grid(rng: random.Random) -> bytes:
    """A grid of very many tiles that are all one item."""
    rows, columns = rng.randint(100, 255), rng.randint(100, 255)
    number = (rows + 1) * (columns + 1)
    items = _item(1, b"grid") + _item(2, b"av01")
    content = struct.pack(">BBBBHH", 0, 0, rows, columns, 4000, 4000)
    pieces = _meta(
        box(b"pitm", b"\0\1", 0),
        box(b"iinf", b"\0\2" + items, 0),
        box(b"iref", box(b"dimg", struct.pack(">HH", 1, number) + b"\0\2" * number), 0),
        box(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, 8, 8), 1),
        box(b"idat", content),
    )
    return _kind(rng) + pieces


def sequence(rng: random.Random) -> bytes:
    """An animation that claims very many samples."""
    number = rng.randint(10**6, 2**31)
    sizes = box(b"stsz", struct.pack(">II", 8, number), 0)
    table = box(b"stbl", sizes + box(b"stts", struct.pack(">III", 1, number, 1), 0))
    track = box(b"trak", box(b"mdia", box(b"minf", table)))
    return box(b"ftyp", b"avis\0\0\0\0avisavifmif1") + box(b"moov", track)


def cut_short(rng: random.Random) -> bytes:
    data = _small(rng)
    return data[: rng.randint(20, len(data) - 5)]


def scrambled(rng: random.Random) -> bytes:
    data = bytearray(_small(rng) if rng.random() < 0.5 else drawn(rng, "AVIF", 100))
    for _ in range(rng.randint(1, 30)):
        data[rng.randrange(12, len(data))] = rng.randrange(256)
    return bytes(data)


RULES: tuple[Rule, ...] = (
    many_items,
    many_places,
    many_properties,
    many_associations,
    many_references,
    many_boxes,
    many_boxes_first,
    nested_boxes,
    huge_sides,
    said_to_be_tiny,
    grid,
    sequence,
    cut_short,
    scrambled,
)
