"""One wrong field of a request."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.wording.disclosure import for_reader
from brushwork_schemas.wording.phrase import parameters_of, restored, template_of
from brushwork_schemas.wording.translation import translated


class FieldError(BaseModel):
    """What is wrong with one field of a request, and how to fix it."""

    model_config = ConfigDict(frozen=True)

    field: str | None = Field(
        None,
        description="The field, with dots between the parts of a nested one; null for the request.",
    )
    message: str = Field(description="What is wrong, in one sentence. The words may change.")
    hint: str | None = Field(None, description="How to fix it.")
    code: str = Field(
        description="What is wrong, for programs: the type of pydantic's error such as `missing`, "
        "`extra_forbidden` or `greater_than`, or the code of an error such as `invalid_image`.",
        examples=["greater_than"],
    )
    index: int | None = Field(None, description="Index of the request, if several were submitted together.")
    template: str | None = Field(
        None, description="The message in English, with names in braces in place of the parameters."
    )
    parameters: dict[str, Any] = Field({}, description="The parameters of the message, by name.")
    hint_template: str | None = Field(None, description="The hint in English, likewise.")
    hint_parameters: dict[str, Any] = Field({}, description="The parameters of the hint, by name.")

    @classmethod
    def of(
        cls, message: str, *, code: str, field: str | None, hint: str | None = None, index: int | None = None
    ) -> "FieldError":
        """Return an error of a field, with the templates and parameters of its texts."""
        return cls(
            field=field,
            message=str(message),
            hint=None if hint is None else str(hint),
            code=code,
            index=index,
            template=template_of(message),
            parameters=parameters_of(message),
            hint_template=template_of(hint),
            hint_parameters=parameters_of(hint),
        )

    def said(self) -> tuple[str, str | None]:
        """Return message and hint as texts that can be translated."""
        message = restored(self.message, self.template, self.parameters)
        hint = self.hint and restored(self.hint, self.hint_template, self.hint_parameters)
        return message, hint

    def for_reader(self, *, is_own: bool = True) -> "FieldError":
        """Return the error as the reader of this request may read it; see `disclosure.for_reader`."""
        message, hint = self.said()
        read = for_reader(message, is_own=is_own)
        advice = hint and for_reader(hint, is_own=is_own)
        return self.model_copy(
            update={
                "message": str(read),
                "parameters": parameters_of(read),
                "hint": advice and str(advice),
                "hint_parameters": parameters_of(advice),
            }
        )

    def in_language(self, language: str, labels: Mapping[str, str] | None = None) -> "FieldError":
        """Return the error with message and hint in a language.

        Args:
            language: `en` or `zh`.
            labels: If given, labels that take the place of the names of fields.
        """
        message, hint = self.said()
        texts = {"message": translated(message, language, labels)}
        return self.model_copy(
            update={**texts, "hint": None if hint is None else translated(hint, language, labels)}
        )
