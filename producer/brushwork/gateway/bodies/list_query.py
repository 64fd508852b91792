"""The query of a list of jobs: filters, a limit and a cursor."""

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

# No job contains U+0000, and PostgreSQL refuses it in a query.
STORABLE = r"^[^\x00]*$"


def _written_out(moment: object) -> object:
    # pydantic would also accept a number, of an unclear unit.
    if isinstance(moment, str) and "T" not in moment.upper():
        raise ValueError("must have the form 2026-11-21T09:00:00Z")
    return moment


Moment = Annotated[
    AwareDatetime | None,
    BeforeValidator(_written_out),
    Query(description="RFC 3339, with a time zone.", examples=["2026-11-21T09:00:00Z"]),
]


@dataclass
class ListQuery:
    """Parameters of a list of jobs. A filter that is left out matches all jobs."""

    kind: Annotated[str | None, Query(description="Only jobs of this kind.", examples=["text-to-image"])] = (
        None
    )
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None
    model: Annotated[str | None, Query(max_length=200, pattern=STORABLE)] = None
    group: Annotated[str | None, Query(max_length=64, pattern=STORABLE)] = None
    text: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=STORABLE,
            description="Only jobs with this text in prompt, caption, label or id, in upper or lower case. "
            "Searches the newest 20,000 jobs that match the other filters.",
        ),
    ] = None
    tenant: Annotated[
        str | None,
        Query(
            max_length=64,
            pattern=STORABLE,
            description="Only jobs of this tenant. A key of a tenant sees only its own jobs anyway.",
        ),
    ] = None
    created_after: Moment = None
    created_before: Moment = None
    limit: Annotated[int, Query(ge=1, le=1000)] = 50
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next` of the previous page, with the same filters.")
    ] = None

    def job_filter(self, principal: Principal) -> JobFilter:
        """Return the filter of the jobs that `principal` may see.

        Raises:
            UnknownKind: No kind has this name.
            Forbidden: The query names another tenant than that of the key.
        """
        if self.kind is not None:
            kind_named(self.kind)
        if principal.tenant is not None and self.tenant not in (None, principal.tenant):
            raise Forbidden(
                "tenant: this API key sees only the jobs of its own tenant.",
                field="tenant",
                hint="Leave it out.",
            )
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
        """Return the cursor after which the page begins; None for the first page.

        Raises:
            InvalidRequest: The cursor is malformed.
        """
        return None if self.cursor is None else Cursor.parsed(self.cursor)
