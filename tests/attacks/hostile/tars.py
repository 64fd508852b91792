"""Rules that make hostile tar files, and what gzip hides."""

import gzip
import io
import random
import tarfile
import zlib
from collections.abc import Callable

from tests.archives import folders, png, tarred
from tests.attacks.hostile import pictures as hostile_pictures
from tests.attacks.hostile.parts import Rule, last_bytes_of_zlib

_BLOCK = 512
_Change = Callable[[tarfile.TarInfo], None]


def _good() -> list[tuple[str, bytes]]:
    return list(folders("cat", "dog").items())


def _tar(
    *members: tuple[str, bytes], change: _Change = lambda _: None, form: int = tarfile.GNU_FORMAT
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _header(name: bytes, size: bytes, sort: bytes = b"0") -> bytes:
    """A header of a tar, with any field for the size."""
    head = bytearray(_BLOCK)
    head[: len(name)] = name
    head[100:108] = b"0000644\0"
    head[108:116] = head[116:124] = b"0000000\0"
    head[124 : 124 + len(size)] = size
    head[136:148] = b"00000000000\0"
    head[148:156] = b" " * 8
    head[156:157] = sort
    head[257:265] = b"ustar  \0"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _BLOCK)


def _octal(size: int) -> bytes:
    return b"%011o\0" % size


def tar_bomb(rng: random.Random) -> bytes:
    size = rng.randint(10**8, 10**9)
    packer = io.BytesIO()
    with gzip.GzipFile(fileobj=packer, mode="wb", compresslevel=1) as file:
        file.write(_header(b"cat/1.png", _octal(size)))
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return packer.getvalue()


def tar_of_empty_blocks(rng: random.Random) -> bytes:
    """Zeros behind the end, or before the begin."""
    zeros = b"\x1f\x8b\x08\0\0\0\0\0\0\3" + last_bytes_of_zlib(rng.randint(10**8, 10**9))[2:-4] + bytes(8)
    return zeros


def tar_of_links(rng: random.Random) -> bytes:
    sort = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])

    def change(info: tarfile.TarInfo) -> None:
        if info.name == "cat/link":
            info.type, info.linkname = sort, "/etc/passwd"

    return _tar(*_good(), ("cat/link", b""), change=change)


def tar_of_negative_size(rng: random.Random) -> bytes:
    size = (-rng.choice([_BLOCK, 1024, 10**6])).to_bytes(12, "big", signed=True)
    good = _tar(*_good())
    return good[: -10 * _BLOCK] + _header(b"cat/9.png", size) + bytes(2 * _BLOCK)


def tar_of_huge_size(rng: random.Random) -> bytes:
    size = b"\x80" + rng.choice([2**62, 2**40, 10**10]).to_bytes(11, "big")
    return _header(b"cat/9.png", size) + bytes(2 * _BLOCK)


def tar_of_long_names(rng: random.Random) -> bytes:
    name = b"a" * rng.randint(10**6, 2 * 10**7)
    return (
        _header(b"././@LongLink", _octal(len(name)), b"L")
        + _padded(name)
        + _header(b"x", _octal(0))
        + bytes(1024)
    )


def tar_of_names_for_names(rng: random.Random) -> bytes:
    """Each long name is followed by another: tarfile calls itself for each."""
    one = _header(b"././@LongLink", _octal(2), rng.choice([b"L", b"K"])) + _padded(b"a\0")
    return one * rng.randint(500, 20_000) + _header(b"x", _octal(0)) + bytes(1024)


def tar_of_long_records(rng: random.Random) -> bytes:
    record = b"".join(b"9 k%03d=v\n" % (index % 1000) for index in range(rng.randint(10**5, 2 * 10**6)))
    return (
        _header(b"pax", _octal(len(record)), b"x") + _padded(record) + _header(b"x", _octal(0)) + bytes(1024)
    )


def tar_of_odd_records(rng: random.Random) -> bytes:
    record = rng.choice([b"0 a=b\n" * 5000, b"9" * 50_000, b"5 =\n" * 9000, b"99999 a=b\n", b"1 " * 30_000])
    return (
        _header(b"pax", _octal(len(record)), rng.choice([b"x", b"g"]))
        + _padded(record)
        + _header(b"x", _octal(0))
        + bytes(1024)
    )


def tar_of_many_records(rng: random.Random) -> bytes:
    record = b"".join(b"9 k%03d=v\n" % (index % 1000) for index in range(7000))
    one = _header(b"pax", _octal(len(record)), b"x") + _padded(record) + _header(b"x", _octal(0))
    return one * rng.randint(50, 900) + bytes(1024)


