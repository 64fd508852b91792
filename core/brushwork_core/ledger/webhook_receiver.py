"""The receiver of a webhook in SQL: scheme, host and port of its address, and the tenant."""

from typing import Any

from sqlalchemy import ColumnElement, String, case, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class receiver_of(FunctionElement[str]):  # noqa: N801 - reads as the SQL function it is
    """Scheme, host and port of the address in a column, in lower case. The path is left out."""

    type = String()
    inherit_cache = True

    def __init__(self, url: ColumnElement[str]) -> None:
        super().__init__(url)


# Shorter than the column by more than the longest tenant. The whole address has its own column.
LONGEST_RECEIVER = 1900


def lane_of(url: ColumnElement[str], tenant: ColumnElement[str]) -> ColumnElement[str]:
    """Receiver and tenant, with a space between. A sender sends the events of one lane one after the other.

    So the events of one tenant do not wait for those that another tenant has for the same receiver. Without a
    tenant it is the receiver alone, as in the rows of older versions.
    """
    receiver = func.substr(receiver_of(url), 1, LONGEST_RECEIVER)
    return case((tenant == "", receiver), else_=receiver + " " + tenant)


# "http://" has seven characters, and a host has at least one: the end of the host is at position 9 or later.
_REST = "replace(replace(substr({url}, 9), '?', '/'), '#', '/') || '/'"
_ORIGIN = f"lower(substr({{url}}, 1, 7 + {{position}}({_REST}, '/')))"


@compiles(receiver_of, "sqlite")
def _sqlite_receiver(element: Any, compiler: Any, **options: Any) -> str:
    return _ORIGIN.format(url=compiler.process(element.clauses, **options), position="instr")


@compiles(receiver_of, "postgresql")
def _postgresql_receiver(element: Any, compiler: Any, **options: Any) -> str:
    return _ORIGIN.format(url=compiler.process(element.clauses, **options), position="strpos")
