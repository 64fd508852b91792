"""Settings: what wins over what, what is refused, and that no password shows."""

from pathlib import Path

import pytest
from brushwork import Client, InvalidRequest, Settings

SECRET = "SECRET-PASSWORD"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    return tmp_path / "brushwork.env"


def test_arguments_win_over_the_environment_and_that_over_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("BRUSHWORK_LEASE_S=1\nBRUSHWORK_SWEEP_S=1\nBRUSHWORK_GRACE_S=1\n")
    monkeypatch.setenv("BRUSHWORK_LEASE_S", "2")
    monkeypatch.setenv("BRUSHWORK_SWEEP_S", "2")
    settings = Settings.load(lease_s=3, heartbeat_s=None)
    assert (settings.lease_s, settings.sweep_s, settings.grace_s, settings.heartbeat_s) == (3, 2, 1, 2)


def test_quoted_words_of_the_file_are_read_as_a_shell_would(env_file: Path) -> None:
    env_file.write_text("export BRUSHWORK_REDIS_URL='redis://:a b$c@127.0.0.1:6380/1'\n")
    assert Settings.load().redis_url.get_secret_value() == "redis://:a b$c@127.0.0.1:6380/1"


def test_no_file_is_no_trouble(env_file: Path) -> None:
    assert Settings.load().redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"


def test_an_empty_word_counts_as_not_given(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", "")
    monkeypatch.setenv("BRUSHWORK_CATALOGUE", "")
    settings = Settings.load()
    assert (settings.redis_url.get_secret_value(), settings.catalogue) == ("redis://127.0.0.1:6379/0", None)


def test_a_client_s_settings_are_all_there_is_but_for_its_addresses(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = Settings(artifacts_url=str(tmp_path / "a"), database_url=f"sqlite:///{tmp_path}/l")  # type: ignore[arg-type]
    monkeypatch.setenv("BRUSHWORK_CATALOGUE", str(tmp_path / "missing.toml"))
    monkeypatch.setenv("BRUSHWORK_LEASE_S", "99")
    with Client(settings=given, redis_url="redis://127.0.0.1:6380/0") as client:
        assert client.settings.redis_url.get_secret_value() == "redis://127.0.0.1:6380/0"
        assert (client.settings.catalogue, client.settings.lease_s) == (None, 12)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("redis_url", f"http://:{SECRET}@host", "must start with one of redis"),
        ("redis_url", f"redis://:{SECRET}@host:port/0", "invalid port"),
        ("redis_url", f"redis://:{SECRET}@host/name", "number of a database"),
        ("redis_url", SECRET, "must start with one of redis"),
        ("lease_s", 0, "greater than 0"),
        ("lease_s", "soon", "valid number"),
        ("max_attempts", 0, "greater than or equal to 1"),
        ("publish_timeout_s", -1, "greater than 0"),
        ("stall_s", 0, "greater than 0"),
        ("stall_s", "nan", "greater than 0"),
        ("stall_s", "text-to-image=900", "the limit of all kinds"),
        ("stall_s", "300,text-to-image=", "not a number of seconds"),
        (
            "stall_s",
            "300,text-to-images=900",
            "'text-to-images=900' does not have the form KIND=SECONDS",
        ),
        ("stall_s", "300,text-to-image=9,text-to-image=9", "listed twice"),
    ],
)
def test_what_is_wrong_is_named_without_its_password(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as raised:
        Settings.load(**{name: value})
    assert (raised.value.field, f"BRUSHWORK_{name.upper()}" in str(raised.value)) == (name, True)
    assert SECRET not in str(raised.value)
    monkeypatch.setenv(f"BRUSHWORK_{name.upper()}", str(value))
    with pytest.raises(InvalidRequest, match=words):
        Settings.load()


@pytest.mark.parametrize("words", ["300", "300,text-to-image=900,image-to-text=1234567.5"])
def test_a_stalled_job_s_bound_is_set_by_kind(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("BRUSHWORK_STALL_S", words.replace(",", " , "))
    settings = Settings.load()
    assert str(settings.stall_s) == words
    assert settings.stall_s.of("image-segmentation") == 300
    assert settings.stall_s.of("text-to-image") == (900 if "=" in words else 300)
    assert Settings.load(**settings.model_dump(mode="json", include={"stall_s"})) == settings


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1", "redis://127.0.0.1:6379/15", "rediss://user:p@host:6380/0", "redis://[::1]:6379/0",
        "sentinel://a:26379/0;sentinel://b:26379/0", "redis+socket:///run/redis.sock",
    ],
)  # fmt: skip
def test_addresses_that_celery_knows_are_accepted(env_file: Path, url: str) -> None:
    assert Settings.load(redis_url=url).redis_url.get_secret_value() == url


def test_settings_show_no_password(env_file: Path) -> None:
    settings = Settings.load(
        redis_url=f"redis://:{SECRET}@host:6379/0", database_url=f"postgresql+psycopg://u:{SECRET}@host/name"
    )
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"
