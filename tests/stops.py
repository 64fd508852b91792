"""Wishes to stop a job, for calls under test."""

from collections.abc import Callable


class Stopped(Exception):
    """What a job meets that was stopped."""


class Going:
    """Nobody ever wants it to stop."""

    def check(self) -> None:
        return

    def on_stop(self, callback: Callable[[], None]) -> None:
        return


class Switch:
    """Stops when the test says so."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []
        self._stopped = False

    def check(self) -> None:
        if self._stopped:
            raise Stopped

    def on_stop(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def stop(self) -> None:
        self._stopped = True
        for callback in self._callbacks:
            callback()
