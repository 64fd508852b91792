"""Cursors: given out, taken back, and nothing else taken."""

from datetime import UTC, datetime, timedelta

import pytest
from brushwork_schemas.cursor import Cursor
from brushwork_schemas.errors import InvalidRequest


@pytest.mark.parametrize(
    "job_id", ["a", "0198f0c2-1111-7222-8333-444444444444", "with a space.and a dot", "~" * 64]
)
@pytest.mark.parametrize("milliseconds", [0, 1, 1_700_000_000_123, 99_999_999_999_999])
def test_a_cursor_is_read_as_it_was_given_out(job_id: str, milliseconds: int) -> None:
    cursor = Cursor(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds), job_id)
    assert Cursor.parsed(cursor.text) == cursor
    assert cursor.text.isascii()
    assert "=" not in cursor.text


@pytest.mark.parametrize(
    "text",
    ["", "x", "!!", "MTIz", "LTEuYQ", "é", "MS4A", "A" * 200, "MTIzLuKCrA", "MS5h\n", "999999999999999.a"],
)
def test_what_no_list_has_given_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor") as refused:
        Cursor.parsed(text)
    assert refused.value.field == "cursor"
