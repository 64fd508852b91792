"""A thread that runs many functions: while one waits for an answer, another goes on.

A pipeline makes one model call after another and does little between them. With a thread for each of 64
pipelines, every run of the denoiser wakes 64 threads, which then compete for Python's lock. Here the
pipelines are greenlets of one thread. They go on one after another, and none of them has to be woken.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import torch
from greenlet import getcurrent, greenlet

_T = TypeVar("_T")
_LOCAL = threading.local()


class _Task(greenlet):
    """A function that runs in turns with others. One that is `behind` goes on only when no other can."""

    behind: bool = False


class CooperativeThread:
    """Runs functions in turns. A function goes on until it waits for an answer with `wait_for`, or returns.

    Everything else that blocks a function blocks the others, too. Each function has the context variables of
    its caller, but shares what belongs to the thread; PyTorch's gradient mode is kept for each.

    Functions of `run_behind` have the lower of two ranks: one of them goes on only when none of `run` can.

    Args:
        name: Name of the thread.
        on_idle: Called in the thread when no function can go on: all of them wait.
    """

    def __init__(self, name: str, on_idle: Callable[[], None] = lambda: None) -> None:
        self._on_idle = on_idle
        # One entry for each function of the two others. Neither of these can be waited for.
        self._ready: SimpleQueue[None] = SimpleQueue()
        self._first: deque[Callable[[], object]] = deque()
        self._behind: deque[Callable[[], object] | None] = deque()
        self._is_idle = True
        self._runs_behind = False
        self._is_closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether no function can go on."""
        return self._is_idle and self._ready.empty()

    @property
    def runs_first(self) -> bool:
        """Whether a function that is not behind others can go on."""
        return bool(self._first) or not (self._is_idle or self._runs_behind)

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a function in this thread, and return what it returns.

        Raises:
            Exception: What the function raises.
            RuntimeError: The thread was closed.
        """
        if current_thread() is self:
            return function()
        return self._begun([function], behind=False)[0].result()

    def run_behind(self, functions: Sequence[Callable[[], _T]]) -> list[Future[_T]]:
        """Begin functions in this thread, and return the futures of what they return.

        Raises:
            RuntimeError: The thread was closed.
        """
        return self._begun(functions, behind=True)

    def close(self) -> None:
        """End the thread when no function can go on. Those that wait must have got their answers before."""
        with self._closing:
            self._is_closed = True
            self._behind.append(None)
            self._ready.put(None)
        self._thread.join()

    def _begun(self, functions: Sequence[Callable[[], _T]], *, behind: bool) -> list[Future[_T]]:
        done: list[Future[_T]] = [Future() for _ in functions]
        with self._closing:
            if self._is_closed:
                raise RuntimeError("The cooperative thread is closed.")
            for function, future in zip(functions, done, strict=True):
                begin = partial(self._begin, partial(_finish, function, future), copy_context(), behind)
                self._put(begin, behind=behind)
        return done

    def _put(self, go_on: Callable[[], object], *, behind: bool) -> None:
        (self._behind if behind else self._first).append(go_on)
        self._ready.put(None)

    def wait_here(self, answer: Future[_T]) -> _T:
        """Let others go on until the answer is there. Only for a function that runs in this thread."""
        task = getcurrent()
        behind = isinstance(task, _Task) and task.behind
        is_grad_enabled = torch.is_grad_enabled()
        answer.add_done_callback(lambda _: self._put(task.switch, behind=behind))
        self._main.switch()
        torch.set_grad_enabled(is_grad_enabled)
        return answer.result()

    def _serve(self) -> None:
        _LOCAL.thread = self
        self._main = getcurrent()
        while (go_on := self._next()) is not None:
            go_on()
            if self._ready.empty():
                self._is_idle = True
                self._on_idle()

    def _next(self) -> Callable[[], object] | None:
        self._ready.get()
        self._runs_behind = not self._first
        self._is_idle = False
        return self._behind.popleft() if self._runs_behind else self._first.popleft()

    def _begin(self, function: Callable[[], None], context: Context, behind: bool) -> None:
        task = _Task(function)
        task.gr_context = context
        task.behind = behind
        torch.set_grad_enabled(True)
        task.switch()


def current_thread() -> CooperativeThread | None:
    """Return the cooperative thread that runs the calling function; None in any other thread."""
    thread: CooperativeThread | None = getattr(_LOCAL, "thread", None)
    return thread


def switching_thread() -> CooperativeThread | None:
    """Return the cooperative thread in which others go on while the caller waits; None if none can."""
    # The other modes of PyTorch belong to the thread. Nobody else may run in them.
    if torch.is_inference_mode_enabled() or torch.is_autocast_enabled("cpu"):
        return None
    return current_thread()


def wait_for(answer: Future[_T]) -> _T:
    """Return the result of a future. In a cooperative thread, other functions go on meanwhile.

    Raises:
        Exception: The exception of the future.
        CancelledError: The future was canceled.
    """
    thread = switching_thread()
    return answer.result() if thread is None else thread.wait_here(answer)


def _finish(function: Callable[[], _T], done: Future[_T]) -> None:
    try:
        result = function()
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(result)
