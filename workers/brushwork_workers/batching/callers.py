"""Who calls models, as the batcher sees it: a job, or one of several functions of a job that run at once."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from brushwork_workers.batching.arguments import ModuleCall
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.cooperative_thread import CooperativeThread
from brushwork_workers.batching.engine_use import EngineNames, OnEngines
from brushwork_workers.batching.model_executor import StopCheck


class CallWithdrawn(Exception):
    """The caller has ended, so nobody waits for the answer."""


class NeverStops:
    """The stop of a call that belongs to no job."""

    def check(self) -> None:
        """Do nothing."""

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Do nothing: it never stops."""


@dataclass(eq=False)
class Caller:
    """A job as the batcher sees it; see `ModelExecutor.job`.

    Args:
        stop: Checked at every call.
        model: Name of the model.
        priority: Steps of priority.
        alone: Whether its calls share no batch.
        on_progress: Called when a call has its answer, and while one waits.
        on_engines: Called with what has run the modules of a call.
        is_extra: Whether its calls are extra calls; see `ModelExecutor.run_beside`.
        since_s: When it began, in monotonic seconds.
    """

    stop: StopCheck
    model: Hashable = None
    priority: int = 0
    alone: bool = False
    on_progress: Callable[[], None] = lambda: None
    on_engines: OnEngines = lambda names: None
    is_extra: bool = False
    since_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class PendingCall:
    """A call that waits or runs, the future of its answer, and what has run its modules.

    Args:
        call: The call.
        options: Options of the called module.
        thread: The cooperative thread in which its caller runs; None for a thread of its own.
        answer: The future of its answer.
        engines: What has run its modules.
    """

    call: ModuleCall
    options: CallOptions
    thread: CooperativeThread | None = None
    answer: Future[Any] = field(default_factory=Future)
    engines: EngineNames = field(default_factory=dict)
