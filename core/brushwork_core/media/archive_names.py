"""Names of files in archives, decoded. Old formats store bytes without their encoding.

A zip states UTF-8 by a flag, or has the name in UTF-8 in an extra field, as WinRAR and 7-Zip write it. A tar
in the pax format has names in UTF-8.
"""

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable

from brushwork_core.media.name_encoding import UTF_8, detected

_IS_UTF_8 = 0x800
_UNICODE_PATH = 0x7075


def encoding_of_zip(infos: Iterable[zipfile.ZipInfo]) -> str | None:
    """Return the encoding that names of a zip seem to have; None if all are ASCII or state theirs."""
    unstated = [_bytes_in_zip(info) for info in infos if not _is_stated(info)]
    return detected(unstated) if any(not name.isascii() for name in unstated) else None


def name_in_zip(info: zipfile.ZipInfo, encoding: str | None) -> str:
    """Return the name of a file in a zip.

    Args:
        info: The file.
        encoding: Result of `encoding_of_zip`.
    """
    if info.flag_bits & _IS_UTF_8 or encoding is None:
        return _unicode_path(info) or info.filename
    return _unicode_path(info) or _bytes_in_zip(info).decode(encoding, "replace")


def encoding_of_tar(infos: Iterable[tarfile.TarInfo]) -> str | None:
    """Return the encoding that names of a tar seem to have; None if all are UTF-8."""
    names = [_bytes_in_tar(info) for info in infos if "path" not in info.pax_headers]
    if all(_is_utf_8(name) for name in names):
        return None
    return detected(names)


def name_in_tar(info: tarfile.TarInfo, encoding: str | None) -> str:
    """Return the name of a file in a tar, which was opened with UTF-8 and `surrogateescape`.

    Args:
        info: The file.
        encoding: Result of `encoding_of_tar`.
    """
    if encoding is None or "path" in info.pax_headers:
        return info.name
    return _bytes_in_tar(info).decode(encoding, "replace")


def _is_stated(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & _IS_UTF_8) or _unicode_path(info) is not None


def _bytes_in_zip(info: zipfile.ZipInfo) -> bytes:
    # zipfile has decoded them with this encoding, which maps each byte to a character.
    return info.orig_filename.encode("cp437", "replace").partition(b"\0")[0]


def _bytes_in_tar(info: tarfile.TarInfo) -> bytes:
    return info.name.encode(UTF_8, "surrogateescape")


def _is_utf_8(name: bytes) -> bool:
    try:
        name.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in the extra field "Info-ZIP Unicode Path", if it belongs to the name in the header."""
    extra, place = info.extra, 0
    while place + 4 <= len(extra):
        tag, size = struct.unpack_from("<HH", extra, place)
        content = extra[place + 4 : place + 4 + size]
        place += 4 + size
        if tag == _UNICODE_PATH and len(content) > 5 and content[0] == 1:
            is_valid = int.from_bytes(content[1:5], "little") == zlib.crc32(_bytes_in_zip(info))
            if is_valid and _is_utf_8(content[5:]):
                return content[5:].decode(UTF_8)
    return None
