"""Checks the blocks that a kind's `view` returns, so that templates can rely on their fields."""

from dataclasses import fields
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter

from brushwork_schemas.kinds.view import Block, Chart, Matrix, Table


def check_block(block: Any) -> None:
    """Raise an exception if a value is not a block whose fields have the documented types.

    Raises:
        TypeError: It is not a block.
        ValueError: A field has a wrong type, or a row a wrong number of cells.
    """
    if type(block) not in get_args(Block):
        raise TypeError(f"a {type(block).__name__} is not a block")
    _check_fields(block)
    match block:
        case Table() if any(len(row) != len(block.columns) for row in block.rows):
            raise ValueError("a row of the table has more or fewer cells than there are columns")
        case Matrix() if any(len(row) != len(block.labels) for row in block.rows):
            raise ValueError("a row of the matrix has more or fewer counts than there are labels")
        case Chart():
            for line in block.lines:
                _check_fields(line)


def _check_fields(block: Any) -> None:
    made: Any = type(block)
    _adapter(made).validate_python({each.name: getattr(block, each.name) for each in fields(block)})


@cache
def _adapter(made: Any) -> TypeAdapter[Any]:
    return TypeAdapter(made)
