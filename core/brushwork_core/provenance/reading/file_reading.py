"""Reads all that a file says about its origin, and all that is needed to find the job that made it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from brushwork_schemas.artifact.provenance_report import Credentials, ProvenanceReport
from PIL import Image

from brushwork_core.provenance.appearance.fingerprint import Fingerprint, SearchedPicture
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.marks.pixels import pixels_sha256
from brushwork_core.provenance.reading.embedded import embedded_parameters
from brushwork_core.provenance.reading.extended_xmp import NAMED, extended_packet
from brushwork_core.provenance.reading.labels import labels
from brushwork_core.provenance.reading.text_blocks import TextBlocks
from brushwork_core.provenance.reading.xmp import Properties, UnreadableXmp, properties


@dataclass(frozen=True)
class FileReading:
    """What was read of a file.

    Args:
        report: The report, without the jobs that made the file.
        searched: What these jobs are searched by.
    """

    report: ProvenanceReport
    searched: SearchedPicture

    def to_json(self) -> bytes:
        """Return it as JSON."""
        written = {
            "report": self.report.model_dump(mode="json"),
            "thumbnail": self.searched.fingerprint.thumbnail.hex(),
            "pixels_sha256": self.searched.pixels_sha256,
        }
        return json.dumps(written).encode()

    @classmethod
    def of_json(cls, data: bytes) -> "FileReading":
        """Return what `to_json` has written."""
        found: dict[str, Any] = json.loads(data)
        report = ProvenanceReport.model_validate(found["report"])
        fingerprint = Fingerprint.of_thumbnail(bytes.fromhex(found["thumbnail"]))
        # An unsigned file is found by the hash that a signed one had before it was signed.
        searched = SearchedPicture(report.sha256, fingerprint, found["pixels_sha256"], report.sha256)
        return cls(report, searched)


def read_file(
    data: bytes, media_type: str, texts: TextBlocks, pixels: Image.Image, trusted: str = ""
) -> FileReading:
    """Read a file. It is untrusted, so a process with limits calls this.

    Args:
        data: The complete file.
        media_type: Of the file.
        texts: The texts in its metadata.
        pixels: Its decoded pixels, in RGB or RGBA and upright.
        trusted: PEM certificates of the trusted authorities.
    """
    xmp = _xmp(texts)
    report = ProvenanceReport(
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
        size_bytes=len(data),
        width=pixels.width,
        height=pixels.height,
        made_here=False,
        credentials=Credentials(**asdict(read_credentials(data, media_type, trusted))),
        labels=labels(texts, xmp),
        parameters=embedded_parameters(texts, xmp),
        problems=tuple(texts.problems),
    )
    searched = SearchedPicture(report.sha256, Fingerprint.of(pixels), pixels_sha256(pixels), report.sha256)
    return FileReading(report, searched)


def _xmp(texts: TextBlocks) -> Properties:
    """The properties of the packet, and of the second one that it names."""
    found: dict[tuple[str, str], list[str]] = {}
    try:
        if texts.xmp:
            found.update(properties(texts.xmp))
        for guid in found.get(NAMED, ())[:1] if texts.xmp_parts else ():
            for name, values in properties(extended_packet(texts.xmp_parts, guid)).items():
                found.setdefault(name, []).extend(values)
    except UnreadableXmp as error:
        texts.problems.append(str(error))
    return found
