"""What must be true for each alert to fire, and what is almost the same and must not."""

from collections.abc import Mapping
from dataclasses import dataclass

# Values every 30 seconds, in the notation of promtool: `a+bxn` adds b, n times.
GATEWAY = 'job="brushwork",instance="g:8600"'
SECOND = 'job="brushwork",instance="g2:8600"'
ALIVE = {f"up{{{GATEWAY}}}": "1x400"}


@dataclass(frozen=True)
class Case:
    """A situation.

    Args:
        alert: Name of the alert.
        series: Values of series, every 30 seconds.
        fires_at: The minute at which the alert fires; None if it never does within an hour.
        silent_at: A minute before, at which it does not.
        number: Alerts of this name that fire.
    """

    alert: str
    series: Mapping[str, str]
    fires_at: int | None
    silent_at: int = 0
    number: int = 1


def _gauge(name: str, values: str, labels: str = "", where: str = GATEWAY) -> dict[str, str]:
    joined = ",".join(filter(None, (where, labels)))
    return {f"{name}{{{joined}}}": values}


def _waiting(values: str = "5x400") -> dict[str, str]:
    return _gauge("brushwork_queue_depth", values, 'kind="a"')


def _workers(values: str) -> dict[str, str]:
    return _gauge("brushwork_workers", values, 'kind="a",ready="true"')


def _attempts(outcome: str, values: str, where: str = GATEWAY) -> dict[str, str]:
    labels = f'kind="a",model="m",outcome="{outcome}",code="",process="w@h"'
    return _gauge("brushwork_attempts_total", values, labels, where)


def _thread(values: str, process: str, thread: str = "reconciler") -> dict[str, str]:
    labels = f'thread="{thread}",process="{process}"'
    return _gauge("brushwork_thread_last_success_timestamp_seconds", values, labels)


def _requests(status: str, values: str) -> dict[str, str]:
    return _gauge(
        "brushwork_gateway_requests_total", values, f'route="/",method="GET",status="{status}",process="g"'
    )


def _oldest(values: str) -> dict[str, str]:
    return _gauge("brushwork_queue_oldest_age_seconds", values, 'kind="a"')


def _started(values: str) -> dict[str, str]:
    return _gauge("process_start_time_seconds", values, 'process="w@h"')


def _up(values: str, process: str = "g") -> dict[str, str]:
    return _gauge("brushwork_up", values, f'service="redis",process="{process}"')


def _reaped(fate: str, values: str, where: str = GATEWAY) -> dict[str, str]:
    return _gauge("brushwork_reaped_jobs_total", values, f'fate="{fate}"', where)


def _disk(free: str) -> dict[str, str]:
    labels = 'disk="store",process="g"'
    return _gauge("brushwork_disk_free_bytes", free, labels) | _gauge(
        "brushwork_disk_size_bytes", "1e11x400", labels
    )


def _expiry(values: str, process: str = "w@h", where: str = GATEWAY) -> dict[str, str]:
    return _gauge("brushwork_certificate_expiry_timestamp_seconds", values, f'process="{process}"', where)


def _version(version: str, values: str = "1x800") -> dict[str, str]:
    return _gauge("brushwork_build_info", values, f'version="{version}",role="worker",process="w{version}"')


