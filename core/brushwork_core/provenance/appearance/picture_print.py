"""What is recorded of a picture that a job has made."""

from brushwork_schemas.artifact import Artifact
from PIL import Image

from brushwork_core.database.picture_prints import PicturePrint
from brushwork_core.provenance.appearance.fingerprint import Fingerprint


def print_of(picture: Image.Image, file: Artifact) -> PicturePrint:
    """Return what is recorded of a stored picture.

    Args:
        picture: Its pixels.
        file: Its file.
    """
    seen = Fingerprint.of(picture)
    return PicturePrint(file.sha256, seen.bands, seen.thumbnail, file.pixels_sha256, file.unsigned_sha256)
