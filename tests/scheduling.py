"""Which process of pytest-xdist runs which tests: whole files, and together those that share a fixture."""

from fnmatch import fnmatch

from xdist.scheduler import LoadScopeScheduling

# Files of one entry run in one process, which starts once what they share for the whole run.
SHARED = {
    "a running `brushwork up`": (
        "tests/browser/*",
        "tests/integration/test_flower.py",
        "tests/integration/test_generated_clients.py",
        "tests/integration/test_metrics.py",
        "tests/integration/test_pocket_queue.py",
        "tests/integration/test_readme.py",
        "tests/integration/test_up_worker.py",
    ),
    "a warm process to fork workers from": (
        "tests/backup/*",
        "tests/chaos/*",
        "tests/poolers/test_behind_both.py",
    ),
    "a worker with all their models": ("tests/integration/test_serve_*",),
}


class FileScheduling(LoadScopeScheduling):
    """Hand out the tests file by file, in the order of the folders: browser and chaos first, unit last.

    The last folder has many short files, so that no process is left with a long one at the end.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        shared = (what for what, files in SHARED.items() if any(fnmatch(file, each) for each in files))
        return next(shared, file)
