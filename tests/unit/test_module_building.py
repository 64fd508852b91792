"""Libraries replace functions of torch while they build a module: two threads must not build at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from accelerate import init_empty_weights
from brushwork_workers.device.module_building import module_building
from brushwork_workers.families.training.architecture import untrained


@pytest.mark.parametrize("name", ["simple_cnn", "resnet18"])
def test_a_network_has_weights_although_another_thread_builds_an_empty_one(name: str) -> None:
    is_empty, may_end, begun = Event(), Event(), Event()

    def empty() -> None:
        with module_building(), init_empty_weights():
            is_empty.set()
            assert may_end.wait(60)

    def build() -> set[str]:
        assert is_empty.wait(60)
        begun.set()
        return {each.device.type for each in untrained(name, 2, 32).parameters()}

    with ThreadPoolExecutor(2) as threads:
        building = threads.submit(empty)
        built = threads.submit(build)
        assert begun.wait(60)
        with pytest.raises(TimeoutError):
            built.result(timeout=0.5)
        may_end.set()
        building.result()
        assert built.result() == {"cpu"}
