"""Pictures as `data:` URLs (RFC 2397), with base64 as programs and people really write it."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from brushwork_schemas.artifact import MAX_PICTURE_BYTES
from brushwork_schemas.errors import InvalidImage

# Pictures are told apart by their content, so any image type will do, and none at all.
_START = re.compile(
    r"\s*data:(?:image/[\w.+-]+|application/octet-stream)?(?:;[\w-]+=[^;,]*)*;base64,", re.IGNORECASE
)
_LONGEST_START = 1000
_SPACE = re.compile(rb"\s+")
# base64url of RFC 4648, as JSON Web Tokens have it.
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SHARE = 4 / 3
# Line breaks, padding, and percent-encoded signs.
_SLACK = 1.5
HINT = "Send the picture as data:image/png;base64,... or send the SHA-256 of an uploaded file."


def is_data_url(given: str) -> bool:
    """Return whether `given` is a `data:` URL of a picture in base64."""
    return _START.match(given[:_LONGEST_START]) is not None


def decoded_url(url: str, field: str) -> bytes:
    """Return the bytes in a `data:` URL.

    Line breaks and spaces are skipped. The alphabet may be the standard one or base64url, percent-encoded or
    not. Padding may be missing.

    Args:
        url: A URL of which `is_data_url` is true.
        field: Field of the request, for error messages.

    Raises:
        InvalidImage: The rest is not base64, or is longer than a picture may be.
    """
    start = _START.match(url[:_LONGEST_START])
    text = url[start.end() if start else 0 :]
    if len(text) > MAX_PICTURE_BYTES * _SHARE * _SLACK:
        raise _malformed(field, f"it has more than {MAX_PICTURE_BYTES} bytes")
    try:
        content = text.encode("ascii")
        if b"%" in content:
            content = unquote_to_bytes(content)
        letters = _SPACE.sub(b"", content).translate(_STANDARD).rstrip(b"=")
        return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed(field, f"invalid base64: {error}") from None


def _malformed(field: str, reason: str) -> InvalidImage:
    return InvalidImage(f"{field}: the data: URL is malformed: {reason}.", field=field, hint=HINT)
