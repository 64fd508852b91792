"""What a client says by HTTP, with nobody to say it to: repeats, patience, errors, waits, addresses."""

import json
import pickle
from typing import Any, ClassVar

import pytest
from brushwork import Client, InvalidRequest, ServiceUnreachable, Settings, WaitTimeout
from brushwork.gateway.problems import problem_response, status_of
from brushwork.transports import gateway
from brushwork.transports.choice import chosen_settings
from brushwork.transports.connection import Connection
from brushwork.transports.flow import ConnectionLost, Flow, HttpRequest, HttpResponse, Pause
from brushwork.transports.gateway import LONGEST_HOLD_S, GatewayTransport
from brushwork.transports.payload import data_url, packed
from brushwork.transports.problem import error_of
from brushwork.transports.retrying import REPEAT_AFTER_S, SHORTEST_PAUSE_S, Retrying
from brushwork.transports.waiting import PollingWait
from brushwork_schemas import errors
from brushwork_schemas.errors import BrushworkError, Postponed, RateLimited

from tests.clients import png

ADDRESS = "http://127.0.0.1:8600"
GOOD = HttpResponse(200, {}, b"{}")
GET = HttpRequest("GET", "/v1/jobs/x")
NOW = "2026-11-21T09:00:00Z"


def played(flow: Flow[Any], *answers: HttpResponse | ConnectionLost) -> tuple[Any, list[HttpRequest | Pause]]:
    """The value of a flow and its steps, when its requests get these responses."""
    left, steps = list(answers), []
    try:
        step = next(flow)
        while True:
            steps.append(step)
            if not isinstance(step, HttpRequest):
                step = next(flow)
            elif isinstance(answer := left.pop(0), ConnectionLost):
                step = flow.throw(answer)
            else:
                step = flow.send(answer)
    except StopIteration as ended:
        assert left == []
        return ended.value, steps


def problem(status: int, code: str, headers: dict[str, str] | None = None, **fields: Any) -> HttpResponse:
    content = {"code": code, "detail": "It is so.", "fault": "caller", **fields}
    return HttpResponse(status, headers or {}, json.dumps(content).encode())


def job(state: str, **fields: Any) -> HttpResponse:
    said = {
        "id": "x",
        "kind": "new",
        "model": "m",
        "label": "l",
        "request": {},
        "created_at": NOW,
        "links": {},
    }
    return HttpResponse(200, {}, json.dumps({**said, "state": state, **fields}).encode())


class TestRepeats:
    def test_a_connection_that_fails_is_tried_again(self) -> None:
        lost = ConnectionLost("reset", may_repeat=True)
        answer, steps = played(Retrying(ADDRESS, 0).response_to(GET), lost, lost, GOOD)
        assert answer is GOOD
        assert steps == [GET, Pause(REPEAT_AFTER_S[0]), GET, Pause(REPEAT_AFTER_S[1]), GET]

    def test_but_not_for_ever(self) -> None:
        lost = ConnectionLost("refused", may_repeat=True)
        with pytest.raises(ServiceUnreachable, match=f"{ADDRESS} does not answer: refused") as raised:
            played(Retrying(ADDRESS, 0).response_to(GET), *[lost] * 3)
        assert "BRUSHWORK_URL" in str(raised.value)

    def test_time_that_ran_out_is_not_spent_again(self) -> None:
        lost = ConnectionLost("it took too long", may_repeat=False)
        with pytest.raises(ServiceUnreachable, match="too long"):
            played(Retrying(ADDRESS, 0).response_to(GET), lost)


class TestPatience:
    later = problem(429, "rate_limited", {"retry-after": "2"})

    def test_who_has_none_is_told_at_once_when_to_come_again(self) -> None:
        with pytest.raises(RateLimited) as raised:
            played(Retrying(ADDRESS, 0).response_to(GET), self.later)
        assert raised.value.retry_after_s == 2

    def test_who_has_some_waits(self) -> None:
        answer, steps = played(Retrying(ADDRESS, 5).response_to(GET), self.later, self.later, GOOD)
        assert answer is GOOD
        assert steps == [GET, Pause(2), GET, Pause(2), GET]

    @pytest.mark.parametrize("soon", ["0", "-1", "nan"])
    def test_at_once_is_a_while_too_or_it_would_ask_without_end(self, soon: str) -> None:
        again = problem(503, "service_unreachable", {"retry-after": soon})
        with pytest.raises(ServiceUnreachable):
            played(Retrying(ADDRESS, 0).response_to(GET), again)
        with pytest.raises(ServiceUnreachable):
            played(Retrying(ADDRESS, 2.5 * SHORTEST_PAUSE_S).response_to(GET), *[again] * 3)

    def test_until_it_is_used_up(self) -> None:
        with pytest.raises(RateLimited):
            played(Retrying(ADDRESS, 5).response_to(GET), *[self.later] * 3)

    @pytest.mark.parametrize(
        "answer",
        [
            problem(503, "service_unreachable"),
            problem(429, "budget_exceeded", {"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT"}),
            problem(422, "invalid_request", {"retry-after": "1"}),
        ],
    )
    def test_nobody_waits_for_what_says_no_time(self, answer: HttpResponse) -> None:
        with pytest.raises(BrushworkError):
            played(Retrying(ADDRESS, 60).response_to(GET), answer)


