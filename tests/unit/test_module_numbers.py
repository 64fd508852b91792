"""A model that was loaded where another had been is not taken for it."""

from collections.abc import Hashable, Iterator
from typing import Any

import pytest
import torch
from brushwork_workers.batching.arguments import number_of
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from torch import Tensor, nn


class Factor(nn.Module):
    """Multiplies by what an adapter sets."""

    factor = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Doubling:
    """An adapter; all of them are equal."""

    def __hash__(self) -> int:
        return 2

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Doubling)

    def activate(self, module: Any) -> None:
        module.factor = 2.0


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher(max_rows=4, max_pixels=4)
    yield batcher
    batcher.close()


def test_a_number_is_never_given_again() -> None:
    ids: set[int] = set()
    numbers: set[Hashable] = set()
    rounds = 0
    while rounds < 200 and len(ids) == rounds:
        module = Factor()
        assert number_of(module) == number_of(module)
        ids.add(id(module))
        numbers.add(number_of(module))
        rounds += 1
        del module
    assert len(ids) < rounds, "else nothing was shown: no two have lain at one address"
    assert len(numbers) == rounds


def test_what_can_not_be_watched_is_known_by_its_address() -> None:
    watched_by_nobody = (1, 2)
    assert number_of(watched_by_nobody) == number_of(watched_by_nobody) < 0


def test_a_new_module_gets_the_adapters_that_the_old_one_had(batcher: Batcher) -> None:
    options = CallOptions(adapters=Doubling())
    for _ in range(20):
        assert batcher.call(options, Factor(), torch.ones(1)).item() == 2.0
