"""What the command line shows of the origin of a picture, without a service."""

from pathlib import Path

import pytest
from brushwork.cli.application import app
from brushwork.cli.provenance.view import submit_command
from brushwork_schemas.artifact.provenance_report import EmbeddedParameters
from typer.testing import CliRunner

from tests.foreign_files import A1111, encoded, with_chunks


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a service."""
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a1111.png").write_bytes(with_chunks(parameters=A1111))
    (tmp_path / "plain.png").write_bytes(encoded())
    return tmp_path


def test_a_command_submits_the_parameters_again() -> None:
    request = {"prompt": "a 'b'", "seed": 7, "version": 1, "negative_prompt": "", "deterministic": False}
    found = submit_command(EmbeddedParameters(format="brushwork", kind="inpainting", request=request))
    assert found == """brushwork submit inpainting 'prompt=a '"'"'b'"'"'' seed=7"""


def test_read_needs_no_service(folder: Path) -> None:
    ran = CliRunner().invoke(app, ["provenance", "read", "a1111.png"])
    assert ran.exit_code == 0, ran.output


def test_show_tells_a_picture_from_a_job(folder: Path) -> None:
    assert CliRunner().invoke(app, ["show", "a1111.png"]).exit_code == 0
    assert CliRunner().invoke(app, ["show", "plain.png"]).exit_code == 1
