"""The class `Kind`: everything that belongs to one kind of job."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result

PICTURE, ARCHIVE = "image/*", "application/zip"


@dataclass(frozen=True)
class Kind:
    """One kind of job. Its queue bears its name; its Celery task is `brushwork.<name>`."""

    name: str
    request_type: type[Request]
    result_type: type[Result]

    @property
    def task_name(self) -> str:
        """Name of the Celery task, also for programs that know nothing of brushwork."""
        return f"brushwork.{self.name}"

    @property
    def takes_image(self) -> bool:
        """Whether its request is about a picture, `image`."""
        return "image" in self.request_type.model_fields

    @cached_property
    def files(self) -> dict[str, str]:
        """Fields of its request that name files, the main picture first, and the sort of each.

        The sort is `image/*` or `application/zip`.
        """
        schema = self.request_type.model_json_schema()["properties"]
        found = {name: _media_type(schema[name]) for name in sorted(schema, key="image".__ne__)}
        return {name: sort for name, sort in found.items() if sort}

    @property
    def pictures(self) -> tuple[str, ...]:
        """Those of them that are pictures; the main one first."""
        return tuple(name for name, sort in self.files.items() if sort == PICTURE)


def _media_type(field: dict[str, Any]) -> str | None:
    ways = (field, *field.get("anyOf", ()))
    return next((way["contentMediaType"] for way in ways if "contentMediaType" in way), None)
