"""The fixtures of the fault suite; which faults run, how often and where says the plan."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from secrets import token_hex

import pytest
from brushwork_core.database.database import Database

from tests.chaos.chronicle import Chronicle
from tests.chaos.nursery import Nursery
from tests.chaos.plan import Run, plan_of
from tests.chaos.scene import Scene
from tests.fork_server.client import fork_server
from tests.servers import PostgresServer

TEMPLATE = "chaos_template"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every fault on each database, as often as planned."""
    mark = metafunc.definition.get_closest_marker("fault")
    if mark is None:
        return
    plan = plan_of(metafunc.config)
    on_both = plan.thorough or mark.kwargs.get("both", False)
    databases = mark.kwargs.get("on") or (("sqlite", "postgresql") if on_both else ("sqlite",))
    places = list(itertools.product(databases, range(plan.runs)))
    metafunc.parametrize("place", places, ids=[f"{database}-{run}" for database, run in places])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the plan does not want."""
    plan = plan_of(config)
    for item in list(items):
        mark = item.get_closest_marker("fault")
        if mark is not None and not plan.wants(mark.args[0], thorough=mark.kwargs.get("thorough", False)):
            items.remove(item)


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    return Nursery(fork_server())


@pytest.fixture
def rng(request: pytest.FixtureRequest, place: tuple[str, int]) -> Random:
    """Drawn anew for each run, and the same for the same seed."""
    return Random(f"{plan_of(request.config).seed} {request.node.name} {place}")


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    nursery: Nursery,
    place: tuple[str, int],
    tmp_path: Path,
    migrated_file: Path,
) -> Scene:
    fault, _ = request.node.get_closest_marker("fault").args
    done = plan_of(request.config).done
    sqlite, postgresql = _sqlite(migrated_file, tmp_path), _postgresql(request)
    return Scene(
        tmp_path,
        nursery,
        sqlite if place[0] == "sqlite" else postgresql,
        lambda verdict: done.append(Run(fault, verdict)),
    )


@pytest.fixture
def chronicle(request: pytest.FixtureRequest, place: tuple[str, int]) -> Chronicle:
    """For a fault whose course is to be seen; in a thorough run it is kept."""
    fault, title = request.node.get_closest_marker("fault").args
    kept = plan_of(request.config).kept
    return Chronicle(f"{fault}: {title}, on {place[0]}", kept / f"{fault}.log" if kept else None)


def _sqlite(migrated_file: Path, folder: Path) -> Callable[[], str]:
    def make() -> str:
        file = folder / f"ledger-{token_hex(4)}.sqlite3"
        shutil.copy(migrated_file, file)
        return f"sqlite:///{file}"

    return make


def _postgresql(request: pytest.FixtureRequest) -> Callable[[], str]:
    def make() -> str:
        server: PostgresServer = request.getfixturevalue("postgres_template")
        name = f"chaos_{token_hex(4)}"
        server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return server.url(name)

    return make


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> PostgresServer:
    """A server with a migrated database to copy."""
    postgres_server.execute(f"CREATE DATABASE {TEMPLATE}")
    database = Database(postgres_server.url(TEMPLATE))
    database.migrate()
    database.close()
    return postgres_server
