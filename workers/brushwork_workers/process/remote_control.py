"""Celery's remote control, reduced to what Flower shows and what a program that sent a job may ask for.

Whoever has the password of Redis may send these commands. Most of Celery's would stop a worker from taking
jobs, while it still looks alive: `cancel_consumer`, `rate_limit`, `pool_shrink`. An operator of brushwork
starts and stops workers; their kinds and their concurrency are options of the command.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery.worker import control
from celery.worker.control import Panel, nok

LOGGER = logging.getLogger(__name__)
# What Flower and `celery inspect` read. `hello` is for workers that start beside this one.
SHOWN = (
    *("active", "active_queues", "clock", "conf", "hello", "ping", "query_task", "registered", "report"),
    *("reserved", "revoked", "scheduled", "stats"),
    *("dump_active", "dump_conf", "dump_reserved", "dump_revoked", "dump_schedule", "dump_tasks"),
)
# `enable_events` and `heartbeat` only make the worker tell more. The others are our own: revocations.py.
OBEYED = ("enable_events", "heartbeat", "revoke", "terminate", "revoke_by_stamped_headers")


def install() -> None:
    """Replace all other commands of Celery in this process. Commands of other packages stay."""
    for name, command in list(Panel.data.items()):
        if command.__module__ == control.__name__ and name not in (*SHOWN, *OBEYED):
            Panel.data[name] = _refusal(name)


def _refusal(name: str) -> Callable[..., Mapping[str, str]]:
    refuse = partial(_refuse, name)
    # As `_refuse` has, for a second call of `install`.
    refuse.__module__ = __name__
    return refuse


def _refuse(name: str, state: Any, **arguments: Any) -> Mapping[str, str]:
    LOGGER.warning("Refused the remote command %s", name)
    return dict(nok(f"brushwork does not obey {name}. Start and stop workers with brushwork worker."))
