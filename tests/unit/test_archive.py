"""Archives from outside: what is read, and what is refused before it is unpacked."""

import io
import stat
import struct
import tarfile
import zipfile

import pytest
from brushwork_core.media import archive
from brushwork_core.media.archive import Archive, BoundedReader
from brushwork_schemas.errors import InvalidDataset

from tests.archives import tarred, zipped

PACKED = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda files: tarred(files, packed=True),
}


def entry(name: str = "cat/1.png", **attributes: object) -> bytes:
    """A tar of one member that is not what it should be."""
    buffer = io.BytesIO()
    info = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    with tarfile.open(fileobj=buffer, mode="w") as made:
        made.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_files_are_found_by_name(packed: object) -> None:
    files = {"cat/1.png": b"one", "cat/2.png": b"two", "./dog/\u72d7.png": b"three"}
    opened = Archive(packed(files))  # type: ignore[operator]
    assert opened.names == ("cat/1.png", "cat/2.png", "dog/\u72d7.png")
    assert [opened.read(name) for name in reversed(opened.names)] == [b"three", b"two", b"one"]


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize(
    "name", ["../1.png", "cat/../../1.png", "/etc/passwd", "cat//1.png", "c:/1.png", "cat\\1.png", "a\x1b[2J"]
)
def test_names_that_lead_elsewhere_are_refused(packed: object, name: str) -> None:
    with pytest.raises(InvalidDataset, match="the name"):
        Archive(packed({name: b"x"}))  # type: ignore[operator]


@pytest.mark.parametrize(
    "sort", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(sort: bytes) -> None:
    with pytest.raises(InvalidDataset, match=r"'cat/1.png' is a link or a device"):
        Archive(entry(type=sort, linkname="/etc/passwd"))


def test_links_in_a_zip_are_refused() -> None:
    buffer = io.BytesIO()
    info = zipfile.ZipInfo("cat/1.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(info, "/etc/passwd")
    with pytest.raises(InvalidDataset, match="is a link or a device"):
        Archive(buffer.getvalue())


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InvalidDataset, match="is in the archive twice"):
        Archive(tarred({"cat/1.png": b"one", "./cat/1.png": b"two"}))


@pytest.mark.parametrize("packed", [PACKED["zip"], PACKED["tar.gz"]], ids=["zip", "tar.gz"])
def test_bombs_are_refused_before_they_are_unpacked(packed: object) -> None:
    bomb = packed({"cat/1.png": bytes(20 * 2**20)})  # type: ignore[operator]
    assert len(bomb) < 100_000
    with pytest.raises(InvalidDataset, match="more than 200 times its size"):
        Archive(bomb)


def test_many_tight_files_are_refused_together(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {f"cat/{number}.png": bytes(2**20) for number in range(3)}
    with pytest.raises(InvalidDataset, match="more than 200 times its size"):
        Archive(zipped(small))
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 2 * 2**20)
    with pytest.raises(InvalidDataset, match=r"has more than .* bytes unpacked"):
        Archive(tarred(small))


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_one_file_is_bounded(packed: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    with pytest.raises(InvalidDataset, match=r"'cat/1.png' has 1001 bytes. The limit is 1000"):
        Archive(packed({"cat/1.png": bytes(1001)}))  # type: ignore[operator]


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_the_number_of_files_is_bounded(packed: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    with pytest.raises(InvalidDataset, match="more than 3 files"):
        Archive(packed({f"cat/{number}.png": b"x" for number in range(5)}))  # type: ignore[operator]


def test_a_record_that_says_it_is_huge_is_not_read() -> None:
    # A long name's record says how long the name is; tarfile would make room for all of it.
    huge = entry(type=tarfile.GNUTYPE_LONGNAME, size=2**32)
    with pytest.raises(InvalidDataset, match="a record of the archive is too large"):
        Archive(huge)


def test_a_size_beyond_the_end_is_found() -> None:
    whole = tarred({"cat/1.png": bytes(4000), "cat/2.png": bytes(4000)})
    with pytest.raises(InvalidDataset, match="unexpected end of data"):
        Archive(whole[:6000])


def test_a_zip_that_lies_about_a_size_is_found() -> None:
    data = bytearray(zipped({"cat/1.png": bytes(5000)}))
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(InvalidDataset, match=r"'cat/1.png' is damaged"):
        Archive(bytes(data)).read("cat/1.png")


def test_encrypted_files_are_refused() -> None:
    data = bytearray(zipped({"cat/1.png": b"x"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InvalidDataset, match="is encrypted"):
        Archive(bytes(data))


@pytest.mark.parametrize("data", [b"", b"hello", b"\x1f\x8b" + bytes(50), b"Rar!\x1a" + bytes(600)])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDataset, match=r"archive cannot be read|damaged") as raised:
        Archive(data)
    assert raised.value.field == "dataset"
    assert raised.value.hint


@pytest.mark.parametrize("data", [b"PK\x05\x06" + bytes(18), bytes(1024)], ids=["zip", "tar"])
def test_an_archive_of_nothing_has_no_files(data: bytes) -> None:
    assert Archive(data).names == ()


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_damage_at_any_place_is_an_error_of_the_dataset(packed: object) -> None:
    whole = packed({f"cat/{number}.png": bytes([number]) * 300 for number in range(3)})  # type: ignore[operator]
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for data in (damaged, whole[:place]):
            try:
                opened = Archive(data)
                assert sum(len(opened.read(name)) for name in opened.names) <= 900
            except InvalidDataset:
                pass


def test_a_bounded_stream_hands_out_little() -> None:
    stream = BoundedReader(io.BytesIO(bytes(100)))
    assert len(stream.read(50)) == 50
    assert stream.tell() == 50
    with pytest.raises(InvalidDataset):
        stream.read(-1)
    with pytest.raises(InvalidDataset):
        stream.seek(0, io.SEEK_END)
