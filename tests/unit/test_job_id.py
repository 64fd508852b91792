"""Ids of new jobs: valid, different, and in the order of their jobs."""

import time
from uuid import RFC_4122, UUID

from brushwork.transports.job_id import new_job_id


def test_ids_are_uuids_of_version_7_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = UUID(new_job_id())
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_later_ids_sort_after_earlier_ones() -> None:
    ids = []
    for _ in range(200):
        ids.append(new_job_id())
        until = time.time_ns() + 2_000
        while time.time_ns() < until:
            pass
    assert ids == sorted(ids)


def test_ids_differ() -> None:
    assert len({new_job_id() for _ in range(20_000)}) == 20_000
