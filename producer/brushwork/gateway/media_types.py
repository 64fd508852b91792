"""The media types of request bodies that the gateway accepts."""

import re

from brushwork_core.media import picture_formats
from brushwork_core.media.archive_type import ALIASES, ENDINGS

JSON = "application/json"
FORM = "multipart/form-data"
URL_ENCODED = "application/x-www-form-urlencoded"
# Suffixes of file names, by media type.
PICTURES = picture_formats.ENDINGS
ARCHIVES = (*ENDINGS, *ALIASES)
# Other names of JSON, such as application/merge-patch+json: RFC 6839 registers the suffix.
_JSON_NAMES = re.compile(r"application/[^/;\s]+\+json")


def media_type_of(content_type: str) -> str:
    """Return the media type of a `Content-Type` without parameters, in lower case.

    Every name of JSON becomes `application/json`.

    Args:
        content_type: The header; empty if the request has none.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    return JSON if _JSON_NAMES.fullmatch(media_type) else media_type
