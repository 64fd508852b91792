"""Archives from outside: a zip or a tar, read in memory under limits; nothing is ever written to disk."""

import gzip
import io
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from brushwork_schemas.errors import InvalidDataset

from brushwork_core.media.pictures import MAX_BYTES

MAX_FILES = 100_000
MAX_UNPACKED_BYTES = 8 * 2**30
# What is packed tighter is no picture; small files may be, by chance.
MAX_RATIO, SMALL_BYTES = 200, 2**20
LONGEST_NAME = 1000
SHOWN_CHARACTERS = 120
# Where the list of a zip's members has an entry.
_ENTRY = b"PK\x01\x02"
_HINT = "Send a zip, a tar or a tar.gz of pictures in folders, one for each class."
_PACKING = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_IS_ENCRYPTED = 0x1


class Archive:
    """The files of a zip, tar or tar.gz, by name.

    Names, kinds, sizes and their sum are checked before anything is unpacked.

    Args:
        data: The archive.

    Raises:
        InvalidDataset: It is none of the three or damaged, breaks a limit, or holds what is no plain file.
    """

    def __init__(self, data: bytes) -> None:
        self._read: dict[str, Callable[[], bytes]] = {}
        self._num_packed = len(data)
        self._num_unpacked = 0
        with _translated(None):
            if zipfile.is_zipfile(io.BytesIO(data)):
                self._open_zip(data)
            else:
                self._open_tar(data)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all files, in the order of the archive."""
        return tuple(self._read)

    def read(self, name: str) -> bytes:
        """The content of a file; in the order of `names` this is quickest.

        Raises:
            InvalidDataset: It is damaged.
        """
        with _translated(name):
            return self._read[name]()

    def _open_zip(self, data: bytes) -> None:
        # Counted before zipfile makes an object of each.
        _check_number(data.count(_ENTRY))
        opened = zipfile.ZipFile(io.BytesIO(data))
        for info in opened.infolist():
            _check_name(info.filename)
            mode = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if mode not in (0, stat.S_IFREG):
                raise _no_file(info.filename)
            if info.flag_bits & _IS_ENCRYPTED or info.compress_type not in _PACKING:
                raise refused(f"{shown(info.filename)} is encrypted, or packed in an unusual way.")
            self._enter(info.filename, info.file_size, info.compress_size)
            self._read[_plain(info.filename)] = lambda info=info: opened.read(info)  # type: ignore[misc]

    def _open_tar(self, data: bytes) -> None:
        packed = io.BytesIO(data)
        plain = gzip.GzipFile(fileobj=packed) if data.startswith(b"\x1f\x8b") else packed
        # All of it is in memory: there is nothing to close.
        opened = tarfile.open(fileobj=BoundedReader(plain), mode="r:")  # noqa: SIM115
        for number, info in enumerate(opened):
            _check_number(number)
            _check_name(info.name)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                raise _no_file(info.name)
            self._enter(info.name, info.size, info.size)
            self._read[_plain(info.name)] = lambda info=info: _content(opened, info)  # type: ignore[misc]

    def _enter(self, name: str, num_bytes: int, num_packed: int) -> None:
        """Check a file before it is unpacked, or passed over: in a tar.gz that is unpacking, too."""
        if _plain(name) in self._read:
            raise refused(f"{shown(name)} is there twice.")
        if num_bytes > MAX_BYTES:
            raise refused(f"{shown(name)} has {num_bytes} bytes, more than {MAX_BYTES}.")
        self._num_unpacked += num_bytes
        if self._num_unpacked > MAX_UNPACKED_BYTES:
            raise refused(f"unpacked it has more than {MAX_UNPACKED_BYTES} bytes.")
        one = num_bytes > max(SMALL_BYTES, MAX_RATIO * num_packed)
        if one or self._num_unpacked > max(SMALL_BYTES, MAX_RATIO * self._num_packed):
            raise refused(f"{shown(name)} unpacks to more than {MAX_RATIO} times its size.")


class BoundedReader(io.RawIOBase):
    """A stream that hands out no more at once than a picture may have.

    A tar's own records say how long they are, and tarfile believes them and reads that much.

    Args:
        source: What is read.
    """

    def __init__(self, source: io.BufferedIOBase) -> None:
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        """As the source's, of a size that is given and bounded."""
        if not 0 <= size <= MAX_BYTES:
            raise refused("one of its records is too large.")
        return self._source.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As the source's; a tar.gz unpacks all that it passes."""
        if whence != io.SEEK_SET or offset > MAX_UNPACKED_BYTES:
            raise refused(f"unpacked it has more than {MAX_UNPACKED_BYTES} bytes.")
        return self._source.seek(offset)

    def tell(self) -> int:
        """As the source's."""
        return self._source.tell()


def refused(reason: str, hint: str = _HINT) -> InvalidDataset:
    """The error that says what is wrong with a dataset."""
    return InvalidDataset(f"dataset: {reason}", field="dataset", hint=hint)


def shown(name: str) -> str:
    """A member's name for an error's words, which go to logs and terminals."""
    return ascii(name if len(name) <= SHOWN_CHARACTERS else name[:SHOWN_CHARACTERS] + "...")


def _check_number(number: int) -> None:
    if number > MAX_FILES:
        raise refused(f"it holds more than {MAX_FILES} files.")


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    is_printable = not any(unicodedata.category(character).startswith("C") for character in name)
    if len(name) > LONGEST_NAME or not is_printable or "\\" in name or ":" in parts[0]:
        raise refused(f"the name {shown(name)} has characters that no name of a file should have.")
    if ".." in parts or "" in parts:
        raise refused(f"the name {shown(name)} leads out of the archive.")


def _plain(name: str) -> str:
    """As it is without `./`, which tar puts before the names of what it was given as a dot."""
    return name.removeprefix("./")


def _no_file(name: str) -> InvalidDataset:
    return refused(f"{shown(name)} is a link or a device, no plain file.")


def _content(opened: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    found = opened.extractfile(info)
    content = found.read() if found is not None else b""
    if len(content) != info.size:
        raise refused(f"{shown(info.name)} is cut off.")
    return content


@contextmanager
def _translated(name: str | None) -> Iterator[None]:
    try:
        yield
    except InvalidDataset:
        raise
    except tarfile.ReadError as error:
        raise refused(f"this is no archive that can be read: {error}.") from error
    # What unpacks raises many types on damaged files; each means the same to the caller.
    except Exception as error:
        what = "it" if name is None else shown(name)
        raise refused(f"{what} is damaged: {error}.") from error
