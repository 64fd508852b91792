"""The limits that several formats share, and the error for a file that exceeds one."""

from brushwork_schemas.wording.phrase import Phrase, said

# Chunks of a PNG or WebP, segments of a JPEG, blocks of a GIF, boxes of an AVIF or HEIC. A PNG of 25 MB in
# pieces of 1 KB has 25,000.
MAX_PARTS = 200_000
# Tags of a directory of a TIFF, or of EXIF data. Cameras write some 60, and scanners some 30.
MAX_TAGS = 2000
MAX_PROFILE_BYTES = 16 * 2**20


class TooCostly(Exception):
    """A file would take more time or memory to decode than a picture needs.

    Args:
        reason: What is wrong, as a clause without a full stop.
    """

    def __init__(self, reason: Phrase) -> None:
        super().__init__(reason)
        self.reason = reason


def more_than(what: Phrase) -> TooCostly:
    """Return the error for a picture with too many parts.

    Args:
        what: The number and the kind of parts that are allowed.
    """
    return TooCostly(said("the picture has more than {what}", what=what))
