"""Flows mean the same to both runners, and both clients have the same methods."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest
from brushwork import AsyncClient, Client
from brushwork.transports.flow import Flow, HttpRequest, Pause, Work, blocking
from brushwork.transports.runners import AsyncRunner, SyncRunner

Run = Callable[[Flow[Any]], Any]


def run_sync(flow: Flow[Any]) -> Any:
    return SyncRunner(None).run(flow)


def run_async(flow: Flow[Any]) -> Any:
    return asyncio.run(AsyncRunner(None).run(flow))


both = pytest.mark.parametrize("run", [run_sync, run_async])


def failing() -> None:
    raise KeyError("x")


@both
def test_the_value_of_each_step_comes_back_and_that_of_the_flow_is_returned(run: Run) -> None:
    def flow() -> Flow[list[Any]]:
        pause = yield Pause(0.001)
        first = yield Work(lambda: 1)
        second = yield from inner()
        return [pause, first, second]

    def inner() -> Flow[int]:
        value: int = yield Work(lambda: 2)
        return value

    assert run(flow()) == [None, 1, 2]


@both
def test_a_flow_may_catch_the_error_of_a_step_and_go_on(run: Run) -> None:
    def flow() -> Flow[str]:
        try:
            yield Work(failing)
        except KeyError:
            caught: str = yield Work(lambda: "caught")
            return caught
        return "no error"

    assert run(flow()) == "caught"


@both
@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()], ids=repr)
def test_an_error_that_is_not_caught_is_raised_and_the_flow_is_closed(run: Run, error: BaseException) -> None:
    closed = []

    def fail() -> None:
        raise error

    def flow() -> Flow[None]:
        try:
            yield Work(fail)
        finally:
            closed.append(True)

    with pytest.raises(type(error)):
        run(flow())
    assert closed == [True]


@both
def test_without_a_connection_nothing_is_sent(run: Run) -> None:
    def flow() -> Flow[None]:
        yield HttpRequest("GET", "/")

    with pytest.raises(TypeError, match="no connection to a gateway"):
        run(flow())


def test_only_the_async_runner_leaves_its_thread_for_work() -> None:
    class Service:
        @blocking
        def thread(self, number: int, *, name: str) -> tuple[int, str, int]:
            """Which thread it is."""
            return number, name, threading.get_ident()

    here = threading.get_ident()
    assert run_sync(Service().thread(1, name="x")) == (1, "x", here)
    number, name, elsewhere = run_async(Service().thread(1, name="x"))
    assert (number, name) == (1, "x")
    assert elsewhere != here
    assert Service.thread.__doc__ == "Which thread it is."


def methods(client: type) -> dict[str, list[inspect.Parameter]]:
    found = inspect.getmembers(client, inspect.isfunction)
    return {
        name: list(inspect.signature(method).parameters.values())
        for name, method in found
        if not name.startswith("_") or name == "__init__"
    }


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    assert methods(Client) == methods(AsyncClient)
    assert "submit_many" in methods(Client)
