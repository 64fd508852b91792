"""The user's own catalogue file: an entry is added, and all else stays."""

import tomllib
from pathlib import Path

import pytest
from brushwork.cli.catalogue_file import add_entry
from brushwork_schemas.errors import InvalidRequest

ENTRY = {"family": "clip", "source": {"folder": "/mine"}, "gated": True}


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# A remark.\n",
        "[models.a]\nfamily = 'clip'  # why\n",
        "[models.a]\nx = 1\n\n[loras.b]\nx = 2\n\n[models.c]\nx = 3",
        "[models]\n[models.'a.b']\nx = 1\n",
    ],
)
@pytest.mark.parametrize("name", ["mine", "mine-2.5"])
def test_an_entry_is_added_and_all_else_stays(before: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "catalogue.toml"
    if before:
        file.parent.mkdir()
        file.write_text(before)
    add_entry(file, "models", name, ENTRY)
    after = file.read_text()
    assert after.startswith(before.rstrip())
    assert after.endswith("\n")
    expected = tomllib.loads(before)
    expected.setdefault("models", {})[name] = ENTRY
    assert tomllib.loads(after) == expected
    assert [each.name for each in file.parent.iterdir()] == ["catalogue.toml"]
    add_entry(file, "loras", name, ENTRY)
    assert tomllib.loads(file.read_text())["loras"][name] == ENTRY


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("[models.mine]\n", "already has an entry models.mine"),
        ("[models", "cannot read"),
        ("models = { a = 1 }\n", "cannot read"),
    ],
)
def test_a_file_that_does_not_take_it_is_left_alone(before: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text(before)
    with pytest.raises(InvalidRequest, match=words):
        add_entry(file, "models", "mine", ENTRY)
    assert file.read_text() == before


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match="cannot write"):
        add_entry(tmp_path / "file" / "catalogue.toml", "models", "mine", ENTRY)
