"""Celery's view of one message in this worker: when it is acknowledged, and that only the ledger ends it."""

from typing import Any

from celery.worker.request import Request

# Keys of the request that a task sees.
BARE = "bare_message"
STORED = "message_stored"
GIVE_BACK = "give_message_back"


class JobRequest(Request):  # type: ignore[misc]
    """A message of a job, or a bare message.

    - A message of a job is acknowledged when its thread begins: the ledger has the job.
    - A bare message is acknowledged once the ledger has its job. Until then the message is the only copy.
    - Celery sends no events and drops no message: `TaskEvents` tells Flower about the job, and a revoked or
      expired task is a job that was canceled or has expired.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_stored = BARE not in self._request_dict
        self._request_dict[STORED] = self._note_stored
        self._request_dict[GIVE_BACK] = self._give_back

    def revoked(self) -> bool:
        """Return False: the ledger decides whether the job runs."""
        return False

    def acknowledge(self) -> None:
        """Acknowledge the message, if the ledger has its job."""
        if self._is_stored:
            super().acknowledge()

    def send_event(self, event: str, /, **fields: Any) -> None:
        """Send nothing: the end of a message is not the end of a job."""

    def _note_stored(self) -> None:
        self._is_stored = True
        self.acknowledge()

    def _give_back(self) -> None:
        self._is_stored = True
        self.reject(requeue=True)
