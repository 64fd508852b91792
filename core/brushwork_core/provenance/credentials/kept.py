"""The credentials that a picture had before it was cleaned, without thumbnails and places.

A claim of C2PA is signed with the hashes of its parts, so no part can be cut out without breaking it. C2PA
has redactions for this: the manifest of whoever uses the picture names the parts that it leaves out. So the
parts are emptied here and their addresses noted, and `Signer` names them.
"""

import base64
import binascii
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brushwork_core.provenance.credentials.jumbf import BadStore, Path, emptied, labels, store_in
from brushwork_core.provenance.credentials.reader import problems_of, read_store, report_of, type_of
from brushwork_core.provenance.credentials.report import CredentialsReport, CredentialsState

LOGGER = logging.getLogger(__name__)
# Of the file that `content` returns: JSON with the emptied manifest store in base64.
MEDIA_TYPE = "application/vnd.brushwork.credentials+json"
MOST_KEPT_BYTES = 2 * 2**20
_VERSION = 1
_ASSERTIONS, _DEPTH = "c2pa.assertions", 4
# Pictures of the picture, and what cameras and people wrote about it.
_PRIVATE = (
    *("c2pa.thumbnail.", "c2pa.metadata", "c2pa.location", "c2pa.depthmap", "c2pa.icon", "c2pa.embedded"),
    *(
        "stds.exif",
        "stds.iptc",
        "stds.xmp",
        "stds.schema-org.",
        "stds.metadata",
        "cawg.metadata",
        "adobe.crypto",
    ),
)
# C2PA forbids to redact them.
_ESSENTIAL = ("c2pa.actions", "c2pa.hash.")
_PLACE = re.compile(
    rb"latitude|longitude|altitude|gps\w*(?:ref|stamp|position|coord)|\blocation", re.IGNORECASE
)


@dataclass(frozen=True)
class KeptCredentials:
    """The credentials that a picture had, validated when it was handed in.

    Args:
        manifest: Manifest store, whose private parts are empty.
        label: Label of its newest manifest.
        media_type: Of the file that they were in.
        validation: What the library found, in the words of C2PA.
        state: Whether they held.
        problems: Codes for what was wrong; none if all was well.
        redacted: Addresses of the emptied parts.
    """

    manifest: bytes
    label: str
    media_type: str
    validation: Mapping[str, Any]
    state: CredentialsState
    problems: tuple[str, ...] = ()
    redacted: tuple[str, ...] = ()

    def content(self) -> bytes:
        """Return them as the content of a file of `MEDIA_TYPE`."""
        found = {
            "version": _VERSION,
            "state": self.state.value,
            "problems": self.problems,
            "label": self.label,
            "media_type": self.media_type,
            "redacted": self.redacted,
            "validation": self.validation,
            "manifest": base64.b64encode(self.manifest).decode(),
        }
        return json.dumps(found, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def of_content(cls, content: bytes) -> "KeptCredentials | None":
        """Read the content of a file; None if a newer version has written it, or it is something else."""
        try:
            found = json.loads(content)
            if found["version"] != _VERSION:
                return None
            return cls(
                base64.b64decode(found["manifest"], validate=True),
                found["label"],
                found["media_type"],
                found["validation"],
                CredentialsState(found["state"]),
                tuple(found["problems"]),
                tuple(found["redacted"]),
            )
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            LOGGER.warning("Kept credentials cannot be read: %s", error)
            return None


def kept_credentials(data: bytes, trusted: str = "") -> KeptCredentials | None:
    """Validate the credentials of a picture by its original bytes, and return what is kept of them.

    Args:
        data: The file as a caller handed it in.
        trusted: Certificates of trusted authorities, as PEM.

    Returns:
        The credentials; None if the file has none, or none that can be kept.
    """
    found = read_store(data, None, trusted)
    if isinstance(found, CredentialsReport):
        return None
    label = str(found.get("active_manifest"))
    try:
        store = store_in(data)
        if label not in labels(store):
            return None
        return _kept(found, store, label, type_of(data) or "image/png")
    except BadStore as error:
        LOGGER.info("Credentials of a picture are not kept: %s", error)
        return None


def _kept(found: Mapping[str, Any], store: bytes, label: str, media_type: str) -> KeptCredentials | None:
    redacted: list[str] = []

    def is_emptied(path: Path, content: bytes) -> bool:
        if len(path) != _DEPTH or path[2] != _ASSERTIONS:
            return False
        has_place = not path[3].startswith("c2pa.hash.") and _PLACE.search(content) is not None
        if path[3].startswith(_ESSENTIAL):
            if has_place:
                raise BadStore("a place in a part that must stay")
            return False
        if not has_place and not path[3].startswith(_PRIVATE):
            return False
        redacted.append(f"self#jumbf=/{'/'.join(path)}")
        return True

    manifest = emptied(store, is_emptied)
    kept = KeptCredentials(
        manifest,
        label,
        media_type,
        found.get("validation_results") or {},
        report_of(found).state,
        problems_of(found),
        tuple(redacted),
    )
    return kept if len(kept.content()) <= MOST_KEPT_BYTES else None
