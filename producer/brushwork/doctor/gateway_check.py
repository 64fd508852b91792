"""Whether the gateway answers and can do its work, and who may come in there."""

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
    """Alive, ready, and its keys."""
    if (url := settings.url or _known()) is None:
        yield ok(ABOUT, "No gateway is known here; to run one: brushwork gateway")
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
            ABOUT, f"{url} does not answer: {error}", "Run: brushwork gateway, or correct the address."
        )
        return
    if ready.status_code != httpx.codes.OK:
        yield fail(
            ABOUT, f"{url} can't accept jobs: {ready.text[:200]}", "Its own database is to be looked at."
        )
    elif settings.url and models.status_code in (401, 403):
        said = "does not take this key" if key else "wants a key"
        yield fail(ABOUT, f"{url} {said}.", "Set BRUSHWORK_API_KEY to one that is in force and may read.")
    else:
        yield ok(ABOUT, f"{url} accepts jobs.")


def _known() -> str | None:
    """The address that the environment or `brushwork up` says."""
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
        yield ok(ABOUT, "There are no keys: it answers whoever is on this machine, and nobody else.")
        return
    now = datetime.now(UTC)
    valid = [key for key in keys if key.revoked_at is None and not _ends_by(key, now)]
    if not valid:
        yield fail(ABOUT, "No key is in force: it answers nobody.", "Run: brushwork keys create NAME")
        return
    yield ok(ABOUT, f"{len(valid)} of {len(keys)} keys are in force.")
    for key in valid:
        if _ends_by(key, now + SOON):
            hint = "Make another in time: brushwork keys create NAME"
            yield warn(ABOUT, f"The key {key.id} ({key.name}) expires at {key.expires_at:%Y-%m-%d}.", hint)


def _ends_by(key: ApiKey, moment: datetime) -> bool:
    return key.expires_at is not None and key.expires_at <= moment
