"""The media types of request bodies that the gateway accepts."""

from brushwork_core.media.archive_type import ALIASES, ENDINGS

JSON = "application/json"
FORM = "multipart/form-data"
# Suffixes of file names, by media type.
PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
ARCHIVES = (*ENDINGS, *ALIASES)
