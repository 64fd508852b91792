"""One call until it is answered well: repeated where that is safe, an error where it must be."""

from collections.abc import Mapping
from contextlib import suppress

from brushwork_schemas.errors import ServiceUnreachable

from brushwork.transports.exchange import ConnectionLost, HttpRequest, HttpResponse, Pause, Talk
from brushwork.transports.problem import error_of

# Enough for a gateway that is started anew; every call of ours may be repeated, for submits bear a key.
REPEAT_AFTER_S = (0.1, 0.5)
POSTPONED = (429, 503)
# Who is told to come again at once waits so long, or it would ask without end.
SHORTEST_PAUSE_S = 0.1


class Retrying:
    """Asks one gateway.

    Args:
        address: For the words of errors.
        patience_s: How long in all a call waits where the gateway says when to come again.
    """

    def __init__(self, address: str, patience_s: float) -> None:
        self._address = address
        self._patience_s = patience_s

    def asked(self, call: HttpRequest) -> Talk[HttpResponse]:
        """The answer, if it is a good one.

        Raises:
            BrushworkError: What the gateway says, as the class of its code.
            ServiceUnreachable: Nobody answers.
        """
        patience_s = self._patience_s
        while True:
            answer = yield from self._sent(call)
            if answer.status < 300:
                return answer
            pause_s = _retry_after_s(answer.headers) if answer.status in POSTPONED else None
            if pause_s is None or pause_s > patience_s:
                raise error_of(answer, self._address)
            patience_s -= pause_s
            yield Pause(pause_s)

    def _sent(self, call: HttpRequest) -> Talk[HttpResponse]:
        for pause_s in (*REPEAT_AFTER_S, None):
            try:
                answer: HttpResponse = yield call
            except ConnectionLost as lost:
                if pause_s is None or not lost.may_repeat:
                    raise self._unreachable(lost) from lost
                yield Pause(pause_s)
            else:
                return answer
        raise AssertionError("the last try returns or raises")

    def _unreachable(self, lost: ConnectionLost) -> ServiceUnreachable:
        return ServiceUnreachable(
            f"The gateway at {self._address} does not answer: {lost.reason}.",
            field="url",
            hint="Is it running (brushwork gateway), and is this its address? It is the client's first "
            "argument, else BRUSHWORK_URL.",
        )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    with suppress(KeyError, ValueError):
        return max(SHORTEST_PAUSE_S, float(headers["retry-after"]))
    return None
