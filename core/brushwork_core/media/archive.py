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

from brushwork_core.media.archive_names import encoding_of_tar, encoding_of_zip, name_in_tar, name_in_zip
from brushwork_core.media.junk_files import is_junk
from brushwork_core.media.pictures import MAX_BYTES

MAX_FILES = 100_000
MAX_UNPACKED_BYTES = 8 * 2**30
# No picture is compressed more than this. Small files may be, by chance.
MAX_RATIO, SMALL_BYTES = 200, 2**20
# Of one record before a file in a tar, such as its long name; and of all of them.
MAX_HEADER_BYTES, MAX_HEADERS_BYTES = 64 * 2**10, 128 * 2**20
LONGEST_NAME = 1000
SHOWN_CHARACTERS = 120
# Signature of an entry in the central directory of a zip.
_ENTRY = b"PK\x01\x02"
_PIECE = 2**20
_HINT = "Send a zip, tar or tar.gz with one folder of pictures for each class."
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
        # Counted before zipfile creates an object for each.
        _check_number(_num_entries(source))
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
        plain = gzip.GzipFile(fileobj=source) if is_packed else source
        reader = BoundedReader(plain, self._most_unpacked if is_packed else MAX_UNPACKED_BYTES)
        # Whoever has opened the source closes it.
        opened = tarfile.open(fileobj=reader, mode="r:", encoding="utf-8")  # noqa: SIM115
        members = []
        for number, info in enumerate(opened):
            _check_number(number)
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


class BoundedReader(io.RawIOBase):
    """A stream that limits a single read to the size of a picture, and one of a header to far less.

    The records of a tar state their own length, and tarfile reads as much without a check.

    Args:
        source: The stream to read.
        most_bytes: Most bytes that the whole archive may have unpacked.
    """

    def __init__(self, source: io.BufferedIOBase | BinaryIO, most_bytes: int = MAX_UNPACKED_BYTES) -> None:
        self._source = source
        self._most_bytes = most_bytes
        self._header_bytes = 0
        # Set when all headers were read.
        self.has_headers = False

    def read(self, size: int = -1, /) -> bytes:
        """Read `size` bytes, at most the size of a picture."""
        most = MAX_BYTES if self.has_headers else MAX_HEADER_BYTES
        if not 0 <= size <= most:
            raise refused("a record of the archive is too large.")
        if not self.has_headers:
            self._header_bytes += size
            if self._header_bytes > MAX_HEADERS_BYTES:
                raise refused("the headers of the archive are too large.")
        return self._source.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an absolute offset. A tar.gz is unpacked up to there."""
        if whence != io.SEEK_SET or offset > self._most_bytes:
            raise refused(
                said(
                    "the archive has more than {max_unpacked_bytes} bytes unpacked.",
                    max_unpacked_bytes=MAX_UNPACKED_BYTES,
                )
            )
        return self._source.seek(offset)

    def tell(self) -> int:
        """Return the current offset."""
        return self._source.tell()


def refused(reason: str, hint: str = _HINT) -> InvalidDataset:
    """Return the error for a data set.

    Args:
        reason: What is wrong, as a clause with a full stop.
        hint: How to fix it.
    """
    return InvalidDataset(said("dataset: {reason}", reason=reason), field="dataset", hint=hint)


def shown(name: str) -> str:
    """Return the name of a file for an error message: ASCII, and cut to 120 characters."""
    return ascii(name if len(name) <= SHOWN_CHARACTERS else name[:SHOWN_CHARACTERS] + "...")


def _check_number(number: int) -> None:
    if number > MAX_FILES:
        raise refused(said("the archive has more than {max_files} files.", max_files=MAX_FILES))


def _num_entries(source: BinaryIO) -> int:
    """How often the signature of an entry occurs: at least as often as there are entries."""
    source.seek(0)
    number, last = 0, b""
    while piece := source.read(_PIECE):
        number += (last + piece).count(_ENTRY)
        last = piece[1 - len(_ENTRY) :]
    return number


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    # Most names need no look at each character.
    is_printable = (name.isascii() and name.isprintable()) or not any(
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
