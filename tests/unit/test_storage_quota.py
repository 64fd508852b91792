"""The quota of stored bytes: what counts, for how long a sum is used, and what several requests may store."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from brushwork.gateway.admission.storage_quota import FRESH_S, StorageQuota, num_bytes_of
from brushwork_core.access.api_keys import ApiKey
from brushwork_core.database.database import Database
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger
from brushwork_core.queries.stored_bytes import StoredBytes
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import QuotaExceeded

from tests.jobs import claimed, new_job, result_of

NOW = datetime(2026, 11, 30, tzinfo=UTC)
KEY = ApiKey("id", "name", "a", frozenset(), None, None, None, NOW, None, None, None, max_stored_bytes=100)


class Stored:
    """Sums that a test sets, and how often each was asked for."""

    def __init__(self) -> None:
        self.bytes, self.num_asked, self.now = 0, 0, 0.0

    def __call__(self, tenant: str) -> int:
        del tenant
        self.num_asked += 1
        return self.bytes


@pytest.fixture
def stored() -> Iterator[Stored]:
    return Stored()


def test_without_a_quota_nothing_is_added_up(stored: Stored) -> None:
    quota = StorageQuota(stored, None)
    for key in (None, replace(KEY, max_stored_bytes=None)):
        with quota.storing(key, "a", 10**12):
            pass
    assert stored.num_asked == 0


@pytest.mark.parametrize(("most", "of_key"), [(100, None), (None, 100), (200, 100), (100, 200)])
def test_the_smaller_limit_counts(stored: Stored, most: int | None, of_key: int | None) -> None:
    quota, key = StorageQuota(stored, most), replace(KEY, max_stored_bytes=of_key)
    stored.bytes = 60
    with quota.storing(key, "a", 40):
        pass
    with pytest.raises(QuotaExceeded, match="take 100 bytes"), quota.storing(key, "a", 1):
        pass


def test_a_tenant_that_has_reached_it_stores_nothing_of_unknown_size(stored: Stored) -> None:
    stored.bytes = 100
    with pytest.raises(QuotaExceeded), StorageQuota(stored, None).storing(KEY, "a", 0):
        pass


def test_files_that_are_being_stored_count(stored: Stored) -> None:
    quota = StorageQuota(stored, None)
    with ExitStack() as stack:
        stack.enter_context(quota.storing(KEY, "a", 60))
        with pytest.raises(QuotaExceeded), quota.storing(KEY, "a", 60):
            pass
        stack.enter_context(quota.storing(KEY, "b", 60))
    with pytest.raises(ZeroDivisionError), quota.storing(KEY, "a", 40):
        raise ZeroDivisionError
    with quota.storing(KEY, "a", 40):
        pass


def test_a_sum_is_read_again_after_a_while(stored: Stored) -> None:
    quota = StorageQuota(stored, None, clock=lambda: stored.now)
    stored.bytes = 100
    for now in (0.0, FRESH_S - 0.1):
        stored.now = now
        with pytest.raises(QuotaExceeded), quota.storing(KEY, "a", 1):
            pass
    assert stored.num_asked == 1
    stored.now, stored.bytes = FRESH_S + 0.1, 0
    with quota.storing(KEY, "a", 100):
        pass


def test_the_size_of_whatever_is_given() -> None:
    with tempfile.SpooledTemporaryFile(10) as spooled:
        spooled.write(b"x" * 30)
        assert num_bytes_of(spooled) == 30
        assert spooled.read() == b"x" * 30
    assert (num_bytes_of(b"abc"), num_bytes_of(io.BytesIO(b"ab")), num_bytes_of("0" * 64)) == (3, 2, 0)


def test_uploads_and_files_of_jobs_count_once(database: Database, ledger: Ledger) -> None:
    sums, files = StoredBytes(database), TenantFiles(database)
    assert sums.of("a") == 0
    first, second = (
        Artifact(sha256=letter * 64, media_type="image/png", size_bytes=size)
        for letter, size in (("1", 10), ("2", 7))
    )
    files.record_upload("a", first)
    files.record_upload("a", second)
    files.record_upload("b", first)
    assert (sums.of("a"), sums.of("b"), sums.of("")) == (17, 10, 0)
    ledger.submit([new_job("j", tenant="b")])
    third = Artifact(sha256="3" * 64, media_type="image/png", size_bytes=5)
    ledger.complete("j", claimed(ledger, "j").fence, result_of(1), [first, third])
    assert (sums.of("a"), sums.of("b")) == (17, 10 + 5)
