"""Trainings on a device that others use, too: a step at a time, with gradients, and none disturbs another."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.interface import LoadSpec
from safetensors.torch import load

from tests.desks import PlainDesk
from tests.stops import Going, Stopped, Switch
from tests.trainings import place_of, trained

# Its dropout draws from torch's own random numbers.
DROPS = "mobilenet_v3_small"


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(64, 2**22)
    yield made
    made.close()


def on(calls: ModelExecutor, architecture: str = "simple_cnn") -> LoadSpec:
    place = place_of(Source(architecture=architecture))
    return LoadSpec(place.model, place.folder, place.device, place.dtype, calls)


def weights(made: dict[str, Any]) -> dict[str, torch.Tensor]:
    return load(made["weights"].bytes())


def differs(one: dict[str, Any], other: dict[str, Any]) -> float:
    mine, theirs = weights(one), weights(other)
    return max(float((mine[name].float() - theirs[name].float()).abs().max()) for name in mine)


def learn(calls: ModelExecutor, seed: int, architecture: str = "simple_cnn") -> dict[str, Any]:
    with calls.job(Going(), model=architecture):
        return trained(PlainDesk(), on(calls, architecture), seed=seed, num_train_epochs=2, image_size=32)


@pytest.mark.parametrize("architecture", ["simple_cnn", DROPS])
def test_two_at_once_learn_what_each_learns_alone(batcher: Batcher, architecture: str) -> None:
    alone = [learn(SerialExecutor(), seed, architecture) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda seed: learn(batcher, seed, architecture), (1, 2)))
    assert [differs(*pair) for pair in zip(alone, together, strict=True)] == [0.0, 0.0]
    assert differs(*alone) > 1e-3


def test_a_training_leaves_torchs_random_numbers_as_they_were(batcher: Batcher) -> None:
    before = torch.get_rng_state()
    learn(batcher, 3, DROPS)
    assert torch.equal(torch.get_rng_state(), before)


def test_others_compute_between_its_steps(batcher: Batcher) -> None:
    doubles: list[torch.Tensor] = []

    def look(step: int, total: int) -> None:
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(batcher.call, CallOptions(), torch.mul, torch.ones(2, 3), 2)
            doubles.append(call.result())

    context = PlainDesk(look)
    with batcher.job(Going()):
        trained(context, on(batcher), num_train_epochs=1)
    assert len(doubles) == len(context.steps)
    assert not any(answer.requires_grad for answer in doubles)


def test_what_the_device_thread_finds_wrong_reaches_the_job(batcher: Batcher) -> None:
    with pytest.raises(InvalidRequest, match="learning_rate"), batcher.job(Going()):
        trained(
            PlainDesk(),
            on(batcher),
            learning_rate=10.0,
            num_train_epochs=50,
            optimizer="adamw",
            weight_decay=1.0,
        )
    assert learn(batcher, 1)["labels"]


def test_who_is_told_to_stop_leaves_at_the_next_step(batcher: Batcher) -> None:
    switch = Switch()
    context = PlainDesk(lambda step, total: switch.stop() if step == 2 else None)
    with pytest.raises(Stopped), batcher.job(switch):
        trained(context, on(batcher))
    assert context.steps[-1][0] == 2
