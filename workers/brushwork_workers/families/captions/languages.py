"""Which languages a captioner writes."""

from brushwork_schemas.errors import InvalidRequest


def only_english(language: str) -> None:
    """For a model without a choice.

    Raises:
        InvalidRequest: Another language is wanted.
    """
    if language != "en":
        raise InvalidRequest(
            f"language: this model does not write {language!r}.",
            field="language",
            hint="Leave it out, or choose another model.",
        )
