"""Labels, hints and choices of the fields of a model, in several languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

MESSAGE = "message."


@dataclass(frozen=True)
class FieldWords:
    """The words of the fields of a model, for forms and views.

    Without a translation, a label is the title of the field, a hint its description, and a choice the value.

    Args:
        model: Pydantic model with the fields.
        translations: Texts by language code and key: `field.<name>.label`, `field.<name>.hint`,
            `choice.<value>`.
    """

    model: type[BaseModel]
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def label(self, name: str, language: str = "en") -> str:
        """Return the label of a field."""
        known = self.model.model_fields.get(name)
        title = (known.title if known else None) or name.replace("_", " ").capitalize()
        return self._translated(f"field.{name}.label", language, title)

    def hint(self, name: str, language: str = "en") -> str:
        """Return one sentence of help for a field, or an empty string."""
        known = self.model.model_fields.get(name)
        return self._translated(f"field.{name}.hint", language, (known.description if known else None) or "")

    def choice(self, value: object, language: str = "en") -> str:
        """Return the text of one of the values that a field accepts."""
        return self._translated(f"choice.{value}", language, str(value))

    def texts(self, language: str) -> Mapping[str, str]:
        """Return translations by their English text: the hints of the fields, and the kind's own messages.

        A kind translates its messages under `message.<English template>`.
        """
        given = self.translations.get(language, {})
        hints = {
            known.description: given[f"field.{name}.hint"]
            for name, known in self.model.model_fields.items()
            if known.description and given.get(f"field.{name}.hint")
        }
        messages = {key.removeprefix(MESSAGE): text for key, text in given.items() if key.startswith(MESSAGE)}
        return {**hints, **messages}

    def _translated(self, key: str, language: str, otherwise: str) -> str:
        return self.translations.get(language, {}).get(key, otherwise)
