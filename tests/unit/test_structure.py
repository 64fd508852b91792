"""The structure of the code: no cycles between rooms, no crowded folders, no old names, no repeated names."""

from pathlib import Path

import pytest

from tests.structure import names, rooms

ROOT = rooms.ROOT


def test_no_two_rooms_import_each_other() -> None:
    found = rooms.Rooms.of(ROOT)
    assert len(found.modules) > 40
    assert found.cycles() == []


def test_no_folder_is_crowded() -> None:
    assert list(rooms.crowded(ROOT)) == []


def test_the_names_that_were_replaced_are_gone() -> None:
    assert sorted(set(names.old_names(ROOT))) == []


def test_no_class_name_is_defined_twice() -> None:
    assert names.repeated_classes(ROOT) == {}


def test_a_cycle_an_old_name_and_a_repeated_class_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "schemas" / "brushwork_schemas"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "trace.py").write_text("class Hold: ...\n")
    (package / "other.py").write_text("class Hold: ...\n")
    listed = tmp_path / "old.toml"
    listed.write_text('names = [["brushwork_schemas.trace", "Hold", "Attempt"]]\n[variables]\n')
    monkeypatch.setattr(names, "OLD_NAMES", listed)
    assert list(names.old_names(tmp_path)) == ["schemas/brushwork_schemas/trace.py:1 Hold"]
    assert list(names.repeated_classes(tmp_path)) == ["Hold"]
    found = rooms.Rooms({"a": 1, "b": 1, "c": 1}, {("a", "b"): 1, ("b", "c"): 1, ("c", "a"): 1})
    assert found.cycles() == [("a", "b"), ("a", "c"), ("b", "c")]
