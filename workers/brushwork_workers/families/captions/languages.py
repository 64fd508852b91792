"""A check of the language that a caption is requested in."""

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said


def require_english(language: str) -> None:
    """Check that a request asks for English, for models that write nothing else.

    Raises:
        InvalidRequest: The request asks for another language.
    """
    if language != "en":
        raise InvalidRequest(
            said("language: this model does not write {language!r}.", language=language),
            field="language",
            hint='Leave language out, set it to "en", or choose another model.',
        )