def every_error() -> list[BrushworkError]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = [kind for kind in kinds if issubclass(kind, BrushworkError)]
    return [
        kind("It is so.", hint="Change it.")
        if issubclass(kind, Postponed)
        else kind("It is so.", field="width", hint="Change it.")
        for kind in ours
    ]


class TestErrors:
    @pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
    def test_each_comes_back_as_it_went(self, error: BrushworkError) -> None:
        said = problem_response(
            status_of(error), error.code, error.message,
            fault=error.fault, field=error.field, hint=error.hint,
        )  # fmt: skip
        answer = HttpResponse(said.status_code, dict(said.headers), bytes(said.body))
        back = error_of(answer, ADDRESS)
        assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))

    @pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
    def test_each_can_be_pickled(self, error: BrushworkError) -> None:
        error.index = 3
        back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))

    def test_a_code_that_is_not_known_is_kept(self) -> None:
        error = error_of(problem(418, "teapot", field="tea", hint="Pour."), ADDRESS)
        assert (type(error), error.code, error.fault, error.field) == (
            BrushworkError,
            "teapot",
            "caller",
            "tea",
        )
        assert str(error) == "It is so. Pour."
        assert pickle.loads(pickle.dumps(error)).code == "teapot"  # noqa: S301 - our own
        assert BrushworkError("x").code == "internal"

    @pytest.mark.parametrize(
        ("field", "index", "rest"),
        [("requests[3].prompt", 3, "prompt"), ("requests[0]", 0, None), ("width", None, "width")],
    )
    def test_which_of_several_it_is_about_is_told(
        self, field: str, index: int | None, rest: str | None
    ) -> None:
        error = error_of(problem(422, "invalid_request", field=field), ADDRESS)
        assert (error.index, error.field) == (index, rest)
        assert str(error) == ("It is so." if index is None else f"requests[{index}]: It is so.")

    @pytest.mark.parametrize("content", [b"<html>", b"", b"[]", b"{}", b'{"code": 5}', b"\xff"])
    def test_what_is_no_problem_is_no_gateway_s(self, content: bytes) -> None:
        error = error_of(HttpResponse(502, {}, content), ADDRESS)
        assert isinstance(error, ServiceUnreachable)
        assert "502" in str(error)


class TestWait:
    def talk(self, timeout_s: float | None, **heard: Any) -> Flow[Any]:
        waiting = PollingWait("x", timeout_s, heard.get("on_progress"), None)
        return GatewayTransport(Connection(ADDRESS, None, 0)).wait("x", waiting)

    def test_who_wants_only_the_end_has_the_question_held(self) -> None:
        done, steps = played(self.talk(None), job("queued"), job("failed"))
        calls = [step for step in steps if isinstance(step, HttpRequest)]
        assert done.state == "failed"
        assert [call.headers["Prefer"] for call in calls] == [f"wait={LONGEST_HOLD_S}"] * 2
        assert [call.held_s for call in calls] == [LONGEST_HOLD_S] * 2

    def test_where_it_is_answered_at_once_there_are_pauses(self) -> None:
        _, steps = played(self.talk(None), *[job("queued")] * 3, job("succeeded"))
        pauses = [step for step in steps if isinstance(step, Pause)]
        assert len(pauses) == 3
        assert all(pause.seconds >= 0.02 for pause in pauses)

    def test_who_wants_to_hear_of_changes_asks_again_and_again(self) -> None:
        seen: list[Any] = []
        talk = self.talk(None, on_progress=lambda *change: seen.append(change))
        _, steps = played(
            talk, job("queued"), job("running", progress={"step": 1, "total": 2}), job("failed")
        )
        assert [(state.value, progress.step) for state, progress in seen] == [
            ("queued", 0), ("running", 1), ("failed", 0)
        ]  # fmt: skip
        assert not any(step.headers for step in steps if isinstance(step, HttpRequest))

    def test_a_gateway_that_answered_may_be_away_for_a_while(self) -> None:
        away = [ConnectionLost("refused", may_repeat=True)] * (1 + len(REPEAT_AFTER_S))
        done, _ = played(self.talk(None), job("running"), *away, *away, job("succeeded"))
        assert done.state == "succeeded"

    def test_but_not_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gateway, "LONGEST_ABSENCE_S", -1.0)
        away = [ConnectionLost("refused", may_repeat=True)] * (1 + len(REPEAT_AFTER_S))
        with pytest.raises(ServiceUnreachable, match="refused"):
            played(self.talk(None), job("running"), *away)

    def test_one_that_never_answered_is_not_waited_for(self) -> None:
        away = [ConnectionLost("refused", may_repeat=True)] * (1 + len(REPEAT_AFTER_S))
        with pytest.raises(ServiceUnreachable, match="refused"):
            played(self.talk(None), *away)

    def test_a_question_is_never_held_for_longer_than_there_is_time(self) -> None:
        talk = self.talk(2.5)
        call = next(talk)
        assert isinstance(call, HttpRequest)
        assert call.headers == {"Prefer": "wait=2"}
        talk.close()

    def test_no_time_is_one_question(self) -> None:
        with pytest.raises(WaitTimeout):
            played(self.talk(0), job("queued"))

    @pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"id": 5}'])
    def test_an_answer_that_is_no_job_is_told_of(self, content: bytes) -> None:
        with pytest.raises(ServiceUnreachable, match="can't be read"):
            played(self.talk(None), HttpResponse(200, {}, content))

    def test_a_job_of_a_newer_gateway_is_read_as_it_stands(self) -> None:
        done, _ = played(self.talk(None), job("succeeded", result={"sound": "ding"}, more=1))
        assert (done.kind, done.request, done.result) == ("new", {}, {"sound": "ding"})


