"""Which process of pytest-xdist runs which tests: whole files, and together those that share a fixture."""

from fnmatch import fnmatch

import pytest
from xdist.scheduler import LoadScopeScheduling

# Files of one entry run in one process, which starts once what they share for the whole run. These run
# first, so that no process is left with one of them at the end.
SHARED = {
    "a running `brushwork up`": (
        "tests/browser/*",
        "tests/integration/test_flower.py",
        "tests/integration/test_generated_clients.py",
        "tests/integration/test_pocket_queue.py",
        "tests/integration/test_policies_every_entry.py",
        "tests/integration/test_policies_pocket.py",
        "tests/integration/test_readme.py",
        "tests/integration/test_up_worker.py",
    ),
    "a warm process to fork workers from": (
        "tests/backup/*",
        "tests/chaos/*",
        "tests/integration/test_celery_program.py",
        "tests/integration/test_imagenet_network.py",
        "tests/integration/test_metrics.py",
        "tests/integration/test_queue.py",
        "tests/integration/test_serve_*",
        "tests/integration/test_training_queue.py",
        "tests/poolers/test_behind_both.py",
    ),
    "an attacked gateway": ("tests/attacks/*",),
}
# A file with a test of 10 seconds or more, or with many of seconds. They follow.
LONG = (
    "tests/integration/test_pocket_training.py",
    "tests/deployment/test_whole_deployment.py",
    "tests/upgrade/test_rolling.py",
    "tests/integration/test_gateway_contract.py",
    "tests/plugins/*",
    "tests/integration/test_benchmarks.py",
    "tests/integration/test_demo_run.py",
    "tests/integration/test_up.py",
    "tests/integration/test_broken_loaders.py",
    "tests/integration/test_metrics_prometheus.py",
    "tests/unit/test_ledger_machine.py",
)
# Short files, which fill what is left. All folders but this one come before it.
LAST = "tests/unit/*"


def shared_by(file: str) -> str | None:
    """What a file shares with others; None if nothing."""
    shared = (what for what, files in SHARED.items() if any(fnmatch(file, each) for each in files))
    return next(shared, None)


def turn(file: str) -> int:
    """The turn of a file: the smaller, the earlier. Files of one turn keep their order."""
    if (shared := shared_by(file)) is not None:
        return list(SHARED).index(shared)
    long = next((number for number, each in enumerate(LONG) if fnmatch(file, each)), None)
    if long is not None:
        return len(SHARED) + long
    return len(SHARED) + len(LONG) + fnmatch(file, LAST)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the tests of a run of several processes."""
    items.sort(key=lambda item: turn(_file(item.nodeid)))


class FileScheduling(LoadScopeScheduling):
    """Hand out the tests file by file, in the order of `longest_first`."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        return shared_by(file) or file


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]
