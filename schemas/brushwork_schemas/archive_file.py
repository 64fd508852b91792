"""Archives that data sets come in: known by their first bytes, whatever their name is."""

HEAD_BYTES = 512
# tar's mark stands behind the name of its first member.
_TAR_MARK = slice(257, 262)
_MARKS = {
    b"PK\x03\x04": "application/zip",
    b"\x1f\x8b": "application/gzip",
    b"BZh": "application/x-bzip2",
    b"\xfd7zXZ\x00": "application/x-xz",
}
ENDINGS = {
    "application/zip": "zip",
    "application/x-tar": "tar",
    "application/gzip": "tar.gz",
    "application/x-bzip2": "tar.bz2",
    "application/x-xz": "tar.xz",
}
# How others call them.
ALIASES = {
    "application/x-zip-compressed": "application/zip",
    "application/x-gzip": "application/gzip",
    "application/x-bzip": "application/x-bzip2",
}


def archive_type(head: bytes) -> str | None:
    """The media type of an archive that begins so; None of what is none.

    Args:
        head: Its first `HEAD_BYTES`, or all of a shorter one.
    """
    if head[_TAR_MARK] == b"ustar":
        return "application/x-tar"
    return next((media_type for mark, media_type in _MARKS.items() if head.startswith(mark)), None)
