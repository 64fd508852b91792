"""A broken plug-in is left out or shows less; everything else works."""

import logging
from pathlib import Path
from typing import Any

import pytest
from brushwork.testing import FakeClient
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds import presentation, registry
from brushwork_schemas.kinds.plugin_checks.block_check import check_block
from brushwork_schemas.kinds.plugin_checks.kind_check import check_kind
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.kinds.view import Matrix, Properties, Scores, Table, localized

from tests.plugin_folders import KIND, run_with, write_distribution, write_sharpness

HEADING = {"en": "Heading"}
WITHOUT = (
    "from brushwork_schemas.kinds.registry import all_kinds;"
    "from brushwork_schemas.catalogue import Catalogue;"
    "from brushwork_schemas.plugins import failed_plugins;"
    "print('text-to-image' in all_kinds(), bool(Catalogue.load().of_kind('text-to-image')));"
    "print(len(all_kinds()), *[each.reason for each in failed_plugins()])"
)


def boom(given: Any) -> Any:
    """Raise, as a bug in a plug-in does."""
    raise RuntimeError("boom")


def changed(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """Replace functions of the kind `text-to-image`, and forget what was logged."""
    kind = registry.kind_named("text-to-image")
    for name, function in functions.items():
        monkeypatch.setitem(kind.__dict__, name, function)
    monkeypatch.setattr(presentation, "_LOGGED", set())


def shown() -> Presentation:
    """Return the presentation of a job that has succeeded."""
    return Presentation(FakeClient(auto=True).submit("text-to-image", prompt="a star", seed=1))


@pytest.mark.parametrize(
    "change",
    [
        "import sys; sys.exit('no licence')",
        "import dataclasses; KIND = dataclasses.replace(KIND, name=None)",
        "import dataclasses; KIND = dataclasses.replace(KIND, name='../x')",
        "import dataclasses; KIND = dataclasses.replace(KIND, title={})",
        "import dataclasses; KIND = dataclasses.replace(KIND, request_type=dict)",
        "import dataclasses; KIND = dataclasses.replace(KIND, example={'photo': b'x'})",
    ],
)
def test_a_kind_that_cannot_be_used_is_left_out(tmp_path: Path, change: str) -> None:
    write_distribution(tmp_path, "sharpness", f"{KIND}\n{change}\n", kinds="sharp = sharpness_module:KIND")
    served, numbers = run_with(tmp_path, WITHOUT).splitlines()[:2]
    assert served == "True True"
    count, reason = numbers.split(" ", 1)
    assert int(count) == len(registry.all_kinds())
    assert "Error" in reason or "SystemExit: no licence" in reason


def test_a_catalogue_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write_sharpness(tmp_path)
    entry = "[models.x]\nfamily = 'unheard-of'\nsource = { architecture = 'x' }\n"
    (tmp_path / "sharpness.toml").write_text(entry)
    served, reason = run_with(tmp_path, WITHOUT).splitlines()[:2]
    assert served == "True True"
    assert "unheard-of" in reason


def test_the_built_in_kinds_pass_the_check_of_plug_ins() -> None:
    for kind in registry.all_kinds().values():
        check_kind(kind)


def test_a_function_that_raises_leaves_out_its_output_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("view", "facts", "headline", "main_pictures", "files_by_name")
    changed(monkeypatch, **dict.fromkeys(names, boom))
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            found = shown()
            assert (found.headline, list(found.facts), list(found.blocks)) == ("a star", [], [])
            assert list(found.pictures) == []
            # Files can still be saved, under the names of the result fields.
            assert all(isinstance(file, Artifact) for file in found.files.values())
            assert found.files
    assert sorted(str(record.args[0]) for record in caplog.records if record.args) == sorted(names)


def test_a_value_of_a_wrong_type_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    changed(
        monkeypatch,
        headline=lambda result: 42,
        facts=lambda result: ["x", 3],
        main_pictures=lambda result: [None],
        view=lambda job: ["junk", Table(HEADING, [HEADING], [("1",)])],
    )
    found = shown()
    assert (found.headline, list(found.facts), list(found.pictures)) == ("a star", [], [])
    assert [type(block) for block in found.blocks] == [Table]


@pytest.mark.parametrize(
    "block",
    [
        "junk",
        Table(HEADING, [HEADING, HEADING], [("1",)]),
        Scores([("cat", "high")]),  # type: ignore[list-item]
        Matrix(HEADING, ["a"], None),  # type: ignore[arg-type]
        Properties(HEADING, [(HEADING, 3)]),  # type: ignore[list-item]
    ],
)
def test_a_wrong_block_is_found(block: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        check_block(block)


def test_a_text_without_english_is_shown_in_another_language() -> None:
    assert localized({"zh": "标题"}, "en") == "标题"
    assert localized({}, "en") == ""


def test_a_sample_that_raises_fails_the_job_of_a_fake_client(monkeypatch: pytest.MonkeyPatch) -> None:
    changed(monkeypatch, sample=lambda job, picture: boom(job))
    client = FakeClient(auto=True)
    job = client.get(client.submit("text-to-image", prompt="a star").id)
    assert (job.state, job.error and job.error.code) == ("failed", "internal")
    assert job.error is not None
    assert "sample of the kind text-to-image" in job.error.message
