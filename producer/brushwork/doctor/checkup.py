"""All checks, one after the other; none that goes wrong keeps the others from being made."""

from collections.abc import Callable, Iterator

from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError

from brushwork.doctor.database_check import check_database
from brushwork.doctor.finding import Finding, fail
from brushwork.doctor.gateway_check import check_gateway
from brushwork.doctor.model_check import check_models
from brushwork.doctor.package_check import check_packages
from brushwork.doctor.redis_check import check_redis
from brushwork.doctor.space_check import check_space
from brushwork.doctor.store_check import check_store
from brushwork.doctor.torch_check import check_torch
from brushwork.doctor.webhook_check import check_webhooks
from brushwork.doctor.worker_check import check_workers

Check = Callable[[Settings], Iterator[Finding]]
# What a machine needs that goes to a gateway by HTTP, and what one needs that goes to the servers.
BY_HTTP: dict[str, Check] = {"packages": check_packages, "gateway": check_gateway}
DIRECT: dict[str, Check] = {
    "packages": check_packages,
    "redis": check_redis,
    "database": check_database,
    "store": check_store,
    "space": check_space,
    "models": check_models,
    "torch": check_torch,
    "workers": check_workers,
    "gateway": check_gateway,
    "webhooks": check_webhooks,
}


def findings(settings: Settings) -> Iterator[Finding]:
    """What all checks found, as they find it."""
    for about, check in (BY_HTTP if settings.url else DIRECT).items():
        try:
            yield from check(settings)
        except BrushworkError as error:
            yield fail(about, error.message, error.hint)
        # A check must survive whatever is broken.
        except Exception as error:
            yield fail(about, f"The check itself failed: {type(error).__name__}: {error}", None)
