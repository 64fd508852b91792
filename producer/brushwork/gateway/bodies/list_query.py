"""The query of a list of jobs: filters, a bound and a cursor."""

from dataclasses import dataclass
from typing import Annotated

from brushwork_schemas.cursor import Cursor
from brushwork_schemas.errors import Forbidden
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.states import JobState
from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator

from brushwork.gateway.admission.access import Principal

# U+0000 can be in no job, and PostgreSQL does not even look for it.
STORABLE = r"^[^\x00]*$"


def _written_out(moment: object) -> object:
    # A number could be a moment too, in whatever unit.
    if isinstance(moment, str) and "T" not in moment.upper():
        raise ValueError("it should be written as 2026-11-21T09:00:00Z")
    return moment


Moment = Annotated[
    AwareDatetime | None,
    BeforeValidator(_written_out),
    Query(description="RFC 3339, with a zone.", examples=["2026-11-21T09:00:00Z"]),
]


@dataclass
class ListQuery:
    """What can be asked of a list; whatever is left out lets all jobs through."""

    kind: Annotated[str | None, Query(description="Only this kind.", examples=["text-to-image"])] = None
    state: Annotated[JobState | None, Query(description="Only this state.")] = None
    model: Annotated[str | None, Query(max_length=200, pattern=STORABLE)] = None
    group: Annotated[str | None, Query(max_length=64, pattern=STORABLE)] = None
    text: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=STORABLE,
            description="Only those with this in prompt, caption, label or id, in any case; the newest "
            "20,000 of those that fit otherwise are searched.",
        ),
    ] = None
    tenant: Annotated[
        str | None,
        Query(max_length=64, pattern=STORABLE, description="Whose; a key of a tenant sees its own anyway."),
    ] = None
    created_after: Moment = None
    created_before: Moment = None
    limit: Annotated[int, Query(ge=1, le=1000)] = 50
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next` of the page before, with the same filters.")
    ] = None

    def job_filter(self, principal: Principal) -> JobFilter:
        """What `principal` is shown.

        Raises:
            UnknownKind: There is no such kind.
            Forbidden: It asks for another tenant's jobs.
        """
        if self.kind is not None:
            kind_named(self.kind)
        if principal.tenant is not None and self.tenant not in (None, principal.tenant):
            raise Forbidden("This key sees only its own tenant's jobs.", field="tenant", hint="Leave it out.")
        return JobFilter(
            kind=self.kind,
            state=self.state,
            model=self.model,
            tenant=self.tenant if principal.tenant is None else principal.tenant,
            group=self.group,
            text=self.text,
            created_after=self.created_after,
            created_before=self.created_before,
        )

    def after(self) -> Cursor | None:
        """Where the page begins; None at the newest job.

        Raises:
            InvalidRequest: The cursor is none.
        """
        return None if self.cursor is None else Cursor.parsed(self.cursor)
