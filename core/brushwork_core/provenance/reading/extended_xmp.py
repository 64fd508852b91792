"""XMP that is too long for one segment of a JPEG (XMP Specification Part 3, 1.1.3.1)."""

import hashlib
from collections.abc import Iterable

from brushwork_core.provenance.reading.xmp import MOST_BYTES, UnreadableXmp

HEADER = b"http://ns.adobe.com/xmp/extension/\0"
# The property of the first packet that names the other one, by its MD5.
NAMED = ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP")
_GUID_BYTES = 32
_PLACES = len(HEADER) + _GUID_BYTES
_START = _PLACES + 8


def extended_packet(segments: Iterable[bytes], guid: str) -> bytes:
    """Return the packet that the segments hold in parts, in whichever order they stand.

    Args:
        segments: The contents of the segments `APP1`.
        guid: The name of the packet.

    Raises:
        UnreadableXmp: A part is missing, or the packet is not the one of this name, or it exceeds a limit.
    """
    parts: dict[int, bytes] = {}
    length = 0
    for each in segments:
        if len(each) > _START and each[len(HEADER) : _PLACES] == guid.encode("ascii", "replace"):
            length = int.from_bytes(each[_PLACES : _PLACES + 4])
            parts[int.from_bytes(each[_PLACES + 4 : _START])] = each[_START:]
    if length > MOST_BYTES:
        raise UnreadableXmp(f"the extended XMP packet has more than {MOST_BYTES} bytes")
    packet = b"".join(part for _, part in sorted(parts.items()))
    if len(packet) != length or not packet:
        raise UnreadableXmp("a part of the extended XMP packet is missing")
    # So the two belong together. It is no protection: MD5 is none.
    if hashlib.md5(packet, usedforsecurity=False).hexdigest() != guid.lower():
        raise UnreadableXmp("the extended XMP packet is not the one that the first packet names")
    return packet
