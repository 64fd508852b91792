"""Send a request until it succeeds: repeat it where that is safe, else raise an error."""

from collections.abc import Mapping
from contextlib import suppress

from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.wording.phrase import said

from brushwork.transports.flow import ConnectionLost, Flow, HttpRequest, HttpResponse, Pause
from brushwork.transports.problem import error_of

# Long enough for a gateway to restart. Every request may be repeated, because submits have idempotency keys.
REPEAT_AFTER_S = (0.1, 0.5)
POSTPONED_STATUSES = (429, 503)
# Lower bound of Retry-After: with 0, the client would repeat the request without end.
SHORTEST_PAUSE_S = 0.1


class Retrying:
    """Sends requests to one gateway.

    Args:
        address: The gateway's address, for error messages.
        patience_s: Seconds that one request may wait in all because of Retry-After headers.
    """

    def __init__(self, address: str, patience_s: float) -> None:
        self._address = address
        self._patience_s = patience_s

    def response_to(self, call: HttpRequest, lost: list[ConnectionLost] | None = None) -> Flow[HttpResponse]:
        """Return the first successful response.

        Args:
            call: The request.
            lost: Is given the reason of each attempt whose response was lost. The gateway may have carried it
                out.

        Raises:
            BrushworkError: The gateway responds with an error. The class is that of the error code.
            ServiceUnreachable: The gateway does not respond.
        """
        patience_s = self._patience_s
        while True:
            response = yield from self._sent(call, [] if lost is None else lost)
            if response.status < 300:
                return response
            pause_s = _retry_after_s(response.headers) if response.status in POSTPONED_STATUSES else None
            if pause_s is None or pause_s > patience_s:
                raise error_of(response, self._address)
            patience_s -= pause_s
            yield Pause(pause_s)

    def _sent(self, call: HttpRequest, all_lost: list[ConnectionLost]) -> Flow[HttpResponse]:
        for pause_s in (*REPEAT_AFTER_S, None):
            try:
                response: HttpResponse = yield call
            except ConnectionLost as lost:
                all_lost.append(lost)
                if pause_s is None or not lost.may_repeat:
                    raise self._unreachable(lost) from lost
                yield Pause(pause_s)
            else:
                return response
        raise AssertionError("the last attempt returns or raises")

    def _unreachable(self, lost: ConnectionLost) -> ServiceUnreachable:
        return ServiceUnreachable(
            said(
                "The gateway at {address} does not answer: {reason}.",
                address=self._address,
                reason=lost.reason,
            ),
            field="url",
            hint="Check that it is running (brushwork gateway) and that its address is right: "
            "the client's first argument, else BRUSHWORK_URL.",
        )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    with suppress(KeyError, ValueError):
        return max(SHORTEST_PAUSE_S, float(headers["retry-after"]))
    return None
