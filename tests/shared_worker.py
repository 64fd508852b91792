"""One worker that serves a tiny model of every family to all tests that ask for it."""

import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork_schemas.kinds.registry import all_kinds

from tests.fork_server.client import fork_server
from tests.servers import RedisServer
from tests.serving import Serving, serving


@pytest.fixture(scope="session")
def every_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each sort of models, and `catalogue.toml`, which names all of them."""
    # It imports torch and its like while this process saves the models.
    fork_server()
    # Here, for it imports torch, which most of the tests that share this file do without.
    from tests.every_model import save_every_model

    with warnings.catch_warnings():
        # Of diffusers against itself: its Flux ControlNet imports by an older way.
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        return save_every_model(tmp_path_factory.mktemp("every-model")).parent


@pytest.fixture(scope="session")
def served(every_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A worker on all of `every_model`, on a Redis of its own: other tests empty theirs."""
    folder = tmp_path_factory.mktemp("served")
    catalogue = every_model / "catalogue.toml"
    names = ",".join(tomllib.loads(catalogue.read_text())["models"])
    kinds = ",".join(kind for kind in all_kinds() if not kind.endswith("-training"))
    redis = RedisServer(folder)
    try:
        with serving(catalogue, redis.start(), folder, kinds=kinds, models=names) as running:
            yield running
    finally:
        redis.stop()
