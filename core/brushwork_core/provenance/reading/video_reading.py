"""Reads what an untrusted MP4 says about its origin. Its pictures are not decoded."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

from brushwork_schemas.artifact import MP4
from brushwork_schemas.artifact.mp4 import BadMp4, Mp4Box, box_at, boxes, video_head
from brushwork_schemas.artifact.provenance_report import Credentials, ProvenanceReport
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said

from brushwork_core.provenance.appearance.fingerprint import SearchedPicture
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.marks.mp4 import COMMENT, xmp_of
from brushwork_core.provenance.reading.embedded import embedded_parameters
from brushwork_core.provenance.reading.file_reading import FileReading, xmp_properties
from brushwork_core.provenance.reading.labels import labels
from brushwork_core.provenance.reading.text_blocks import LONGEST_TEXT, TextBlocks

# Where the list of texts may stand: ffmpeg writes the second place, others the first.
_PLACES = ((b"moov", b"meta"), (b"moov", b"udta", b"meta"))
MOST_KEYS = 100
_UTF8 = 1


def reported_video(data: bytes, field: str, trusted: str = "") -> FileReading:
    """Return what an MP4 says about its origin.

    Args:
        data: The complete file.
        field: Field of the request, for error messages.
        trusted: PEM certificates of the trusted authorities.

    Raises:
        InvalidImage: The file is damaged.
    """
    try:
        head = video_head(data)
        texts = _texts(data)
    except (BadMp4, struct.error) as error:
        raise InvalidImage(
            said("{field}: the video is damaged: {error}.", field=field, error=str(error)), field=field
        ) from None
    xmp = xmp_properties(texts)
    report = ProvenanceReport(
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=MP4,
        size_bytes=len(data),
        width=head.width,
        height=head.height,
        made_here=False,
        credentials=Credentials(**asdict(read_credentials(data, MP4, trusted))),
        labels=labels(texts, xmp),
        parameters=embedded_parameters(texts, xmp),
        problems=tuple(texts.problems),
    )
    return FileReading(report, SearchedPicture(report.sha256, None, None, report.sha256))


def _texts(data: bytes) -> TextBlocks:
    chunks: dict[str, str] = {}
    for place in _PLACES:
        if (found := box_at(data, *place)) is not None:
            chunks |= dict(_listed(data, found))
    return TextBlocks(chunks=chunks, comment=chunks.get(COMMENT, ""), xmp=xmp_of(data), chunks_of="mp4_keys")


def _listed(data: bytes, meta: Mp4Box) -> Iterator[tuple[str, str]]:
    """The texts of a list of metadata items (QuickTime's `keys` and `ilst`), by name."""
    # In an MP4, version and flags come first; in a QuickTime file they do not.
    begin = meta.begin if data[meta.begin + 4 : meta.begin + 8] == b"hdlr" else meta.begin + 4
    parts = {box.kind: box for box in boxes(data, begin, meta.end)}
    if b"keys" not in parts or b"ilst" not in parts:
        return
    names = [
        data[key.begin : key.end].decode("utf-8", "replace")
        for key in islice(boxes(data, parts[b"keys"].begin + 8, parts[b"keys"].end), MOST_KEYS)
    ]
    for item in boxes(data, parts[b"ilst"].begin, parts[b"ilst"].end):
        number = int.from_bytes(item.kind) - 1
        value = next((box for box in boxes(data, item.begin, item.end) if box.kind == b"data"), None)
        if value is None or not 0 <= number < len(names):
            continue
        (kind,) = struct.unpack_from(">I", data, value.begin)
        if kind == _UTF8:
            yield names[number], data[value.begin + 8 : value.end].decode("utf-8", "replace")[:LONGEST_TEXT]
