"""Where the gateway listens: on loopback at once, elsewhere with keys, nowhere where it can't."""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from brushwork.gateway.listening import Listening, address_of
from brushwork_schemas.errors import InvalidRequest

from tests.commands import Answer, run_command

Run = Callable[..., Answer]


@pytest.fixture
def gateway(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    return partial(run_command, capsys, "gateway")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])  # noqa: S104
def test_beyond_this_machine_it_wants_keys_first(gateway: Run, host: str) -> None:
    answer = gateway("--port", "0", "--host", host)
    assert (answer.status, "brushwork keys create" in answer.err) == (78, True)


def test_a_port_that_is_taken_is_named(gateway: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        answer = gateway("--port", str(other.getsockname()[1]))
    assert (answer.status, "--port 0" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False), ("", False),  # noqa: S104
    ],
)  # fmt: skip
def test_what_is_loopback(host: str, is_loopback: bool) -> None:
    assert Listening(host).is_loopback is is_loopback


def test_the_address_says_the_port_that_was_found_and_the_prefix() -> None:
    with Listening(port=0).bound() as bound:
        port = bound.getsockname()[1]
        assert port > 0
        assert address_of(bound, "/brushwork") == f"http://127.0.0.1:{port}/brushwork"


def test_a_host_that_is_not_here_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"192\.0\.2\.1"):
        Listening("192.0.2.1", 0).bound()
