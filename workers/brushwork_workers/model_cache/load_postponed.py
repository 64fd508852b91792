"""The exception that sends a job back to the ledger because its model cannot be loaded soon."""


class LoadPostponed(Exception):
    """The job's model cannot be loaded soon enough to wait for it in a thread of this worker.

    Args:
        after_s: Seconds after which the job may try again.
    """

    def __init__(self, after_s: float) -> None:
        super().__init__(f"not before {after_s:.1f} s")
        self.after_s = after_s
