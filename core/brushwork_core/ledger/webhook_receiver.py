"""The SQL function `receiver_of`: scheme, host and port of a webhook address in a column."""

from typing import Any

from sqlalchemy import ColumnElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class receiver_of(FunctionElement[str]):  # noqa: N801 - reads as the SQL function it is
    """Scheme, host and port of the address in a column, in lower case. The path is left out."""

    type = String()
    inherit_cache = True

    def __init__(self, url: ColumnElement[str]) -> None:
        super().__init__(url)


# "http://" has seven characters, and a host has at least one: the end of the host is at position 9 or later.
_REST = "replace(replace(substr({url}, 9), '?', '/'), '#', '/') || '/'"
_ORIGIN = f"lower(substr({{url}}, 1, 7 + {{position}}({_REST}, '/')))"


@compiles(receiver_of, "sqlite")
def _sqlite_receiver(element: Any, compiler: Any, **options: Any) -> str:
    return _ORIGIN.format(url=compiler.process(element.clauses, **options), position="instr")


@compiles(receiver_of, "postgresql")
def _postgresql_receiver(element: Any, compiler: Any, **options: Any) -> str:
    return _ORIGIN.format(url=compiler.process(element.clauses, **options), position="strpos")
