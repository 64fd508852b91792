"""Whatever a job changes in a pipeline is its own: no job is influenced by another one."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.errors import InvalidRequest, ModelUnavailable
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from torch import Tensor

from tests.gathering import together
from tests.stateful_pipelines import (
    DRAWING,
    REFUSED,
    STATEFUL,
    Counting,
    InABuffer,
    Network,
    WithAConstant,
    WithoutScheduler,
    tiny,
)


def observed(pipeline: Any, calls: ModelExecutor) -> PipelineCopies:
    copies = PipelineCopies(pipeline, calls, CallOptions("tiny"))
    copies.observe(lambda seed: copies.new(seed=seed)(torch.Generator().manual_seed(seed)))
    return copies


def alone(build: Callable[[], Any], seed: int) -> Tensor:
    """Of a pipeline that was never run, in a process whose generators have this seed."""
    pipeline = build()
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    made: Tensor = pipeline(torch.Generator().manual_seed(seed))
    return made


def job(copies: PipelineCopies, calls: ModelExecutor, seed: int) -> Callable[[], Any]:
    def run() -> Any:
        pipeline = copies.new(seed=seed)
        return calls.run(lambda: pipeline(torch.Generator().manual_seed(seed)))

    return run


@pytest.mark.parametrize("is_cooperative", [True, False], ids=["in turns", "in threads"])
@pytest.mark.parametrize("name", [*STATEFUL, *DRAWING])
def test_jobs_at_once_are_like_jobs_alone(name: str, is_cooperative: bool) -> None:
    build = {**STATEFUL, **DRAWING}[name]
    calls = Batcher(64, 10**9, is_cooperative=is_cooperative)
    try:
        copies = observed(build(), calls)
        made = together(calls, [job(copies, calls, seed) for seed in range(4)])
    finally:
        calls.close()
    for seed, each in enumerate(made):
        torch.testing.assert_close(each, alone(build, seed), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", STATEFUL)
def test_a_second_job_is_not_influenced_by_the_first(name: str) -> None:
    calls = SerialExecutor()
    copies = observed(STATEFUL[name](), calls)
    job(copies, calls, 1)()
    assert torch.equal(job(copies, calls, 2)(), alone(STATEFUL[name], 2))


def test_state_is_found_where_no_observation_was_if_the_class_is_of_no_library() -> None:
    calls = SerialExecutor()
    copies = PipelineCopies(tiny(Counting), calls, CallOptions("tiny"))
    job(copies, calls, 1)()
    assert torch.equal(job(copies, calls, 2)(), alone(lambda: tiny(Counting), 2))


@pytest.mark.parametrize("network", [Network, WithAConstant])
def test_modules_without_state_share_batches(network: type[Network]) -> None:
    sizes: list[int] = []
    calls = Batcher(64, 10**9, lambda ran: sizes.append(len(ran.batch.calls)), is_cooperative=True)
    try:
        copies = observed(tiny(network), calls)
        sizes.clear()
        together(calls, [job(copies, calls, seed) for seed in range(8)])
    finally:
        calls.close()
    assert max(sizes) > 1


def test_copies_share_the_weights_of_a_module_with_state() -> None:
    pipeline = tiny(InABuffer)
    copies = observed(pipeline, SerialExecutor())
    one, other = copies.new().network, copies.new().network
    weight = next(iter(pipeline.network.parameters()))
    assert next(iter(one.parameters())) is next(iter(other.parameters())) is weight
    assert one.running is not other.running
    assert torch.equal(pipeline.network.running, torch.zeros(4))


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_whose_jobs_cannot_be_kept_apart_is_refused(name: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"keeps state|after another job"):
        observed(REFUSED[name](), SerialExecutor())


@pytest.mark.parametrize("name", DRAWING)
def test_global_generators_stay_as_they_were(name: str) -> None:
    calls = SerialExecutor()
    copies = observed(DRAWING[name](), calls)
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    expected = torch.rand(3), np.random.rand(), random.random()
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    job(copies, calls, 1)()
    assert torch.equal(torch.rand(3), expected[0])
    assert (np.random.rand(), random.random()) == expected[1:]


def test_a_pipeline_without_scheduler_runs() -> None:
    def build() -> Any:
        return WithoutScheduler(Network().eval())

    calls = SerialExecutor()
    copies = observed(build(), calls)
    assert torch.equal(job(copies, calls, 2)(), alone(build, 2))
    with pytest.raises(InvalidRequest, match="has no scheduler") as caught:
        copies.new("EulerDiscreteScheduler")
    assert caught.value.field == "scheduler"


def test_a_scheduler_of_the_job_reaches_the_pipelines_inside() -> None:
    copies = PipelineCopies(STATEFUL["pipelines inside of the pipeline"](), SerialExecutor(), CallOptions())
    made = copies.new("EulerDiscreteScheduler")
    assert type(made.scheduler).__name__ == "EulerDiscreteScheduler"
    assert made.prior_pipe.scheduler is made.decoder_pipe.scheduler is made.scheduler
    assert made.decoder_pipe.network is made.network
