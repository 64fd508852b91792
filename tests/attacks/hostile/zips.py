"""Rules that make hostile zip files."""

import io
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable

from tests.archives import folders, png, zipped
from tests.attacks.hostile import pictures as hostile_pictures
from tests.attacks.hostile.parts import Rule, encoded, last_bytes_of_zlib

_BLOCK = 512
_Change = Callable[[tarfile.TarInfo], None]


def _good() -> list[tuple[str, bytes]]:
    return list(folders("cat", "dog").items())


def zip_bomb(rng: random.Random) -> bytes:
    return zipped({**folders("cat", "dog"), "cat/bomb.png": bytes(rng.randint(2, 24) * 10**6)})


def zip_of_overlapping_files(rng: random.Random) -> bytes:
    """All entries name the same packed content."""
    packed = last_bytes_of_zlib(rng.randint(10**6, 10**7))[2:-4]
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(packed), 10**7, 1, 0) + b"a"
    number = rng.randint(1000, 60_000)
    entries = b"".join(
        struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            b"PK\x01\x02",
            20,
            20,
            0,
            8,
            0,
            0,
            0,
            len(packed),
            10**7,
            12,
            0,
            0,
            0,
            0,
            0,
            0,
        )
        + b"cat/%07d" % index
        + b"."
        for index in range(number)
    )
    body = local + packed
    end = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, number % 65_536, number % 65_536, len(entries), len(body), 0
    )
    return body + entries + end


def zip_of_many_entries(rng: random.Random) -> bytes:
    number = rng.randint(100_001, 250_000)
    entries = b"".join(
        struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
        + b"%07d" % index
        for index in range(number)
    )
    head = b"PK\x03\x04" + bytes(26)
    return (
        head
        + entries
        + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65_535, 65_535, len(entries), len(head), 0)
    )


def zip_of_signatures(rng: random.Random) -> bytes:
    """One file that contains the signature of an entry very often."""
    return _stored(b"PK\x01\x02" * rng.randint(10**5, 5 * 10**6))


def _stored(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in [*_good(), ("cat/9.png", content)]:
            archive.writestr(name, data)
    return buffer.getvalue()


def zip_in_a_zip(rng: random.Random) -> bytes:
    inner = zipped(folders("cat", "dog", each=rng.randint(2, 50)))
    return zipped({**folders("cat", "dog"), "cat/3.png": inner})


def zip_with_bad_names(rng: random.Random) -> bytes:
    name = rng.choice(
        [
            "../x.png",
            "/etc/passwd",
            "cat/../../x.png",
            "C:/x.png",
            "cat\\x.png",
            "cat/\x1b[2J.png",
            "a" * 2000 + "/1.png",
            "cat/\u202e.png",
        ]
    )
    return zipped({**folders("cat", "dog"), name: png()})


def zip_of_encrypted(rng: random.Random) -> bytes:
    data = bytearray(zipped(folders("cat", "dog", each=rng.randint(2, 9))))
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    return bytes(data)


def zip_of_rare_compression(rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice([zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])) as archive:
        for name, data in _good():
            archive.writestr(name, data)
    return buffer.getvalue()


def zip_that_lies_about_sizes(rng: random.Random) -> bytes:
    data = bytearray(zipped(folders("cat", "dog")))
    place = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, rng.choice([1, 10**5, 2**32 - 1]))
    return bytes(data)


def zip_with_long_extras(rng: random.Random) -> bytes:
    """Extra fields of each entry that say nothing, in as many pieces as there are bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index in range(rng.randint(100, 900)):
            info = zipfile.ZipInfo(f"cat/{index}é.png")
            info.extra = struct.pack("<HH", 0x1111, 0) * 16_000
            archive.writestr(info, b"x")
    return buffer.getvalue()


def zip_with_a_long_comment(rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = b"PK\x05\x06" * rng.randint(10, 16_000)
        archive.writestr("cat/1.png", png())
    return buffer.getvalue()


def zip_of_names_in_no_encoding(rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index in range(rng.randint(1000, 20_000)):
            archive.writestr(zipfile.ZipInfo(f"{index % 7}/{'x' * 40}{index}"), b"")
    data = buffer.getvalue()
    return data.replace(b"x" * 40, bytes(rng.randrange(128, 256) for _ in range(40)))


def zip_of_hostile_pictures(rng: random.Random) -> bytes:
    rules = list(hostile_pictures.RULES.values())
    files = folders("cat", "dog")
    for index in range(3):
        files[f"cat/hostile{index}.png"] = rng.choice(rules)(rng)
    return zipped(files)


def zip_of_large_pictures(rng: random.Random) -> bytes:
    large = encoded("PNG", (5000, 5000), compress_level=9)
    return zipped(
        {f"{name}/{index}.png": large for name in ("cat", "dog") for index in range(rng.randint(2, 20))}
    )


def zip_twice_the_same_name(rng: random.Random) -> bytes:
    data = zipped({f"cat/{index}.png": png() for index in range(rng.randint(2, 99))} | folders("dog"))
    return data.replace(b"cat/1.png", b"cat/0.png")


def zip_cut_short(rng: random.Random) -> bytes:
    data = zipped(folders("cat", "dog", each=20))
    return data[: rng.randint(4, len(data) - 10)]


def zip_scrambled(rng: random.Random) -> bytes:
    data = bytearray(zipped(folders("cat", "dog", each=20)))
    for _ in range(rng.randint(1, 40)):
        data[rng.randrange(4, len(data))] = rng.randrange(256)
    return bytes(data)


RULES: tuple[Rule, ...] = (
    zip_bomb,
    zip_of_overlapping_files,
    zip_of_many_entries,
    zip_of_signatures,
    zip_in_a_zip,
    zip_with_bad_names,
    zip_of_encrypted,
    zip_of_rare_compression,
    zip_that_lies_about_sizes,
    zip_with_long_extras,
    zip_with_a_long_comment,
    zip_of_names_in_no_encoding,
    zip_of_hostile_pictures,
    zip_of_large_pictures,
    zip_twice_the_same_name,
    zip_cut_short,
    zip_scrambled,
)
