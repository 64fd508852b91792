"""The media types of request bodies that the gateway accepts."""

from brushwork_core.media import picture_formats
from brushwork_core.media.archive_type import ALIASES, ENDINGS

JSON = "application/json"
FORM = "multipart/form-data"
# Suffixes of file names, by media type.
PICTURES = picture_formats.ENDINGS
ARCHIVES = (*ENDINGS, *ALIASES)
