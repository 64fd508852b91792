"""Untrusted archives: a zip or tar is read in memory, under limits. Nothing is written to disk."""

import gzip
import io
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from brushwork_schemas.errors import InvalidDataset
from brushwork_schemas.wording.phrase import said

from brushwork_core.media.archive_errors import refused, shown
from brushwork_core.media.archive_names import encoding_of_tar, encoding_of_zip, name_in_tar, name_in_zip
from brushwork_core.media.junk_files import is_junk
from brushwork_core.media.pictures import MAX_BYTES
from brushwork_core.media.structure.archives import (
    MAX_UNPACKED_BYTES,
    BoundedReader,
    check_gzip,
    check_number,
    check_tar,
    check_zip,
)
from brushwork_core.media.structure.tar_headers import QuickTarInfo

MAX_FILES = 100_000
LOOKED_THROUGH_BYTES = 16 * 2**20
# No picture is compressed more than this. Small files may be, by chance.
MAX_RATIO, SMALL_BYTES = 200, 2**20
# Records of a tar that are about all of its files. tarfile copies them for each.
MAX_GLOBAL_RECORDS = 50
LONGEST_NAME = 1000
_PACKING = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_IS_ENCRYPTED = 0x1


class Archive:
    """The files of a zip, tar or tar.gz, by name.

    Names, file types, sizes and their sum are checked before a file is unpacked. Junk of operating systems is
    left out. Names whose encoding is not stated are decoded with the encoding that they seem to have.

    Args:
        data: The archive: its bytes, or an open file that can seek.

    Raises:
        InvalidDataset: The archive has another format, is damaged, exceeds a limit, or contains a link or
            device.
    """

    def __init__(self, data: bytes | BinaryIO) -> None:
        self._read: dict[str, Callable[[], bytes]] = {}
        self._encoding: str | None = None
        self._num_unpacked = 0
        source = io.BytesIO(data) if isinstance(data, bytes) else data
        self._num_packed = source.seek(0, io.SEEK_END)
        source.seek(0)
        with _translated(None):
            if zipfile.is_zipfile(source):
                self._open_zip(source)
            else:
                self._open_tar(source)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files, in the order of the archive."""
        return tuple(self._read)

    @property
    def encoding(self) -> str | None:
        """Encoding of the names, as Python calls it, if it was detected; None if it was stated."""
        return self._encoding

    def read(self, name: str) -> bytes:
        """Return the content of a file. To read files in the order of `names` is fastest.

        Raises:
            InvalidDataset: The file is damaged.
        """
        with _translated(name):
            return self._read[name]()

    def _open_zip(self, source: BinaryIO) -> None:
        check_zip(source, MAX_FILES)
        opened = zipfile.ZipFile(source)
        self._encoding = encoding_of_zip(opened.infolist())
        for info in opened.infolist():
            name = name_in_zip(info, self._encoding)
            if info.is_dir():
                _check_name(name)
                continue
            # Nothing of it is ever unpacked.
            if is_junk(name):
                continue
            _check_name(name)
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _not_regular(name)
            if info.flag_bits & _IS_ENCRYPTED or info.compress_type not in _PACKING:
                raise refused(
                    said("{shown} is encrypted, or has an unsupported compression.", shown=shown(name))
                )
            self._check_new(name, info.file_size)
            self._charge(name, info.file_size, info.compress_size)
            self._read[_plain(name)] = lambda info=info: opened.read(info)  # type: ignore[misc]

    def _open_tar(self, source: BinaryIO) -> None:
        source.seek(0)
        is_packed = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        if is_packed:
            check_gzip(source, self._num_packed)
        plain = gzip.GzipFile(fileobj=source) if is_packed else source
        most = self._most_unpacked if is_packed else MAX_UNPACKED_BYTES
        # To look through a large tar.gz would take as long as to unpack it.
        if not is_packed or self._num_packed <= LOOKED_THROUGH_BYTES:
            check_tar(BoundedReader(plain, most), MAX_FILES)
        reader = BoundedReader(plain, most)
        # Whoever has opened the source closes it.
        opened = tarfile.open(  # noqa: SIM115
            fileobj=reader, mode="r:", encoding="utf-8", tarinfo=QuickTarInfo
        )
        members = []
        for number, info in enumerate(opened):
            check_number(number, MAX_FILES)
            reader.begin_member()
            if len(opened.pax_headers) > MAX_GLOBAL_RECORDS:
                raise refused("the headers of the archive are too large.")
            members.append(info)
            # Skipping a file of a tar.gz unpacks it, even if it is junk.
            if info.isreg():
                self._charge(info.name, info.size, info.size)
        reader.has_headers = True
        self._encoding = encoding_of_tar(members)
        for info in members:
            name = name_in_tar(info, self._encoding)
            if info.isdir():
                _check_name(name)
                continue
            if is_junk(name):
                continue
            _check_name(name)
            if not info.isreg() or info.issparse():
                raise _not_regular(name)
            self._check_new(name, info.size)
            self._read[_plain(name)] = lambda info=info: _content(opened, info)  # type: ignore[misc]

    @property
    def _most_unpacked(self) -> int:
        return max(SMALL_BYTES, MAX_RATIO * self._num_packed)

    def _check_new(self, name: str, num_bytes: int) -> None:
        if _plain(name) in self._read:
            raise refused(said("{shown} is in the archive twice.", shown=shown(name)))
        if num_bytes > MAX_BYTES:
            raise refused(
                said(
                    "{shown} has {num_bytes} bytes. The limit is {max_bytes}.",
                    shown=shown(name),
                    num_bytes=num_bytes,
                    max_bytes=MAX_BYTES,
                )
            )

    def _charge(self, name: str, num_bytes: int, num_packed: int) -> None:
        """Check the size of a file before it is read or skipped, together with the others."""
        self._num_unpacked += num_bytes
        if self._num_unpacked > MAX_UNPACKED_BYTES:
            raise refused(
                said(
                    "the archive has more than {max_unpacked_bytes} bytes unpacked.",
                    max_unpacked_bytes=MAX_UNPACKED_BYTES,
                )
            )
        one = num_bytes > max(SMALL_BYTES, MAX_RATIO * num_packed)
        if one or self._num_unpacked > self._most_unpacked:
            raise refused(
                said(
                    "{shown} unpacks to more than {max_ratio} times its size.",
                    shown=shown(name),
                    max_ratio=MAX_RATIO,
                )
            )


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    # Most names need no look at each character.
    is_printable = name.isprintable() or not any(
        unicodedata.category(character).startswith("C") for character in name
    )
    if len(name) > LONGEST_NAME or not is_printable or "\\" in name or ":" in parts[0]:
        raise refused(
            said("the name {shown} has characters that are not allowed in a file name.", shown=shown(name))
        )
    if ".." in parts or "" in parts:
        raise refused(said("the name {shown} leads outside the archive.", shown=shown(name)))


def _plain(name: str) -> str:
    """The name without a leading `./`, which tar adds when it packs the current folder."""
    return name.removeprefix("./")


def _not_regular(name: str) -> InvalidDataset:
    return refused(said("{shown} is a link or a device, not a regular file.", shown=shown(name)))


def _content(opened: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    found = opened.extractfile(info)
    content = found.read() if found is not None else b""
    if len(content) != info.size:
        raise refused(said("{shown} is truncated.", shown=shown(info.name)))
    return content


@contextmanager
def _translated(name: str | None) -> Iterator[None]:
    try:
        yield
    except InvalidDataset:
        raise
    except tarfile.ReadError as error:
        raise refused(said("the archive cannot be read: {error}.", error=error)) from error
    # The libraries raise errors of many types for damaged files. For the caller, they mean the same.
    except Exception as error:
        what = "the archive" if name is None else shown(name)
        raise refused(said("{what} is damaged: {error}.", what=what, error=error)) from error