CASES = (
    Case("BrushworkNotScraped", {f"up{{{GATEWAY}}}": "1x10 0x400"}, 10, 7),
    Case("BrushworkNotScraped", {"something_else": "1x400"}, 5, 2),
    Case("BrushworkNotScraped", {f"up{{{GATEWAY}}}": "1x10 0x3 1x400"}, None),
    Case("BrushworkServiceAway", _up("1x10 0x400"), 7, 5),
    Case("BrushworkServiceAway", _up("1x400") | _up("1x10 0x400", "w"), 7, 5),
    Case("BrushworkServiceAway", _up("1x10 0 1x400"), None),
    Case(
        "BrushworkServiceSlow",
        _gauge("brushwork_service_latency_seconds", "0.01x10 2x400", 'service="store",process="g"'),
        12,
        9,
    ),
    Case("BrushworkNoWorker", _waiting() | _workers("1x10 0x400"), 10, 7),
    Case("BrushworkNoWorker", _waiting(), 5, 2),
    Case("BrushworkNoWorker", _waiting("0x400") | _workers("0x400"), None),
    Case("BrushworkNoWorker", _waiting() | _workers("1x400"), None),
    Case("BrushworkQueueStuck", _waiting() | _workers("1x400") | _attempts("succeeded", "7x400"), 20),
    Case("BrushworkQueueStuck", _waiting() | _workers("1x400") | _attempts("succeeded", "0+1x400"), None),
    Case(
        "BrushworkQueueStuck",
        _waiting() | _workers("1x400") | _gauge("brushwork_jobs_running", "1x400", 'kind="a",process="w"'),
        None,
    ),
    Case(
        "BrushworkQueueWaitGrows",
        _oldest("0+30x400"),
        25,
        10,
    ),
    Case("BrushworkQueueWaitGrows", _oldest("400-1x300"), None),
    Case("BrushworkFailures", _attempts("succeeded", "0+1x400") | _attempts("failed", "0+1x400"), 30, 4),
    Case("BrushworkFailures", _attempts("succeeded", "0+10x400") | _attempts("failed", "0+1x400"), None),
    Case("BrushworkFailures", _attempts("succeeded", "1x400") | _attempts("failed", "0x20 1x400"), None),
    Case("BrushworkRetries", _attempts("retried", "0+1x400"), 20, 4),
    Case("BrushworkJobsStalled", _reaped("stalled", "0x20 1x400"), 12, 9),
    Case("BrushworkJobsStalled", _reaped("charged", "0x20 1x400"), None),
    Case("BrushworkWorkersDie", _reaped("charged", "0+1x400"), 15, 1),
    # The same three jobs, told by two gateways, are three.
    Case(
        "BrushworkWorkersDie",
        _reaped("suspect", "0x20 1 2 2x400") | _reaped("suspect", "0x20 1 2 2x400", SECOND),
        None,
    ),
    Case(
        "BrushworkProcessRestarts",
        _started("1x10 2x10 3x10 4x10 5x400"),
        25,
        10,
    ),
    Case(
        "BrushworkProcessRestarts",
        _started("1x10 2x10 3x400"),
        None,
    ),
    Case("BrushworkReconcilerStopped", _thread("0+30x20 600x400", "w"), 18, 11),
    # Another worker still does it.
    Case("BrushworkReconcilerStopped", _thread("0+30x20 600x400", "w") | _thread("0+30x400", "v"), None),
    Case(
        "BrushworkThreadFails",
        _thread("0+30x20 600x400", "w", "backlog") | _thread("0+30x400", "v", "backlog"),
        20,
        11,
    ),
    Case(
        "BrushworkModelNotLoaded",
        _gauge("brushwork_model_loads_total", "_x10 1x400", 'model="m",outcome="failed",process="w"'),
        8,
        4,
    ),
    Case(
        "BrushworkModelNotLoaded",
        _gauge("brushwork_model_loads_total", "1x80 2x400", 'model="m",outcome="failed",process="w"'),
        43,
        39,
    ),
    Case(
        "BrushworkModelsThrash",
        _gauge("brushwork_model_evictions_total", "0+2x400", 'model="m",process="w"'),
        20,
        4,
    ),
    Case("BrushworkGatewayErrors", _requests("200", "0+9x400") | _requests("503", "0+1x400"), 15, 4),
    Case("BrushworkGatewayErrors", _requests("200", "0+9x400") | _requests("422", "0+9x400"), None),
    Case(
        "BrushworkQueueFull",
        _gauge("brushwork_gateway_problems_total", "0x10 0+1x400", 'code="queue_full",process="g"'),
        15,
        5,
    ),
    Case("BrushworkWebhooksWait", _gauge("brushwork_webhook_oldest_open_age_seconds", "0+30x400"), 25, 14),
    Case("BrushworkNoWebhookSender", _gauge("brushwork_webhook_open_events", "0x10 3x400"), 12, 9),
    Case(
        "BrushworkNoWebhookSender",
        _gauge("brushwork_webhook_open_events", "3x400")
        | _gauge("brushwork_build_info", "1x400", 'role="sender",process="sender@h"'),
        None,
    ),
    Case("BrushworkWebhooksDead", _gauge("brushwork_webhook_dead_events", "0x10 1x400"), 8, 4),
    # Seconds since the beginning: after 15 minutes; of two gateways, which tell of the same worker.
    Case("BrushworkCertificateUnusable", _expiry("900x400") | _expiry("900x400", where=SECOND), 21, 18),
    # A file is missing.
    Case("BrushworkCertificateUnusable", _expiry("9e6x10 0x400") | _expiry("9e6x400", "v@h"), 12, 8),
    Case("BrushworkCertificateUnusable", _expiry("9e6x10 0x4 9e6x400"), None),
    # 30 days and 20 minutes.
    Case("BrushworkCertificateExpires", _expiry("2593200x400") | _expiry("9e6x400", "v@h"), 31, 28),
    Case("BrushworkCertificateExpires", _expiry("9e6x400"), None),
    # That is the other alert.
    Case("BrushworkCertificateExpires", _expiry("0x400"), None),
    Case("BrushworkDiskNearlyFull", _disk("5e10x10 5e9x400"), 12, 8),
    Case("BrushworkDiskNearlyFull", _disk("2e10x400"), None),
    Case("BrushworkTablesDiffer", _gauge("brushwork_tables_match", "1x10 0x400", 'process="g"'), 40, 30),
    Case("BrushworkVersionsDiffer", _version("1.0") | _version("1.1"), 370, 300),
    Case("BrushworkVersionsDiffer", _version("1.0") | _version("1.1", "1x100 _x700"), None),
)
