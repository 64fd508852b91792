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
    learned.sets_out("teacher", BEGIN)
    for place in (ENCODER, SMALL):
        learned.arrives("teacher", place.module)
        learned.sets_out("teacher", place)
    learned.leaves("teacher")
    return learned


def test_nothing_is_known_at_first() -> None:
    routes = CallGraph()
    routes.sets_out("a", BEGIN)
    assert not routes.leads_to(ENCODER)


def test_a_job_that_has_begun_is_on_the_way_to_what_others_called_first(routes: CallGraph) -> None:
    routes.sets_out("a", BEGIN)
    assert routes.leads_to(ENCODER)
    assert not routes.leads_to(SMALL)


def test_from_elsewhere_a_job_may_come_with_any_arguments(routes: CallGraph) -> None:
    routes.sets_out("a", ENCODER)
    assert routes.leads_to(SMALL)
    assert routes.leads_to(LARGE)


def test_back_to_the_same_module_a_job_comes_with_the_same_arguments(routes: CallGraph) -> None:
    routes.sets_out("a", SMALL)
    assert routes.leads_to(SMALL)
    assert not routes.leads_to(LARGE)


@pytest.mark.parametrize("how", ["arrives", "leaves"])
def test_who_calls_or_has_left_is_on_no_way(routes: CallGraph, how: str) -> None:
    routes.sets_out("a", ENCODER)
    if how == "arrives":
        routes.arrives("a", "vae")
    else:
        routes.leaves("a")
    assert not routes.leads_to(SMALL)


def test_who_is_late_is_given_up_until_it_has_called_again(routes: CallGraph) -> None:
    routes.sets_out("a", ENCODER)
    routes.give_up(SMALL)
    assert not routes.leads_to(SMALL)
    routes.arrives("a", SMALL.module)
    routes.sets_out("a", SMALL)
    assert routes.leads_to(SMALL)


def test_to_give_up_on_one_way_forgets_nobody_on_another(routes: CallGraph) -> None:
    routes.sets_out("a", ENCODER)
    routes.sets_out("b", BEGIN)
    routes.give_up(SMALL)
    assert routes.leads_to(ENCODER)
