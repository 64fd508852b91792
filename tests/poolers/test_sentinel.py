"""Redis behind Sentinel: every connection of ours finds the master, and the next one after a failover."""

import signal
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from brushwork.doctor.finding import Finding, Level
from brushwork.doctor.redis_check import check_redis
from brushwork.doctor.sentinel_check import check_sentinels
from brushwork.gateway.admission.rate import Rate
from brushwork_core.ledger import WakeUp
from brushwork_core.queue.broker import Publisher, celery_app
from brushwork_core.queue.redis_link import RedisLink, expect_access
from brushwork_core.queue.sentinel import broker_address, error_text, sentinel_options
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest, ServiceMisconfigured, ServiceUnreachable
from kombu.exceptions import OperationalError
from redis import RedisError

from tests.poolers import sentinel
from tests.poolers.conftest import expect_installed
from tests.poolers.sentinel import MASTER, RedisGroup
from tests.servers import free_port, wait_until

KIND = "text-to-image"
QUICK = {"replicas": 1, "sentinels": 1, "down_after_ms": 300}
FOLLOWS_S = 10.0


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisGroup]:
    expect_installed(sentinel.program(), "redis-sentinel")
    started = RedisGroup(tmp_path_factory.mktemp("group"), **QUICK)
    try:
        yield started.start()
    finally:
        started.stop()


def settings(group: RedisGroup, **more: Any) -> Settings:
    return Settings(**{**group.settings, "publish_timeout_s": 1.0, **more})


def levels(findings: Iterator[Finding]) -> dict[Level, str]:
    return {finding.level: f"{finding.message} {finding.hint}" for finding in findings}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("sentinel://:own@a:1;sentinel://b:2", "sentinel://:own@a:1/0;sentinel://:own@b:2/0"),
        ("sentinel://a:1;sentinel://:own@b:2/3", "sentinel://:own@a:1/3;sentinel://:own@b:2/3"),
        ("sentinel://a;sentinel://u:p%40w@b/0;sentinel://c", "sentinel://u:p%40w@a/0;sentinel://u:p%40w@b/0;"
         "sentinel://u:p%40w@c/0"),
        ("sentinel://a:1/2", "sentinel://a:1/2"),
        ("sentinel://[::1]:1;sentinel://:own@[::1]:2", "sentinel://:own@[::1]:1/0;sentinel://:own@[::1]:2/0"),
        ("redis://:own@a:1/2", "redis://:own@a:1/2"),
    ],
)  # fmt: skip
def test_password_and_number_may_stand_at_any_sentinel(given: str, read: str) -> None:
    found = Settings(redis_url=given)  # type: ignore[arg-type]
    assert broker_address(found) == read
    assert bool(sentinel_options(found, 1.0)) == given.startswith("sentinel")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sentinel://a:1;sentinel://b:port", "invalid port"),
        ("sentinel://a:1;b:2", "must start with one of"),
        ("sentinel://a:1;sentinel://b:2/first", "number of a database"),
        ("sentinel://a:1/first;sentinel://b:2", "number of a database"),
        ("sentinel://a:1;amqp://b:2", "must start with one of"),
    ],
)
def test_each_of_several_addresses_is_checked(url: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Settings.load(redis_url=url)


def test_a_name_that_no_sentinel_knows_is_misconfigured(group: RedisGroup) -> None:
    with pytest.raises(ServiceMisconfigured, match="no Redis master named mymaster") as raised:
        expect_access(settings(group, redis_sentinel_master="mymaster"))
    assert MASTER in str(raised.value.hint)


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_wrong_password_of_the_sentinels_is_misconfigured(group: RedisGroup, password: str | None) -> None:
    with pytest.raises(ServiceMisconfigured, match="refuse their password") as raised:
        expect_access(settings(group, redis_sentinel_password=password))
    assert "BRUSHWORK_REDIS_SENTINEL_PASSWORD" in str(raised.value.hint)


def test_a_wrong_password_of_redis_is_misconfigured(group: RedisGroup) -> None:
    wrong = group.url.replace(group.password, "wrong")
    with pytest.raises(ServiceMisconfigured, match="Redis refuses this program"):
        expect_access(settings(group, redis_url=wrong))


def test_an_error_names_sentinels_shortly_and_without_their_password(group: RedisGroup) -> None:
    away = f"127.0.0.1:{free_port()}"
    found = settings(group, redis_url=f"sentinel://{away}/0", redis_sentinel_password="own-secret-word")
    link = RedisLink(found, timeout_s=1.0)
    with closing(link), pytest.raises(OperationalError) as raised:
        link.client().ping()
    assert "own-secret-word" not in str(raised.value)
    words = error_text(raised.value)
    assert away in words
    assert len(words) < 100
    app = celery_app(found)
    with closing(app), pytest.raises(ServiceUnreachable) as unreachable:
        Publisher(app).num_waiting(KIND)
    assert "<redis" not in unreachable.value.message


def test_sentinels_that_are_away_are_no_fault_of_the_settings(group: RedisGroup) -> None:
    expect_access(settings(group, redis_url=f"sentinel://127.0.0.1:{free_port()}/0"))
    expect_access(settings(group))


def test_the_doctor_says_what_a_failover_lacks(group: RedisGroup) -> None:
    found = levels(check_sentinels(settings(group)))
    assert f"as the master {MASTER}. Replicas: 1, sentinels: 1" in found[Level.WARN]
    assert "three sentinels" in found[Level.WARN]
    assert levels(check_redis(settings(group, redis_sentinel_password="wrong"))).keys() == {Level.FAIL}
    away = f"sentinel://127.0.0.1:{free_port()};{group.url}"
    messages = [finding.message for finding in check_sentinels(settings(group, redis_url=away))]
    assert "does not answer" in messages[0]
    assert levels(check_sentinels(settings(group, redis_sentinel_master="x"))).keys() == {Level.FAIL}


def test_all_connections_find_the_next_master(group: RedisGroup) -> None:
    found = settings(group)
    app, link, rate = celery_app(found), RedisLink(found, timeout_s=1.0), Rate(found)
    publisher = Publisher(app)
    with closing(app), closing(link), closing(rate):
        assert publisher.publish([WakeUp("one", KIND, "label")])
        link.client().set("known", 1)
        # What Redis has copied when the reply arrives would be lost otherwise.
        assert link.client().execute_command("WAIT", 1, 5000) >= 1
        assert rate.count("key", 100).remaining == 99
        old = group.master()
        old.halt(signal.SIGKILL)
        assert not publisher.publish([WakeUp("two", KIND, "label")])
        group.wait_failover(old)
        wait_until(lambda: publisher.publish([WakeUp("three", KIND, "label")]), bound_s=FOLLOWS_S)
        wait_until(lambda: _value(link) == b"1", bound_s=FOLLOWS_S)
        assert publisher.num_waiting(KIND) == 2
        expect_access(found)
        assert rate.count("key", 100).remaining in (97, 98)
        assert group.master() is not old


def _value(link: RedisLink) -> object:
    try:
        return link.client().get("known")
    except (RedisError, OperationalError, OSError, ServiceUnreachable):
        return None
