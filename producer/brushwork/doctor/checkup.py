"""Run all checks. A check that fails itself does not stop the others."""

from collections.abc import Callable, Iterator

from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError

from brushwork.doctor.database_check import check_database
from brushwork.doctor.engine_check import check_engines
from brushwork.doctor.finding import Finding, fail
from brushwork.doctor.gateway_check import check_gateway
from brushwork.doctor.model_check import check_models
from brushwork.doctor.package_check import check_packages
from brushwork.doctor.plugin_check import check_plugins
from brushwork.doctor.redis_check import check_redis
from brushwork.doctor.signing_check import check_credentials
from brushwork.doctor.space_check import check_space
from brushwork.doctor.store_check import check_store
from brushwork.doctor.torch_check import check_torch
from brushwork.doctor.webhook_check import check_webhooks
from brushwork.doctor.worker_check import check_workers

Check = Callable[[Settings], Iterator[Finding]]
# For a machine that uses a gateway, and for one that connects to the servers itself.
BY_HTTP: dict[str, Check] = {
    "packages": check_packages,
    "plug-ins": check_plugins,
    "gateway": check_gateway,
}
DIRECT: dict[str, Check] = {
    "packages": check_packages,
    "plug-ins": check_plugins,
    "redis": check_redis,
    "database": check_database,
    "store": check_store,
    "space": check_space,
    "models": check_models,
    "engines": check_engines,
    "torch": check_torch,
    "workers": check_workers,
    "gateway": check_gateway,
    "webhooks": check_webhooks,
    "credentials": check_credentials,
}


def findings(settings: Settings) -> Iterator[Finding]:
    """Run all checks, and yield each finding at once."""
    for about, check in (BY_HTTP if settings.url else DIRECT).items():
        try:
            yield from check(settings)
        except BrushworkError as error:
            yield fail(about, error.message, error.hint)
        # A broken installation may raise anything.
        except Exception as error:
            yield fail(
                about, f"The check failed with an unexpected error: {type(error).__name__}: {error}", None
            )
