"""Kinds to which a job's page passes a picture on."""

from collections.abc import Callable
from dataclasses import dataclass

from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.view import Localized


@dataclass(frozen=True)
class FollowUp:
    """A button that passes a picture on to another kind.

    Args:
        kind: Name of the kind.
        label: Text of the button.
        needs_form: Whether the kind requires more than a picture, so that its form is shown first.
    """

    kind: str
    label: Localized
    needs_form: bool


def follow_ups(job_kind: str, is_served: Callable[[str], bool]) -> list[FollowUp]:
    """Return the buttons for a job.

    A job that only describes a picture is not followed by another one of its kind.

    Args:
        job_kind: Kind of the job.
        is_served: Whether a worker serves a kind now. Buttons that submit at once are shown only if one does.
    """
    found = []
    for kind in all_kinds().values():
        if kind.follow_up is None or (kind.name == job_kind and not kind.makes_pictures):
            continue
        needs_form = _required(kind) != {kind.main_input}
        if needs_form or is_served(kind.name):
            found.append(FollowUp(kind.name, kind.follow_up, needs_form))
    return found


def _required(kind: Kind) -> set[str]:
    return {name for name, known in kind.request_type.model_fields.items() if known.is_required()}