class TestPacking:
    def test_each_has_a_key_of_its_own_but_for_those_that_have_one(self) -> None:
        one, other, given = packed([{"kind": "k"}, {"kind": "k"}, {"kind": "k", "idempotency_key": "mine"}])
        assert one["idempotency_key"] != other["idempotency_key"]
        assert one["idempotency_key"].startswith("auto-")
        assert given["idempotency_key"] == "mine"

    def test_the_caller_s_own_mapping_stays_as_it_was(self) -> None:
        mine = {"kind": "k", "image": png()}
        packed([mine])
        assert mine == {"kind": "k", "image": png()}

    @pytest.mark.parametrize("value", [object(), float("inf"), "\ud800", {1, 2}, b"x", 10**5000], ids=type)
    def test_what_json_can_t_hold_is_named(self, value: Any) -> None:
        with pytest.raises(InvalidRequest, match="width") as raised:
            packed([{"kind": "k", "width": value}])
        assert raised.value.field == "width"

    def test_a_data_url_says_what_it_holds(self) -> None:
        assert data_url(png()).startswith("data:image/png;base64,iVBOR")
        assert data_url(b"\xff\xd8\xff").startswith("data:image/jpeg;base64,")
        assert data_url(b"RIFF....WEBP").startswith("data:image/webp;base64,")


class TestConnection:
    @pytest.mark.parametrize(
        "address",
        [
            *("", "127.0.0.1:8600", "redis://localhost", "http://", "http://:80", "http://h:port", "ftp://h"),
            *("http://user:SECRET@h", "http://h?key=SECRET", "http://h#SECRET", "http://[::1"),
        ],
    )
    def test_what_is_no_address_of_a_gateway_is_refused(self, address: str) -> None:
        with pytest.raises(InvalidRequest, match=r"http://host:8600") as raised:
            Client(address)
        assert "SECRET" not in str(raised.value)
        assert raised.value.field == "url"

    @pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "ключ"])
    def test_what_is_no_key_is_refused(self, key: str) -> None:
        with pytest.raises(InvalidRequest) as raised:
            Connection(ADDRESS, key, 0)
        assert raised.value.field == "api_key"

    def test_a_gateway_may_lie_below_a_path(self) -> None:
        connection = Connection("https://host/brushwork/", None, 0)
        assert connection.request(GET)["url"] == "https://host/brushwork/v1/jobs/x"

    def test_this_machine_needs_no_proxy(self) -> None:
        for address, is_asked in ((ADDRESS, False), ("http://localhost:1", False), ("http://host", True)):
            assert Connection(address, None, 0).options()["trust_env"] is is_asked

    def test_a_held_question_has_its_time_besides(self) -> None:
        held = Connection(ADDRESS, None, 0).request(HttpRequest("GET", "/", held_s=20.0))["timeout"]
        assert held.read > 20
        assert held.connect < 20

    def test_its_words_hold_no_secret(self) -> None:
        with Client(ADDRESS, key="bw_SECRET") as client:
            assert repr(client) == f"Client('{ADDRESS}')"
            assert "SECRET" not in repr(client.settings)
            # Two clients of one process may bring different keys.
            assert client._runner._sender is not None
            assert client._runner._sender._opened().headers["Authorization"] == "Bearer bw_SECRET"


class TestChoice:
    nothing: ClassVar[dict[str, str | None]] = {
        "redis_url": None,
        "database_url": None,
        "artifacts_url": None,
    }

    def test_an_address_wins_over_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BRUSHWORK_URL", "http://elsewhere")
        assert chosen_settings(ADDRESS, None, self.nothing, None).url == ADDRESS
        assert chosen_settings(None, None, self.nothing, None).url == "http://elsewhere"

    def test_settings_may_name_a_gateway(self) -> None:
        assert chosen_settings(None, None, self.nothing, Settings(url=ADDRESS)).url == ADDRESS
        assert chosen_settings(None, None, self.nothing, Settings()).url is None

    def test_a_server_that_is_named_wins_over_a_gateway_that_is_set(self) -> None:
        servers = {**self.nothing, "database_url": "sqlite:///x"}
        assert chosen_settings(None, None, servers, Settings(url=ADDRESS)).url is None
