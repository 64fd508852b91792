"""Who is waited for because jobs like it came from there before."""

import pytest
from brushwork_workers.batching.call_graph import CallGraph, CallPosition

BEGIN = CallPosition("begin")
ENCODER = CallPosition("encoder", "77 tokens")
SMALL, LARGE = CallPosition("denoiser", "64x64"), CallPosition("denoiser", "128x128")


@pytest.fixture
def routes() -> CallGraph:
    """One job was here: it began, called the encoder and then the denoiser."""
    learned = CallGraph()
    learned.expect("teacher", BEGIN)
    for place in (ENCODER, SMALL):
        learned.called("teacher", place.module)
        learned.expect("teacher", place)
    learned.left("teacher")
    return learned


def test_nothing_is_known_at_first() -> None:
    routes = CallGraph()
    routes.expect("a", BEGIN)
    assert not routes.is_expected(ENCODER)


def test_a_job_that_has_begun_is_on_the_way_to_what_others_called_first(routes: CallGraph) -> None:
    routes.expect("a", BEGIN)
    assert routes.is_expected(ENCODER)
    assert not routes.is_expected(SMALL)


def test_from_elsewhere_a_job_may_come_with_any_arguments(routes: CallGraph) -> None:
    routes.expect("a", ENCODER)
    assert routes.is_expected(SMALL)
    assert routes.is_expected(LARGE)


def test_back_to_the_same_module_a_job_comes_with_the_same_arguments(routes: CallGraph) -> None:
    routes.expect("a", SMALL)
    assert routes.is_expected(SMALL)
    assert not routes.is_expected(LARGE)


@pytest.mark.parametrize("how", ["arrives", "leaves"])
def test_who_calls_or_has_left_is_on_no_way(routes: CallGraph, how: str) -> None:
    routes.expect("a", ENCODER)
    if how == "arrives":
        routes.called("a", "vae")
    else:
        routes.left("a")
    assert not routes.is_expected(SMALL)


def test_who_is_late_is_given_up_until_it_has_called_again(routes: CallGraph) -> None:
    routes.expect("a", ENCODER)
    routes.stop_expecting(SMALL)
    assert not routes.is_expected(SMALL)
    routes.called("a", SMALL.module)
    routes.expect("a", SMALL)
    assert routes.is_expected(SMALL)


def test_to_give_up_on_one_way_forgets_nobody_on_another(routes: CallGraph) -> None:
    routes.expect("a", ENCODER)
    routes.expect("b", BEGIN)
    routes.stop_expecting(SMALL)
    assert routes.is_expected(ENCODER)
