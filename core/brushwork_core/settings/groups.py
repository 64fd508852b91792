"""Groups of settings. Each is a model of its own, and `Settings` inherits all of them.

A function that needs one group asks for that type, such as `LeaseSettings`, and is given `settings.lease`.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from brushwork_schemas.wording.phrase import said
from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, SecretStr, field_validator
from pydantic_settings import NoDecode

from brushwork_core.settings.environment import data_dir
from brushwork_core.settings.example_passwords import expect_changed_address, expect_changed_secrets
from brushwork_core.settings.stall_bounds import StallBounds

REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")


def _own_catalogue() -> Path | None:
    file = data_dir() / "catalogue.toml"
    return file if file.is_file() else None


class ServiceSettings(BaseModel):
    """Addresses of the broker, the ledger and the artifact store."""

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Broker: redis://, rediss:// or sentinel://; sentinels with a semicolon between them.",
    )
    redis_sentinel_master: str = Field(
        "mymaster", min_length=1, description="Name by which Sentinel knows the Redis master."
    )
    redis_sentinel_password: SecretStr | None = Field(
        None, description="Password of the sentinels themselves; by default they need none."
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///brushwork-data/ledger.sqlite3"),
        description="Ledger: sqlite:///file or postgresql+psycopg://user:password@host/name.",
    )
    database_listen_url: SecretStr | None = Field(
        None,
        description="Address of PostgreSQL itself, for LISTEN, where database_url leads to a pooler in "
        "transaction mode; by default database_url.",
    )
    artifacts_url: str = Field("brushwork-data/artifacts", description="A folder, or s3://bucket/prefix.")
    publish_timeout_s: float = Field(2.0, gt=0, description="Submit waits for Redis at most about so long.")
    audit_days: float | None = Field(
        365.0,
        ge=1,
        le=36_500,
        description="Days for which records of the audit log are kept; `brushwork prune` removes older ones.",
    )

    @field_validator("redis_url", "database_url", "database_listen_url")
    @classmethod
    def _has_own_password(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            expect_changed_address(url.get_secret_value())
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr) -> SecretStr:
        # Checked here, for Celery would find out only after a job was accepted.
        for address in map(urlsplit, url.get_secret_value().split(";")):
            _expect_redis(address)
        return url


def _expect_redis(address: SplitResult) -> None:
    if address.scheme not in REDIS_SCHEMES:
        raise ValueError(said("must start with one of {redis_schemes}", redis_schemes=REDIS_SCHEMES))
    try:
        _ = address.port
    except ValueError:
        raise ValueError("has an invalid port") from None
    number = address.path.strip("/")
    if address.scheme != "redis+socket" and number and not number.isdecimal():
        raise ValueError("must have the number of a database after host and port")


class ModelSettings(BaseModel):
    """Models of a worker, and the memory that they may take."""

    catalogue: Path | None = Field(
        default_factory=_own_catalogue,
        description="TOML file whose models are added to the packaged ones; by default catalogue.toml in the "
        "data folder, if it is there.",
    )
    models: str | None = Field(
        None,
        description="Names, comma-separated: a worker loads only these; by default all of its kinds.",
    )
    model_memory_gb: float | None = Field(
        None,
        gt=0,
        description="GiB that the models of a worker may take together; by default 70 % of the GPU, or half "
        "of the machine's memory, shared with the other workers here.",
    )
    model_stay_s: float = Field(
        30.0,
        ge=0,
        description="A model that a job had loaded stays so long at least, or four times as long as it took "
        "to load: so many reloads an hour there can be and no more.",
    )
    offload_gb: float = Field(
        0.0,
        ge=0,
        description="GiB of the CPU's memory for models that had to leave the GPU, so that they come back "
        "quickly; 0: they are loaded anew.",
    )


class PolicySettings(BaseModel):
    """What callers may ask for, and results may show."""

    policies: Path | None = Field(
        None,
        description="TOML file of policies, for gateways, clients and workers alike; by default there are "
        "none.",
    )


class WorkerSettings(BaseModel):
    """The worker processes of a machine."""

    device: str = Field("auto", description="torch device: auto, cpu, cuda, cuda:1, npu, xpu, mps.")
    workers_here: int = Field(
        1, ge=1, description="Workers on this machine, among whom its cores are divided; `up` sets it."
    )
    worker_index: int = Field(
        0, ge=0, description="Which of them this is: with device auto it takes this GPU. `up` sets it."
    )
    grace_s: float = Field(30.0, ge=0, description="A stopping worker waits so long for its running jobs.")
    held_memory_gb: float = Field(
        0.5,
        ge=0,
        description="GiB of memory for finished files of a worker while the artifact store does not answer.",
    )
    held_disk_gb: float = Field(
        2.0,
        ge=0,
        description="GiB of its cache folder for more of them; beyond both, finished jobs run again.",
    )
    held_s: float = Field(
        86400.0,
        gt=0,
        description="A finished job fails if the artifact store does not answer for so long.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Of worker, gateway and sender: text to read, or one JSON object a line."
    )


class BatchingSettings(BaseModel):
    """Limits of a batch, and of the cache of encoded prompts."""

    max_batch_rows: int = Field(
        64,
        ge=1,
        description="Most rows of one model call that jobs may share; 1: each job calls by itself.",
    )
    max_batch_pixels: int | None = Field(
        None,
        ge=1,
        description="Most pixels of one model call, counted as rows x width x height of the picture; "
        "by default 64 Mi on a GPU, where too much is found out and remembered, 4 Mi elsewhere.",
    )
    prompt_cache_mb: int = Field(
        256,
        ge=0,
        description="MiB of CPU memory for what text encoders returned for the last prompts; 0: for none.",
    )


class LeaseSettings(BaseModel):
    """Leases, and how soon a lost job or a hung worker is found."""

    lease_s: float = Field(12.0, gt=0, description="A worker silent for so long loses its jobs.")
    heartbeat_s: float = Field(2.0, gt=0, description="Seconds between renewals of all leases of a worker.")
    sweep_s: float = Field(2.5, gt=0, description="Seconds between looks for lost jobs and lost messages.")
    stall_s: Annotated[StallBounds, NoDecode, BeforeValidator(StallBounds.read), PlainSerializer(str)] = (
        Field(
            StallBounds(300.0),
            description="A job that neither steps nor calls for so long is hung: its worker ends. "
            "For some kinds otherwise: 300,text-to-image=900.",
        )
    )
    frozen_s: float = Field(
        20.0, gt=0, description="A worker process in which no Python runs for so long ends itself."
    )
    deaf_s: float = Field(
        30.0,
        gt=0,
        description="A worker that has room and takes no message for so long while some wait ends.",
    )


class QueueSettings(BaseModel):
    """Messages for queued jobs, and attempts of a job."""

    queue_ahead: int = Field(
        64, ge=1, description="Most messages of a kind in Redis. Each makes a worker look for jobs."
    )
    redispatch_after_s: float = Field(
        10.0,
        gt=0,
        description="A message of an older program counts as lost after so long; its job waits for its turn.",
    )
    max_attempts: int = Field(3, ge=1, le=100, description="Runs of a job, the failed ones included.")
    retry_s: float = Field(
        2.0, gt=0, description="Pause after an attempt that the machine failed; it doubles each time."
    )


class ClientSettings(BaseModel):
    """What a client connects to, and what it may fetch."""

    url: str | None = Field(
        None, description="A gateway's http(s) address: clients and the command line go there."
    )
    api_key: SecretStr | None = Field(None, description="The key for it: bw_...")
    image_addresses: bool = Field(
        False, description="Whether a client may fetch pictures by http(s) address."
    )


class GatewaySettings(BaseModel):
    """Limits of the gateway, and links of its page."""

    flower_url: str | None = Field(
        None, pattern="^https?://", description="Where Flower is: the gateway's page has a link to it."
    )
    max_queued: int | None = Field(
        None, ge=1, description="Jobs of a kind that may wait; the gateway refuses more with 429."
    )
    max_job_cost: float | None = Field(
        None, gt=0, description="Most megapixels x steps of one job that the gateway takes."
    )
    max_stored_bytes: int | None = Field(
        None, ge=1, description="Most bytes of the files of one tenant; a key may have a smaller quota."
    )
    max_upload_bytes: int = Field(
        32 * 2**20, ge=1024, description="Most bytes of one request that the gateway takes."
    )
    answer_within_s: float = Field(
        55.0,
        ge=1,
        description="An answer begins within so many seconds: fewer than the timeout of the proxy in front.",
    )
    drain_s: float = Field(
        0.0, ge=0, description="After SIGTERM, `/readyz` fails for so many seconds, then the gateway stops."
    )
    stop_within_s: float = Field(
        20.0, gt=0, description="After that, open requests have so many seconds to end."
    )
    max_dataset_bytes: int = Field(
        2**30,
        ge=1024,
        description="Most bytes of an archive to train on; a worker holds it in memory.",
    )


class WebhookSettings(BaseModel):
    """Signatures, receivers and retries of webhooks."""

    webhook_secret: SecretStr | None = Field(
        None,
        description="What webhooks are signed with: whsec_ and base64; several, with spaces between them, "
        "while one takes another's place.",
    )
    webhook_private: bool = Field(
        False, description="Whether webhooks may go to loopback and to the addresses of inner networks."
    )
    webhook_timeout_s: float = Field(15.0, gt=0, description="A receiver has so long for a webhook, in all.")
    webhook_retry_s: float = Field(
        5.0, gt=0, description="Pause after a webhook's first failure; the later ones are multiples of it."
    )

    @field_validator("webhook_secret")
    @classmethod
    def _is_own_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            expect_changed_secrets(secret.get_secret_value())
        return secret
