"""What a request brought: a body as it is, or the fields and the file of a form."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from brushwork_schemas.errors import InvalidRequest
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

JSON = "application/json"
FORM = "multipart/form-data"
MOST_FIELDS = 64
# A data address may stand in a field too; the guard bounds the body as a whole.
LONGEST_FIELD_BYTES = 40 * 2**20


@dataclass(frozen=True)
class Received:
    """The body of a request.

    Args:
        media_type: Without parameters, in small letters; empty where none was named.
        data: The body; empty for a form.
        fields: Those of a form, files not among them.
        files: Those of a form, by the name of their field.
    """

    media_type: str
    data: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def refuse_type(self, *known: str) -> None:
        """Say what is taken here.

        Raises:
            HTTPException: Always: 415.
        """
        raise HTTPException(415, f"{self.media_type[:80]!r} is not taken here, but {', '.join(known)}")


async def received(request: Request) -> Received:
    """A dependency: the body, read to its end. Name it after the one that asks who is there.

    Raises:
        InvalidRequest: A form holds a field twice.
        HTTPException: It is no form, or has too many parts: 400.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        return Received(media_type, await request.body())
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    parts = request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD_BYTES)
    async with parts as form:
        for name, value in form.multi_items():
            if name in fields or name in files:
                raise InvalidRequest(f"The form holds {name[:80]!r} twice.", field=name[:80])
            if isinstance(value, UploadFile):
                files[name] = await value.read()
            else:
                fields[name] = value
    return Received(media_type, fields=fields, files=files)
