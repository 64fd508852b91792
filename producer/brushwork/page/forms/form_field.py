"""A field of a form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brushwork.page.forms.schema_shape import Shape

AS_OPERATOR = "form.as_operator"
# Where that is not the default of the model.
WORDS_IF_EMPTY = {
    "controlnet": "form.no_choice",
    "explain": "form.no_choice",
    "explain.fill": "form.default",
    "output_format": "form.default",
    "prompt_weighting": "form.chosen_by_model",
    "visible_label_corner": AS_OPERATOR,
}


@dataclass(frozen=True)
class FormField:
    """A field of a form.

    Args:
        name: Name of the parameter.
        shape: How the field is entered.
        label: Label in the language of the reader.
        hint: A sentence of help; may be empty.
        required: Whether a request without the field is refused.
        folded: Whether the field is under "More settings".
        minimum: Smallest number.
        maximum: Largest number.
        step: Distance of two allowed numbers; None if all numbers are allowed.
        max_length: Largest number of characters.
        choices: Values to choose from.
        choice_labels: Text of the choices that have a text of their own.
        placeholder: The default of the first model, if it is known.
        default: Value of an untouched form; for a checkbox whether it is ticked.
        accept: For a file, the types that may be chosen.
        most_files: For several files, how many may be chosen.
        known_by: Names of the models that accept the field; None if all do.
        read_by: For a setting of an explanation, the methods that read it.
    """

    name: str
    shape: Shape
    label: str = ""
    hint: str = ""
    required: bool = False
    folded: bool = True
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    choice_labels: Mapping[str, str] = field(default_factory=dict)
    placeholder: str = ""
    default: Any = None
    accept: str = ""
    most_files: int | None = None
    known_by: tuple[str, ...] | None = None
    read_by: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Id of the element. In a selector, a dot would mean something else."""
        return f"field-{self.name.replace('.', '-')}"

    @property
    def is_of_explanation(self) -> bool:
        """Whether the field chooses an explanation or is one of its settings."""
        return self.name.partition(".")[0] == "explain"

    @property
    def is_narrow(self) -> bool:
        """Whether the field needs only a part of a row."""
        return self.shape in ("number", "select", "yes-no") and self.name not in ("model", "controlnet")

    @property
    def word_if_empty(self) -> str:
        """Key of the word for what is used if the field is left empty."""
        return WORDS_IF_EMPTY.get(
            self.name, "form.chosen_by_model" if self.shape != "yes-no" else AS_OPERATOR
        )

    @property
    def may_be_empty(self) -> bool:
        """Whether a select field also offers to choose nothing."""
        return not self.required and self.default is None and self.name != "model"
