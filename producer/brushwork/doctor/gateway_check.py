"""Check the gateway: whether it answers and accepts jobs, and its API keys."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
from brushwork_core.access.api_keys import ApiKey, ApiKeys
from brushwork_core.settings.environment import env_file, variable
from brushwork_core.settings.settings import Settings

from brushwork.doctor.database_check import existing
from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "gateway"
TIMEOUT_S = 5.0
SOON = timedelta(days=7)
VARIABLE = "BRUSHWORK_GATEWAY_URL"


def check_gateway(settings: Settings) -> Iterator[Finding]:
    """Check the gateway and its API keys."""
    if (url := settings.url or _known()) is None:
        yield ok(ABOUT, "No address of a gateway is set. To run one: brushwork gateway")
    else:
        yield from _answers(url.rstrip("/"), settings)
    if not settings.url:
        yield from _keys(settings)


def _answers(url: str, settings: Settings) -> Iterator[Finding]:
    key = settings.api_key.get_secret_value() if settings.api_key else None
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S) as http:
            ready = http.get("/readyz")
            models = http.get("/v1/models")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield fail(
            ABOUT,
            f"{url} does not answer: {error}",
            "Run: brushwork gateway, or correct BRUSHWORK_URL or BRUSHWORK_GATEWAY_URL.",
        )
        return
    if ready.status_code != httpx.codes.OK:
        yield fail(
            ABOUT, f"{url} does not accept jobs: {ready.text[:200]}", "Run brushwork doctor where it runs."
        )
    elif settings.url and models.status_code in (401, 403):
        said = "refuses this API key" if key else "requires an API key"
        yield fail(ABOUT, f"{url} {said}.", "Set BRUSHWORK_API_KEY to a valid key with the scope read.")
    else:
        yield ok(ABOUT, f"{url} accepts jobs.")


def _known() -> str | None:
    """Return the address from the environment or from `brushwork up`."""
    if chosen := variable(VARIABLE):
        return chosen
    file = env_file()
    for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
        name, _, value = line.removeprefix("export ").partition("=")
        if name == VARIABLE:
            return value.strip("'")
    return None


def _keys(settings: Settings) -> Iterator[Finding]:
    with existing(settings) as database:
        keys = ApiKeys(database).list() if database else []
    if not keys:
        yield ok(ABOUT, "There are no API keys: the gateway accepts requests only from this machine.")
        return
    now = datetime.now(UTC)
    valid = [key for key in keys if key.revoked_at is None and not _ends_by(key, now)]
    if not valid:
        yield fail(
            ABOUT, "No API key is valid: the gateway refuses all requests.", "Run: brushwork keys create NAME"
        )
        return
    yield ok(ABOUT, f"{len(valid)} of {len(keys)} API keys are valid.")
    for key in valid:
        if _ends_by(key, now + SOON):
            hint = "Make a new key in time: brushwork keys create NAME"
            yield warn(
                ABOUT, f"The API key {key.id} ({key.name}) expires at {key.expires_at:%Y-%m-%d}.", hint
            )


def _ends_by(key: ApiKey, moment: datetime) -> bool:
    return key.expires_at is not None and key.expires_at <= moment