def tar_of_global_records(rng: random.Random) -> bytes:
    record = b"".join(b"12 k%03d=val\n" % (index % 1000) for index in range(1000))
    one = _header(b"pax", _octal(len(record)), b"g") + _padded(record)
    return (
        one
        + b"".join(_header(b"cat/%d.png" % index, _octal(0)) for index in range(rng.randint(1000, 20_000)))
        + bytes(1024)
    )


def tar_of_many_files(rng: random.Random) -> bytes:
    return b"".join(
        _header(b"cat/%d.png" % index, _octal(0)) for index in range(rng.randint(100_001, 120_000))
    )


def tar_of_many_folders(rng: random.Random) -> bytes:
    return gzip.compress(
        b"".join(
            _header(b"cat/%d/" % index, _octal(0), b"5") for index in range(rng.randint(50_000, 110_000))
        ),
        1,
    )


def tar_of_holes(rng: random.Random) -> bytes:
    """A sparse file in the old format of GNU, whose map does not end."""
    head = bytearray(_header(b"cat/1.png", _octal(0), b"S"))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    more = bytearray((b"%011o\0" % 1) * 42 + bytes(8))[:_BLOCK]
    more[504] = 1
    return bytes(head) + bytes(more) * rng.randint(1000, 100_000)


def tar_of_holes_in_records(rng: random.Random) -> bytes:
    number = rng.randint(10**4, 10**6)
    content = b"%d\n" % number + b"1\n" * (2 * number)
    record = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    return (
        _header(b"pax", _octal(len(record)), b"x")
        + _padded(record)
        + _header(b"cat/1.png", _octal(len(content)))
        + _padded(content)
        + bytes(1024)
    )


def tar_with_bad_names(rng: random.Random) -> bytes:
    return _tar(
        *_good(), (rng.choice(["../x.png", "/x.png", "cat//x.png", "cat/../x.png", "a\x07b/c.png"]), png())
    )


def tar_of_names_in_no_encoding(rng: random.Random) -> bytes:
    name = bytes(rng.randrange(128, 256) for _ in range(60))
    return b"".join(
        _header(b"%d/" % (index % 5) + name + b"%d.png" % index, _octal(0))
        for index in range(rng.randint(1000, 20_000))
    ) + bytes(1024)


def tar_of_hostile_pictures(rng: random.Random) -> bytes:
    rules = list(hostile_pictures.RULES.values())
    return tarred({**folders("cat", "dog"), "cat/7.png": rng.choice(rules)(rng)}, packed=rng.random() < 0.5)


def tar_cut_short(rng: random.Random) -> bytes:
    data = tarred(folders("cat", "dog", each=20), packed=rng.random() < 0.5)
    return data[: rng.randint(4, len(data) - 10)]


def tar_scrambled(rng: random.Random) -> bytes:
    is_packed = rng.random() < 0.3
    data = bytearray(tarred(folders("cat", "dog", each=20), packed=is_packed))
    for _ in range(rng.randint(1, 40)):
        data[rng.randrange(3, len(data))] = rng.randrange(256)
    return bytes(data)


def gzip_in_a_gzip(rng: random.Random) -> bytes:
    data = tarred(folders("cat", "dog"))
    for _ in range(rng.randint(2, 20)):
        data = gzip.compress(data)
    return data


def gzip_of_many_members(rng: random.Random) -> bytes:
    """Each has a header and a checksum of its own."""
    return gzip.compress(b"") * rng.randint(10**5, 10**6) + gzip.compress(tarred(folders("cat", "dog")))


def random_bytes(rng: random.Random) -> bytes:
    return rng.choice([b"PK\x03\x04", b"\x1f\x8b", b"\x1f\x8b\x08\0", b"PK\x05\x06"]) + rng.randbytes(
        rng.randint(10, 10**6)
    )


def deflated_blocks_of_nothing(rng: random.Random) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(_header(b"cat/1.png", _octal(10**6))) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + b"\0\0\0\xff\xff" * rng.randint(10**6, 5 * 10**6)


RULES: tuple[Rule, ...] = (
    tar_bomb,
    tar_of_empty_blocks,
    tar_of_links,
    tar_of_negative_size,
    tar_of_huge_size,
    tar_of_long_names,
    tar_of_names_for_names,
    tar_of_long_records,
    tar_of_odd_records,
    tar_of_many_records,
    tar_of_global_records,
    tar_of_many_files,
    tar_of_many_folders,
    tar_of_holes,
    tar_of_holes_in_records,
    tar_with_bad_names,
    tar_of_names_in_no_encoding,
    tar_of_hostile_pictures,
    tar_cut_short,
    tar_scrambled,
    gzip_in_a_gzip,
    gzip_of_many_members,
    random_bytes,
    deflated_blocks_of_nothing,
)
