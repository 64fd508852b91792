"""The plug-in of docs/policies.md works as it stands there: installed, named in a file, and asked."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork import Client
from brushwork_core.database.database import Database
from brushwork_core.policies import Action, PolicyRequest, PolicyResult, ResultPicture
from brushwork_core.policies.policy_set import PolicySet
from brushwork_core.policies.registry import all_policy_types
from brushwork_schemas import plugins
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import InvalidRequest, PolicyRefused
from brushwork_schemas.states import JobState
from brushwork_workers.execution.attempt_result import Outcome
from PIL import Image

from tests.gateways import settings_at
from tests.stations import TestStation, nothing

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
METADATA = "Metadata-Version: 2.1\nName: brushwork-night\nVersion: 1.0\n"
POINT = r'\[project\.entry-points\."(brushwork\.policies)"\]\n(\w+) = "([\w:]+)"'


def shown(name: str) -> str:
    """The content of a file, as the page shows it."""
    found = re.search(rf"^`{re.escape(name)}`\n\n```\w+\n(.*?)```\n", PAGE.read_text("utf-8"), re.M | re.S)
    assert found is not None, name
    return found[1]


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of policies, where the distribution is installed."""
    point = re.search(POINT, PAGE.read_text("utf-8"))
    assert point is not None
    group, name, place = point.groups()
    site = tmp_path / "site"
    (information := site / "brushwork_night-1.0.dist-info").mkdir(parents=True)
    (information / "METADATA").write_text(METADATA)
    (information / "entry_points.txt").write_text(f"[{group}]\n{name} = {place}\n")
    (site / "brushwork_night.py").write_text(shown("brushwork_night.py"), "utf-8")
    monkeypatch.syspath_prepend(str(site))
    _look_again()
    (file := tmp_path / "policies.toml").write_text(shown("policies.toml"), "utf-8")
    yield file
    _look_again()


def _look_again() -> None:
    plugins._points.cache_clear()
    all_policy_types.cache_clear()


REQUEST = PolicyRequest("text-to-image", "stub", "", {"prompt": "a red circle"})


def picture(brightness: int) -> ResultPicture:
    """A picture of a result."""
    artifact = Artifact(sha256="a" * 64, media_type="image/png", size_bytes=1)
    return ResultPicture(artifact, lambda: Image.new("RGB", (8, 8), (brightness,) * 3), {})


@pytest.mark.parametrize(("brightness", "action"), [(0, Action.HOLD), (200, None)])
def test_it_holds_pictures_that_are_almost_black(
    policies: Path, brightness: int, action: Action | None
) -> None:
    asked = PolicyResult("job", REQUEST, {}, [picture(brightness)])
    found = [each.decision for each in PolicySet.load(policies).on_result(asked) if each.decision]
    assert [each.action for each in found] == ([action] if action else [])


def test_it_refuses_long_prompts_early(policies: Path, sqlite_url: str, tmp_path: Path) -> None:
    with Client(settings=settings_at(sqlite_url, tmp_path, policies=policies)) as client:
        with pytest.raises(PolicyRefused, match="The prompt is too long") as raised:
            client.submit("text-to-image", prompt="a" * 301)
        assert raised.value.field == "prompt"
        assert client.submit("text-to-image", prompt="a" * 300).state is JobState.QUEUED


@pytest.mark.one_database("policies are the same on both")
def test_it_decides_in_a_worker(policies: Path, sqlite_url: str, tmp_path: Path) -> None:
    # The stub's picture is grey, so the example's own field says what is dark.
    policies.write_text(policies.read_text("utf-8") + "darkest = 130\n", "utf-8")
    station = TestStation(Database(sqlite_url), tmp_path, nothing, policies=PolicySet.load(policies))
    assert station.execute(station.adopted()) is Outcome.HELD
    refused = station.job(station.adopted("long", prompt="a" * 301))
    station.execute(refused.id)
    error = station.job(refused.id).error
    assert error is not None
    assert error.code == "policy_refused"


def test_its_fields_are_checked(policies: Path) -> None:
    policies.write_text(policies.read_text("utf-8") + "darkest = 300\n", "utf-8")
    with pytest.raises(InvalidRequest, match="darkest"):
        PolicySet.load(policies)
