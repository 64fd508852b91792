"""Blocks of a job's page, prepared for the template `blocks.html`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.kinds.view import Block, Chart, Legend, Matrix, PictureNotes, Table, localized

from brushwork.page.views.curve_chart import drawn
from brushwork.page.views.legend import legend_entries

_NUMBER = re.compile(r"[<>-]?\s?[\d.,]+(e[+-]?\d+)?(\s?%)?")


@dataclass(frozen=True)
class BlockView:
    """A block and what a template needs to render it.

    Args:
        macro: Name of the macro in `blocks.html`.
        block: The block; a chart as `DrawnChart`.
        is_wide: Whether the block stands in the wide column, below the pictures.
        values: Further values for the macro: the entries of a legend, or the columns of a table that hold
            numbers.
    """

    macro: str
    block: Any
    is_wide: bool = False
    values: Sequence[Any] = field(default=())


def block_views(blocks: Sequence[Block], store: ArtifactStore) -> list[BlockView]:
    """Prepare all blocks but `PictureNotes`, which stand under the pictures."""
    return [_prepared(block, store) for block in blocks if not isinstance(block, PictureNotes)]


def _prepared(block: Block, store: ArtifactStore) -> BlockView:
    match block:
        case Chart():
            return BlockView("chart", drawn(block), is_wide=True)
        case Matrix():
            return BlockView("matrix", block, is_wide=True)
        case Legend():
            return BlockView("legend", block, values=legend_entries(block, store))
        case Table():
            return BlockView("table", block, is_wide=block.is_folded, values=number_columns(block))
        case _:
            return BlockView(type(block).__name__.lower(), block)


def number_columns(table: Table) -> list[int]:
    """Return the indices of the columns in which every cell that is not empty is a number."""
    columns = [[localized(row[index], "en") for row in table.rows] for index in range(len(table.columns))]
    return [
        index
        for index, cells in enumerate(columns)
        if any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells if cell)
    ]
