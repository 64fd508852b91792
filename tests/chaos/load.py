"""Steady load: a thread that submits a few jobs again and again, and remembers what the client said."""

import threading
from collections.abc import Sequence
from typing import Self

from brushwork_schemas.errors import ServiceUnreachable

from tests.chaos.stack import Stack

END_S = 60.0


class Load:
    """From `with` to its end; what a submit raised is raised at the end.

    Args:
        stack: Where to.
        prompts: Submitted together, each time.
        every_s: The pause between two submits.
        refusals: Whether a submit may say that a service does not answer; then nothing counts as accepted.
    """

    def __init__(
        self, stack: Stack, prompts: Sequence[str], *, every_s: float = 0.1, refusals: bool = False
    ) -> None:
        self._stack = stack
        self._prompts = prompts
        self._every_s = every_s
        self._may_be_refused = refusals
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.num_submits = 0
        self.num_refused = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join(END_S)
        assert not self._thread.is_alive(), "a submit has not returned"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            try:
                self._stack.submit(self._prompts)
                self.num_submits += 1
            except ServiceUnreachable as error:
                self.num_refused += 1
                if not self._may_be_refused:
                    self._error = error
                    return
            except BaseException as error:
                self._error = error
                return
