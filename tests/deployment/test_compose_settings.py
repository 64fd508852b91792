"""Every setting, and every name of .env.example, reaches each process that reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.settings.settings import Settings

from tests.deployment.compose_file import Service, example_values, printed_services, write_env_file

# Read by clients alone: a service that had them would send its own commands to a gateway.
OF_CLIENTS = {"url", "api_key"}
# Made from other names of .env.
COMPOSED = {"redis_url", "database_url", "artifacts_url", "flower_url"}
# Words for what is neither a number nor a truth value.
WORDS = {
    "catalogue": "/models/catalogue.toml", "models": "one,two", "device": "cpu", "log_format": "json",
    "stall_s": "300,text-to-image=900",
    "credentials_callback": "mine.kms:sign", "credentials_failure": "unsigned",
    "credentials_timestamps": "http://timestamps.internal",
    "visible_label": "always", "visible_label_corner": "top-left", "visible_label_size": "0.1",
    "database_listen_url": "postgresql+psycopg://brushwork:own@db.internal/brushwork",
}  # fmt: skip
# Read by Compose itself.
OF_COMPOSE = {"COMPOSE_PROFILES"}
# Each of these stands in a variable of another name, in a command, or in the list of ports and devices.
INSIDE = {
    "REDIS_PASSWORD", "POSTGRES_PASSWORD", "FLOWER_USER", "FLOWER_PASSWORD", "WEBHOOK_SECRET",
    "ARTIFACTS_URL",
    "REDIS_PORT", "POSTGRES_PORT", "FLOWER_PORT", "GATEWAY_PORT", "GATEWAY_2_PORT", "FORWARDED_ALLOW_IPS",
    "WORKER_GPU", "WORKER_1_GPU", "WORKER_2_GPU", "WORKER_3_GPU", "WORKER_CONCURRENCY",
    "WORKER_KINDS", "WORKER_1_KINDS", "WORKER_2_KINDS", "WORKER_3_KINDS", "PRUNE_EVERY", "PRUNE_OLDER_THAN",
}  # fmt: skip
# Of downloads, which one service alone makes.
OF_PULLS = {
    "HF_TOKEN",
    "HF_ENDPOINT",
    "HF_HUB_DISABLE_XET",
    "MODELSCOPE_API_TOKEN",
    "MODELSCOPE_ENDPOINT",
    "TORCHVISION_MIRROR",
}
SECRETS = {"REDIS_PASSWORD", "POSTGRES_PASSWORD", "FLOWER_PASSWORD"}
GOOD_SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def _value(name: str, default: object) -> str:
    """A value of a setting that is not its default."""
    if name in WORDS:
        return WORDS[name]
    if isinstance(default, bool):
        return str(not default).lower()
    return str(default + 1) if isinstance(default, int | float) else "7"


def _settings() -> dict[str, str]:
    fields = Settings.model_fields
    wanted = fields.keys() - OF_CLIENTS - COMPOSED - {"webhook_secret"}
    return {name: _value(name, fields[name].default) for name in sorted(wanted)}


@pytest.fixture(scope="module")
def values() -> dict[str, str]:
    """A value for each name, all different from what stands without it."""
    ports = iter(range(40_001, 40_100))
    example = {name: str(next(ports)) for name in example_values()}
    example |= {name: f"secret{number}" for number, name in enumerate(sorted(SECRETS))}
    settings = {f"BRUSHWORK_{name.upper()}": value for name, value in _settings().items()}
    return {**example, "WEBHOOK_SECRET": GOOD_SECRET, "ARTIFACTS_URL": "s3://bucket/40000", **settings}


@pytest.fixture(scope="module")
def filled(values: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service]:
    return printed_services(write_env_file(tmp_path_factory.mktemp("env") / "env", values))


@pytest.fixture(scope="module")
def readers(filled: dict[str, Service]) -> dict[str, Service]:
    """The services that read `Settings`: all that run brushwork itself."""
    return {
        name: each
        for name, each in filled.items()
        if each.dockerfile and (each.entrypoint or ("brushwork",))[0] == "brushwork"
    }


def test_the_services_that_read_settings(readers: dict[str, Service]) -> None:
    workers = {"worker", "worker-1", "worker-2", "worker-3"}
    assert readers.keys() == workers | {"gateway", "gateway-2", "webhooks", "prune", "migration", "models"}


def test_every_setting_reaches_every_process(
    readers: dict[str, Service], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = _settings()
    expected = Settings.load(**wanted)
    for name in readers:
        got = _loaded(readers[name].environment, monkeypatch, tmp_path)
        missing = {
            f"BRUSHWORK_{each.upper()}" for each in wanted if getattr(got, each) != getattr(expected, each)
        }
        assert not missing, f"{name}: add these to x-settings of docker-compose.yml: {sorted(missing)}"


def test_addresses_are_made_of_what_stands_in_the_file(
    readers: dict[str, Service], values: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for each in readers.values():
        got = _loaded(each.environment, monkeypatch, tmp_path)
        assert got.redis_url.get_secret_value() == f"redis://:{values['REDIS_PASSWORD']}@redis:6379/0"
        password = values["POSTGRES_PASSWORD"]
        assert (
            got.database_url.get_secret_value()
            == f"postgresql+psycopg://brushwork:{password}@postgres:5432/brushwork"
        )
        assert got.artifacts_url == "s3://bucket/40000"
        assert (got.url, got.api_key) == (None, None)


def test_the_secret_of_webhooks_is_known_to_their_sender_alone(filled: dict[str, Service]) -> None:
    having = {name for name, each in filled.items() if GOOD_SECRET in each.environment.values()}
    assert having == {"webhooks"}


def test_every_name_of_the_example_is_used(filled: dict[str, Service], values: dict[str, str]) -> None:
    printed = {name: str(each.printed) for name, each in filled.items()}
    unused = [
        name
        for name in example_values().keys() - OF_COMPOSE
        if not any(values[name] in text for text in printed.values())
    ]
    assert unused == []


def test_every_name_of_the_example_reaches_each_process_that_reads_it(
    readers: dict[str, Service], values: dict[str, str]
) -> None:
    for name in example_values().keys() - OF_COMPOSE - INSIDE:
        having = {service for service, each in readers.items() if each.environment.get(name) == values[name]}
        assert having == ({"models"} if name in OF_PULLS else readers.keys()), name


def test_the_example_has_all_that_the_store_may_need(readers: dict[str, Service]) -> None:
    handed_on = {name for name in readers["gateway"].environment if name.startswith("AWS_")}
    assert handed_on == {name for name in example_values() if name.startswith("AWS_")}
    assert len(handed_on) >= 6


def test_a_machine_of_workers_alone_has_addresses_of_its_own(values: dict[str, str], tmp_path: Path) -> None:
    addresses = {
        "BRUSHWORK_REDIS_URL": "rediss://:own@redis.internal:6379/0",
        "BRUSHWORK_DATABASE_URL": "postgresql+psycopg://brushwork:own@db.internal/brushwork",
    }
    file = write_env_file(tmp_path / "env", {**values, **addresses})
    services = printed_services(file, "deploy/compose.workers.yml")
    for name in ("worker", "worker-1", "worker-2", "worker-3"):
        got = services[name].environment
        assert {each: got[each] for each in addresses} == addresses
        assert got["BRUSHWORK_LEASE_S"] == values["BRUSHWORK_LEASE_S"]
    assert "redis.internal" not in services["gateway"].environment["BRUSHWORK_REDIS_URL"]


def test_what_the_file_does_not_say_is_left_to_the_defaults(
    services: dict[str, Service], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = {
        name: value.replace("change-me", "own") for name, value in services["gateway"].environment.items()
    }
    got, usual = _loaded(good, monkeypatch, tmp_path), Settings.load(**_addresses(good))
    assert {name: getattr(got, name) for name in _settings()} == {
        name: getattr(usual, name) for name in _settings()
    }


def _addresses(environment: Mapping[str, str]) -> dict[str, Any]:
    return {name: environment[f"BRUSHWORK_{name.upper()}"] for name in COMPOSED}


def _loaded(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """The settings that a process with this environment has."""
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        for name in Settings.model_fields:
            patch.delenv(f"BRUSHWORK_{name.upper()}", raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        return Settings.load()
