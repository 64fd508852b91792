"""What reading an archive costs: entries, extra fields, headers and members, counted before or meanwhile."""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from brushwork_schemas.wording.phrase import said

from brushwork_core.media.archive_errors import refused
from brushwork_core.media.pictures import MAX_BYTES

MAX_UNPACKED_BYTES = 8 * 2**30
# Of one record before a file in a tar, such as its long name; and of all of them.
MAX_HEADER_BYTES, MAX_HEADERS_BYTES = 64 * 2**10, 128 * 2**20
MAX_LINES = 400_000
# Reads for the headers of one member: its own, a long name, a long link, and records.
MAX_READS = 16
# Extra fields of one entry of a zip, and of all.
MAX_EXTRA_BYTES, MAX_EXTRAS_BYTES = 2**10, 16 * 2**20
# Members of a gzip: programs that pack in parallel make one for each 64 KiB.
MAX_MEMBERS, BYTES_OF_MEMBER = 1000, 32 * 2**10
_ENTRY = re.compile(rb"PK\x01\x02.{26}(..)", re.DOTALL)
_ENTRY_BYTES = 32
_MEMBER = b"\x1f\x8b\x08"
_PIECE, _BLOCK = 2**20, 512
_NO_FILES = b"xgLKX"


class BoundedReader(io.RawIOBase):
    """A stream that limits a single read to the size of a picture, and one of a header to far less.

    The records of a tar state their own length, and tarfile reads as much without a check.

    Args:
        source: The stream to read.
        most_bytes: Most bytes that the whole archive may have unpacked.
    """

    def __init__(self, source: io.BufferedIOBase | BinaryIO, most_bytes: int = MAX_UNPACKED_BYTES) -> None:
        self._source = source
        self.most_bytes = most_bytes
        self._header_bytes = self._lines = self._reads = 0
        # Set when all headers were read.
        self.has_headers = False

    def read(self, size: int = -1, /) -> bytes:
        """Read `size` bytes, at most the size of a picture."""
        most = MAX_BYTES if self.has_headers else MAX_HEADER_BYTES
        if not 0 <= size <= most:
            raise refused("a record of the archive is too large.")
        data = self._source.read(size)
        if not self.has_headers:
            self._count(data)
        return data

    def begin_member(self) -> None:
        """Note that all headers of one member were read."""
        self._reads = 0

    def _count(self, data: bytes) -> None:
        self._reads += 1
        self._header_bytes += len(data)
        # Records of a pax header are lines. Most have less than five.
        self._lines += data.count(b"\n")
        is_large = self._header_bytes > MAX_HEADERS_BYTES or self._lines > MAX_LINES
        if is_large or self._reads > MAX_READS:
            raise refused("the headers of the archive are too large.")

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an absolute offset. A tar.gz is unpacked up to there."""
        if whence != io.SEEK_SET or offset > self.most_bytes:
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


def check_number(number: int, most: int) -> None:
    """Check the number of files of an archive.

    Args:
        number: How many were found.
        most: How many are allowed.

    Raises:
        InvalidDataset: There are too many.
    """
    if number > most:
        raise refused(said("the archive has more than {max_files} files.", max_files=most))


def check_zip(source: BinaryIO, most: int) -> None:
    """Count the entries of a zip and their extra fields, before zipfile creates an object for each.

    Args:
        source: The zip.
        most: Most entries.

    Raises:
        InvalidDataset: There are too many, or they are too large.
    """
    number = extras = 0
    for piece, keep in _pieces(source, _ENTRY_BYTES - 1):
        for found in _ENTRY.finditer(piece):
            if found.start() < keep:
                number += 1
                extra = int.from_bytes(found[1], "little")
                extras += extra
                if extra > MAX_EXTRA_BYTES or extras > MAX_EXTRAS_BYTES:
                    raise refused("the headers of the archive are too large.")
        check_number(number, most)


def check_gzip(source: BinaryIO, size: int) -> None:
    """Count the members of a gzip.

    Args:
        source: The gzip.
        size: Its bytes.

    Raises:
        InvalidDataset: There are too many.
    """
    number = sum(piece[: keep + len(_MEMBER) - 1].count(_MEMBER) for piece, keep in _pieces(source, 2))
    if number > MAX_MEMBERS + size // BYTES_OF_MEMBER:
        raise refused("the archive is packed in too many parts.")


def check_tar(plain: BoundedReader, most: int) -> None:
    """Count the files of a tar, before tarfile creates an object for each.

    Args:
        plain: The tar, unpacked.
        most: Most files.

    Raises:
        InvalidDataset: There are too many.
    """
    number = position = 0
    plain.seek(0)
    while len(block := plain.read(_BLOCK)) == _BLOCK and block[0]:
        plain.begin_member()
        number += block[156:157] not in _NO_FILES
        check_number(number, most)
        try:
            content = int(block[124:136].rstrip(b"\0 ") or b"0", 8)
        # A size that is not in octal digits; tarfile will say more.
        except ValueError:
            break
        position += _BLOCK + -(-content // _BLOCK) * _BLOCK
        # Whatever is too large, tarfile's headers say whose fault it is.
        if position > plain.most_bytes:
            break
        plain.seek(position)
    plain.seek(0)


def _pieces(source: BinaryIO, overlap: int) -> Iterator[tuple[bytes, int]]:
    """Pieces of a file, each with the first bytes of the next; and how many bytes are its own."""
    source.seek(0)
    piece = source.read(_PIECE)
    while piece:
        following = source.read(_PIECE)
        yield piece + following[:overlap], len(piece)
        piece = following
    source.seek(0)
