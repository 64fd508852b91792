"""What the doctor says of PostgreSQL behind PgBouncer."""

import pytest
from brushwork.doctor.database_check import check_database
from brushwork.doctor.finding import Level
from brushwork_core.settings.settings import Settings


def found(url: str, listen_url: str | None = None) -> dict[str, tuple[Level, str]]:
    """The findings by their first words."""
    settings = Settings(database_url=url, database_listen_url=listen_url)  # type: ignore[arg-type]
    return {
        " ".join(finding.message.split()[:2]): (finding.level, f"{finding.message} {finding.hint}")
        for finding in check_database(settings)
    }


def test_without_a_pooler_all_is_well(postgres_url: str) -> None:
    findings = found(postgres_url)
    assert "without a pooler" in findings["PostgreSQL is"][1]
    assert "statement_timeout 21s" in findings["PostgreSQL is"][1]
    assert {level for level, _ in findings.values()} == {Level.OK}


def test_with_an_address_for_listening_all_is_well(pooled_url: str, postgres_url: str) -> None:
    findings = found(pooled_url, postgres_url)
    assert findings["A pooler"][1].count("21s") == 1
    assert findings["Notifications of"][1].startswith("Notifications of the database arrive")
    assert {level for level, _ in findings.values()} == {Level.OK}


def test_without_it_the_missing_setting_is_named(pooled_url: str) -> None:
    level, words = found(pooled_url)["Notifications of"]
    assert level is Level.WARN
    assert "BRUSHWORK_DATABASE_LISTEN_URL" in words


def test_limits_that_are_off_are_found(pooled_url: str, postgres_url: str) -> None:
    level, words = found(f"{pooled_url}?tcp_user_timeout=0", postgres_url)["A pooler"]
    assert level is Level.FAIL
    assert "tcp_user_timeout" in words


@pytest.mark.parametrize("option", ["-c%20lock_timeout%3D5s", "-csearch_path%3Dother"])
def test_the_line_that_pgbouncer_lacks_is_shown(pooled_url: str, option: str) -> None:
    ((level, words),) = found(f"{pooled_url}?options={option}").values()
    assert level is Level.FAIL
    assert "ignore_startup_parameters = options" in words
